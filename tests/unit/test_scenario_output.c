/* test_scenario_output.c - what text and JSON say of a breaking point. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/scenario/output.h"

#define MIB 1048576.0

static char *no_program[] = {NULL};
static const struct pressure_mechanism mechanism = {
    .name = "none", .unit = "nothing", .enforces = "nothing"};
static const struct plan plan = {.arguments = no_program};

static struct experiment *make_experiment(const struct bisect *found)
{
    struct experiment *experiment = calloc(1, sizeof *experiment);
    assert_non_null(experiment);
    experiment->plan = &plan;
    experiment->pressure.mechanism = &mechanism;
    experiment->peak = 100 * MIB;
    experiment->total = 1;
    experiment->bisect = *found;
    experiment->has_searched = experiment->is_confirmed = true;
    return experiment;
}

static void expect_text(const struct experiment *experiment, const char *wanted)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    output_text(experiment, out);
    fclose(out);
    if (strstr(text, wanted) == NULL)
        fail_msg("\"%s\" is not in:\n%s", wanted, text);
    free(text);
}

/* A member of the breaking point; -1: null. */
static double json_member(const struct experiment *experiment, const char *key)
{
    json_t *object = output_json(experiment);
    json_t *value = json_object_get(json_object_get(object, "breaking_point"), key);
    assert_non_null(value);
    double number = json_is_null(value)      ? -1
                    : json_is_boolean(value) ? json_is_true(value)
                                             : json_number_value(value);
    json_decref(object);
    return number;
}

static const struct bisect bracket = {
    .good = 52 * MIB,
    .bad = 51 * MIB,
    .probes = 5,
    .runs = 14,
    .kind = CURVE_KILLED,
    .figures = {.middle = 51.5 * MIB, .low = 50.8 * MIB, .high = 52.2 * MIB, .spread = 3 * MIB}};

static void expect_interval(const struct experiment *experiment)
{
    json_t *object = output_json(experiment);
    json_t *interval = json_object_get(json_object_get(object, "breaking_point"), "interval");
    assert_int_equal(json_array_size(interval), 2);
    assert_true(json_real_value(json_array_get(interval, 0)) == 50.8 * MIB);
    assert_true(json_real_value(json_array_get(interval, 1)) == 52.2 * MIB);
    json_decref(object);
}

static void a_bracket_is_what_broke_and_what_held(void **state)
{
    (void)state;
    struct experiment *experiment = make_experiment(&bracket);
    expect_text(experiment, "                95 % sure: 50.8 MiB to 52.2 MiB; 5 probes, 14 runs\n"
                            "                broken at 51.0 MiB, held at 52.0 MiB\n");
    assert_true(json_member(experiment, "broken_at") == 51 * MIB);
    assert_true(json_member(experiment, "held_at") == 52 * MIB);
    expect_interval(experiment);
    assert_true(json_member(experiment, "spread") == 0);
    free(experiment);
}

/* No run was at either end of it. */
static void a_middle_is_no_observation(void **state)
{
    (void)state;
    struct bisect middle = bracket;
    middle.is_varying = true;
    struct experiment *experiment = make_experiment(&middle);
    expect_text(experiment, "half of the runs break there: their needs spread by 3.00 MiB\n");
    assert_true(json_member(experiment, "broken_at") == -1);
    assert_true(json_member(experiment, "held_at") == -1);
    expect_interval(experiment);
    assert_true(json_member(experiment, "spread") == 3 * MIB);
    assert_true(json_member(experiment, "bytes") == 51.5 * MIB);
    free(experiment);
}

static void nothing_broke_at_no_budget(void **state)
{
    (void)state;
    struct experiment *experiment = make_experiment(&(struct bisect){.good = MIB, .probes = 3});
    expect_text(experiment, "BREAKING POINT  none down to ");
    assert_true(json_member(experiment, "broken_at") == -1);
    assert_true(json_member(experiment, "held_at") == MIB);
    assert_true(json_member(experiment, "interval") == -1);
    free(experiment);
}

