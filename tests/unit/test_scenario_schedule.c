/* test_scenario_schedule.c - how an experiment keeps within its time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tools/scenario/plan.h"
#include "tools/scenario/process.h"
#include "tools/scenario/schedule.h"

/* A minute of which so much is over. */
static struct schedule make_schedule(double over)
{
    struct schedule schedule;
    schedule_init(&schedule, 60);
    schedule.began -= over;
    return schedule;
}

static double left_of_phase(struct schedule *schedule, enum schedule_phase phase)
{
    schedule_begin(schedule, phase);
    return schedule->until - process_now();
}

static void phases_end_one_after_the_other_within_the_whole(void **state)
{
    (void)state;
    double over = 0;
    for (unsigned phase = SCHEDULE_CALIBRATION; phase <= SCHEDULE_SHIFTS; phase++) {
        struct schedule schedule = make_schedule(over);
        double left = left_of_phase(&schedule, phase);
        assert_true(left > 1);
        over += left;
        assert_true(over < 60);
    }
    assert_true(over > 57);
}

static void what_a_phase_leaves_the_later_ones_share(void **state)
{
    (void)state;
    struct schedule early = make_schedule(10), late = make_schedule(40);
    double much = left_of_phase(&early, SCHEDULE_SEARCH);
    double little = left_of_phase(&late, SCHEDULE_SEARCH);
    assert_true(much > 2 * little && little > 5);
}

static void only_what_is_too_long_is_cut_short(void **state)
{
    (void)state;
    struct schedule schedule = make_schedule(0);
    assert_true(schedule_limit(&schedule, SCHEDULE_LEVELS, 10) == 10);
    assert_true(schedule_limit(&schedule, SCHEDULE_LEVELS, 60) == 15);
    schedule_init(&schedule, INFINITY);
    assert_true(schedule_limit(&schedule, SCHEDULE_LEVELS, 1e6) == 1e6);
    schedule_begin(&schedule, SCHEDULE_SEARCH);
    assert_true(isinf(schedule.until) && isinf(schedule_left(&schedule)));
    assert_true(isinf(schedule_part(&schedule, 3)) && schedule_fits(1e6, schedule.until));
}

static void parts_of_a_phase_are_equal(void **state)
{
    (void)state;
    struct schedule schedule = make_schedule(0);
    schedule_begin(&schedule, SCHEDULE_SHIFTS);
    double before = process_now(), part = schedule_part(&schedule, 4), after = process_now();
    assert_true(part >= before + (schedule.until - before) / 4 - 1e-6);
    assert_true(part <= after + (schedule.until - after) / 4 + 1e-6);
    assert_true(schedule_part(&schedule, 1) >= schedule.until);
}

static void runs_are_expected_to_take_as_long_as_those_before(void **state)
{
    (void)state;
    struct schedule schedule = make_schedule(0);
    schedule.run = 50; /* as the calibration tells */
    schedule_add_run(&schedule, 2);
    schedule_add_run(&schedule, 4);
    assert_true(schedule.run == 3);
    assert_true(schedule_fits(schedule.run, process_now() + 3.5));
    assert_false(schedule_fits(schedule.run, process_now() + 2.9));
}

/* The pressure is as long as the file, or as it was said. */
static void a_file_has_five_times_its_own_length(void **state)
{
    (void)state;
    struct shape_point points[] = {{.at = 0, .share = 0.9}, {.at = 399, .share = 0.5}};
    struct plan plan;
    plan_init(&plan);
    plan.shape = (struct shape){.kind = SHAPE_FILE, .point = points, .points = 2};
    assert_true(shape_length(&plan.shape, 60) == 400 && shape_length(&plan.shape, 500) == 500);
    assert_true(plan_get_whole(&plan) == 2000);
    plan.shape.kind = SHAPE_LINEAR;
    assert_true(shape_length(&plan.shape, 60) == 60 && plan_get_whole(&plan) == 300);
}

static void notes_beyond_the_last_are_dropped(void **state)
{
    (void)state;
    struct schedule schedule = make_schedule(0);
    for (int i = 0; i < SCHEDULE_NOTES + 3; i++)
        schedule_note(&schedule, "number %d", i);
    assert_int_equal(schedule.notes, SCHEDULE_NOTES);
    assert_string_equal(schedule.note[1], "number 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_end_one_after_the_other_within_the_whole),
        cmocka_unit_test(what_a_phase_leaves_the_later_ones_share),
        cmocka_unit_test(only_what_is_too_long_is_cut_short),
        cmocka_unit_test(parts_of_a_phase_are_equal),
        cmocka_unit_test(runs_are_expected_to_take_as_long_as_those_before),
        cmocka_unit_test(a_file_has_five_times_its_own_length),
        cmocka_unit_test(notes_beyond_the_last_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