static void time_that_was_short_is_told_from_time_that_was_over(void **state)
{
    (void)state;
    struct experiment *experiment = make_experiment(&bracket);
    experiment->is_confirmed = false;
    expect_text(experiment, "5 probes, 14 runs, not confirmed\n");
    assert_true(json_member(experiment, "confirmed") == 0);
    assert_true(json_member(experiment, "out_of_time") == 0);
    experiment->is_out_of_time = true;
    expect_text(experiment, "5 probes, 14 runs, out of time\n");
    free(experiment);
}

static void what_counts_and_is_not_there_is_told_apart(void **state)
{
    (void)state;
    struct experiment_lap level = {.budget = 60 * MIB,
                                   .slow_calls = 9,
                                   .coverage = 0.9,
                                   .accounted = 0.98,
                                   .resident_mean = 50 * MIB};
    struct experiment *experiment = make_experiment(&bracket);
    experiment->level = &level;
    experiment->levels = experiment->planned = 1;
    experiment->baseline = 1;
    level.untouched = 12 * MIB;
    expect_text(experiment, " 98 % with what the program mapped\n"
                            "                (12.0 MiB more counts, which it has not touched)\n");
    level.untouched = 2 * MIB;
    expect_text(experiment, " 98 % with what the program mapped\nIN THE HEAP ");
    free(experiment);
}

/* -- strategies and time ---------------------------------------------------------------------- */

static char long_name[] = "a strategy whose name is long";
static const struct plan strategic = {.arguments = no_program,
                                      .strategy = {{.name = long_name}, {.name = long_name}},
                                      .strategies = 2};

static struct experiment_strategy make_strategy(double reduction, double overhead)
{
    static const char why_not[] = "it costs more than a tenth of time";
    struct sample_interval interval = {reduction - 1, reduction + 1};
    return (struct experiment_strategy){
        .what = &strategic.strategy[0],
        .is_measured = true,
        .improvement = {.reduction = reduction,
                        .reduction_interval = interval,
                        .overhead = overhead,
                        .objection = why_not},
        .without = bracket,
        .with = bracket,
        .shift = {.shift = reduction, .interval = interval, .objection = why_not}};
}

static void expect_80_columns(const struct experiment *experiment)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    output_text(experiment, out);
    fclose(out);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strlen(line) > 80)
            fail_msg("%zu columns: %s", strlen(line), line);
    }
    free(text);
}

static void what_is_not_counted_says_why_in_80_columns(void **state)
{
    (void)state;
    struct experiment *experiment = make_experiment(&bracket);
    experiment->plan = &strategic;
    experiment->strategies[0] = make_strategy(-0.123, 12.345);
    experiment->strategies[1] = make_strategy(0.99, 0.2);
    expect_text(experiment, "resident +12.3 % (-87.7..+112.3), time +1234.5 %;\n"
                            "                               not counted: it costs more than a "
                            "tenth of time\n");
    expect_80_columns(experiment);
    experiment->strategies[1].is_measured = false;
    memset(experiment->strategies[1].why, 'x', sizeof experiment->strategies[1].why - 1);
    for (size_t i = 9; i < 95; i += 10)
        experiment->strategies[1].why[i] = ' ';
    expect_80_columns(experiment);
    free(experiment);
}

static void a_shift_that_there_was_no_time_for_is_no_silence(void **state)
{
    (void)state;
    struct experiment *experiment = make_experiment(&bracket);
    experiment->plan = &strategic;
    for (unsigned i = 0; i < 2; i++) {
        experiment->strategies[i] = make_strategy(0.1, 0);
        experiment->strategies[i].shift = (struct improvement_shift){.shift = NAN, .is_open = true};
    }
    experiment->strategies[1].without.bad = 0;
    expect_text(experiment, "where it breaks with it: no time was left\n");
    expect_text(experiment, "where it breaks without it: no time was left\n");
    free(experiment);
}

static void what_was_left_out_for_want_of_time_is_said(void **state)
{
    (void)state;
    struct experiment *experiment = make_experiment(&bracket);
    schedule_init(&experiment->schedule, 60);
    experiment->total = 58;
    expect_text(experiment, "TIME            58.0 s of at most 60.0 s\n");
    schedule_note(&experiment->schedule, "pressure lasted %d s instead of %d s", 15, 60);
    expect_text(experiment, "58.0 s of at most 60.0 s; to keep that:\n"
                            "                pressure lasted 15 s instead of 60 s\n");
    json_t *object = output_json(experiment);
    assert_int_equal(json_array_size(json_object_get(object, "left_out")), 1);
    assert_true(json_real_value(json_object_get(object, "within_s")) == 60);
    json_decref(object);
    free(experiment);
}

static void a_recovery_that_there_was_no_time_for_is_not_denied(void **state)
{
    (void)state;
    static const struct plan patient = {.arguments = no_program, .recovery = 60};
    struct experiment *experiment = make_experiment(&bracket);
    struct curve curve;
    experiment->plan = &patient;
    experiment->release.windows = 1;
    experiment->window = calloc(1, sizeof *experiment->window);
    experiment_make_curve(experiment, &curve);
    assert_true(curve.is_recovery_watched);
    experiment_free_curve(&curve);
    experiment->is_recovery_cut = true;
    experiment_make_curve(experiment, &curve);
    assert_false(curve.is_recovery_watched);
    experiment_free_curve(&curve);
    expect_text(experiment, "RECOVERY        not while there was time, then ");
    free(experiment->window);
    free(experiment);
}

/* -- the program's own numbers ---------------------------------------------------------------- */

static struct experiment *make_measured(struct experiment_lap *level)
{
    struct experiment *experiment = make_experiment(&bracket);
    experiment->level = level;
    experiment->levels = experiment->planned = 1;
    experiment->baseline = 1;
    experiment->clock_step = 1e-8;
    return experiment;
}

static double level_member(const struct experiment *experiment, const char *key)
{
    json_t *object = output_json(experiment);
    json_t *level = json_array_get(json_object_get(object, "levels"), 0);
    json_t *value = json_object_get(level, key);
    assert_non_null(value);
    double number = json_is_null(value) ? -1 : json_number_value(value);
    json_decref(object);
    return number;
}

static void fast_calls_are_told_as_far_as_the_clock_can_tell(void **state)
{
    (void)state;
    struct experiment_lap level = {.budget = 60 * MIB,
                                   .slow_calls = 9,
                                   .slow_p50 = 3e-7,
                                   .slow_p99 = 5e-6,
                                   .fast_calls = 1000,
                                   .fast_p50 = 1e-8,
                                   .fast_p99 = 4e-8,
                                   .fast_frees = 7};
    struct experiment *experiment = make_measured(&level);
    experiment->calibration = level;
    experiment->calibration.fast_p99 = 2e-8;
    expect_text(experiment,
                "FAST CALLS      p50 <= 10 ns -> <= 10 ns, p99 20 ns -> 40 ns; 1 in 64\n");
    assert_true(level_member(experiment, "fast_calls") == 1000);
    assert_true(level_member(experiment, "fast_p50_s") == 1e-8);
    assert_true(level_member(experiment, "fast_p99_s") == 4e-8);
    assert_true(level_member(experiment, "fast_frees") == 7);
    level.fast_calls = 0; /* another build of the library */
    assert_true(level_member(experiment, "fast_p99_s") == -1);
    free(experiment);
}

static void stalls_of_some_and_of_all_are_apart(void **state)
{
    (void)state;
    struct experiment_lap level = {
        .budget = 60 * MIB, .lasted = 10, .costed = 10, .stalls = {true, 2.5, 0.5}};
    struct experiment *experiment = make_measured(&level);
    expect_text(experiment, "STALLS          some 25.0 %, full 5.0 % of the time (its group,");
    assert_true(level_member(experiment, "stalls_some_s") == 2.5);
    assert_true(level_member(experiment, "stalls_full_s") == 0.5);
    level.stalls = (struct experiment_stalls){false, NAN, NAN};
    expect_text(experiment, "STALLS          the kernel does not tell");
    assert_true(level_member(experiment, "stalls_some_s") == -1);
    assert_true(level_member(experiment, "stalls_of") == -1);
    free(experiment);
}

static void what_is_injected_is_told_by_its_parts(void **state)
{
    (void)state;
    struct experiment_lap level = {.budget = 60 * MIB,
                                   .lasted = 10,
                                   .costed = 10,
                                   .is_injected_known = true,
                                   .injected = {1, 0.5, 0.2},
                                   .injected_p99 = 5e-3,
                                   .run_wait = 3,
                                   .minor_faults = 1234,
                                   .parts = {32 * MIB, 8 * MIB, MIB, 2 * MIB}};
    static char load[] = "load";
    static const struct plan service = {.arguments = no_program, .load = load};
    struct experiment *experiment = make_measured(&level);
    experiment->plan = &service;
    expect_text(experiment,
                "INJECTED        10.0 % of the time asleep, 5.0 % held, 2.0 % for packed "
                "memory;\n                p99 of a call 5.00 ms\n");
    expect_text(experiment, "1.00 MiB shared, 2.00 MiB\n                swapped\n");
    expect_text(experiment, "WAITING         for a processor 30.0 % of the time; 0.0 %");
    expect_text(experiment, "FAULTS          123 minor, 0 major a second; 0, 0 without");
    expect_80_columns(experiment);
    assert_true(level_member(experiment, "slept_s") == 1);
    assert_true(level_member(experiment, "held_s") == 0.5);
    assert_true(level_member(experiment, "fetched_s") == 0.2);
    assert_true(level_member(experiment, "resident_file") == 8 * MIB);
    assert_true(level_member(experiment, "swapped") == 2 * MIB);
    free(experiment);
}

/* 200 windows of 1 to 200 ms; of 30 no 99th percentile can be told, of 5 no 95th. */
static void quantiles_of_times_need_enough_of_them(void **state)
{
    (void)state;
    struct experiment_window window[200];
    struct experiment_lap level = {.budget = 60 * MIB, .windows = 200};
    struct experiment *experiment = make_measured(&level);
    for (unsigned i = 0; i < 200; i++)
        window[i] = (struct experiment_window){.service = (i + 1) * 1e-3};
    experiment->window = window;
    experiment->calibration = level;
    struct experiment_times times;
    lap_read_times(experiment, &level, &times);
    assert_true(!times.is_of_units && times.count == 200 && times.most == 0.2);
    assert_true(fabs(times.p50 - 0.1005) < 1e-9 && fabs(times.p95 - 0.19005) < 1e-9);
    assert_true(fabs(times.p99 - 0.19801) < 1e-9);
    expect_text(experiment,
                "60.0 MiB            200      100 ms      190 ms      198 ms      200 ms");
    level.windows = 30;
    lap_read_times(experiment, &level, &times);
    assert_true(isnan(times.p99) && !isnan(times.p95));
    level.windows = 5;
    lap_read_times(experiment, &level, &times);
    assert_true(isnan(times.p99) && isnan(times.p95) && times.most == 5e-3);
    free(experiment);
}

/* 99 that came at once, and one that took long. */
static void units_count_each_for_itself(void **state)
{
    (void)state;
    struct sample_weighted batch[] = {{0.001, 60}, {0.5, 1}, {0.002, 39}};
    struct experiment_lap level = {.budget = 60 * MIB, .batches = 3};
    struct experiment *experiment = make_measured(&level);
    struct experiment_times times;
    experiment->batch = batch;
    lap_read_times(experiment, &level, &times);
    assert_true(times.is_of_units && times.count == 100 && times.most == 0.5);
    assert_true(times.p50 == 0.001 && times.p95 == 0.002 && times.p99 == 0.002);
    batch[1].weight = 2;
    lap_read_times(experiment, &level, &times);
    assert_true(times.p99 == 0.5);
    free(experiment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bracket_is_what_broke_and_what_held),
        cmocka_unit_test(a_middle_is_no_observation),
        cmocka_unit_test(nothing_broke_at_no_budget),
        cmocka_unit_test(time_that_was_short_is_told_from_time_that_was_over),
        cmocka_unit_test(what_counts_and_is_not_there_is_told_apart),
        cmocka_unit_test(what_is_not_counted_says_why_in_80_columns),
        cmocka_unit_test(a_shift_that_there_was_no_time_for_is_no_silence),
        cmocka_unit_test(a_recovery_that_there_was_no_time_for_is_not_denied),
        cmocka_unit_test(what_was_left_out_for_want_of_time_is_said),
        cmocka_unit_test(fast_calls_are_told_as_far_as_the_clock_can_tell),
        cmocka_unit_test(stalls_of_some_and_of_all_are_apart),
        cmocka_unit_test(what_is_injected_is_told_by_its_parts),
        cmocka_unit_test(quantiles_of_times_need_enough_of_them),
        cmocka_unit_test(units_count_each_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
