/* test_pressure.c - levels, pauses and the law of a limit, on made series of numbers. */
#include "allocators/pressure/pressure.h"
#include "tests/unit/unit.h"

#define SECOND UINT64_C(1000000000)
#define MIB UINT64_C(1048576)

static struct pressure pressure;

static int init(void **state)
{
    (void)state;
    pressure_init(&pressure, &pressure_default_rules);
    return 0;
}

/* A sample of a limit of 1000 MiB. */
static struct pressure_advice take(uint64_t now_ns, uint64_t permille)
{
    const struct pressure_sample sample = {
        .now_ns = now_ns, .used = permille * MIB, .limit = 1000 * MIB};
    return pressure_take(&pressure, &sample);
}

static void levels_are_entered_at_once(void **state)
{
    (void)state;
    assert_int_equal(take(1, 699).level, PRESSURE_CALM);
    assert_int_equal(take(2, 700).level, PRESSURE_MONITOR);
    assert_int_equal(take(3, 800).level, PRESSURE_GENTLE);
    assert_int_equal(take(4, 901).level, PRESSURE_AGGRESSIVE);
    assert_int_equal(take(5, 2000).level, PRESSURE_EMERGENCY);
}

static void levels_are_left_later_and_lower(void **state)
{
    (void)state;
    take(0, 910);
    assert_int_equal(take(6 * SECOND, 880).level, PRESSURE_AGGRESSIVE); /* not low enough */
    assert_int_equal(take(6 * SECOND, 869).level, PRESSURE_GENTLE);
    assert_int_equal(take(7 * SECOND, 600).level, PRESSURE_GENTLE); /* too soon */
    assert_int_equal(take(12 * SECOND, 600).level, PRESSURE_CALM);
}

static void noise_around_a_threshold_changes_the_level_once(void **state)
{
    (void)state;
    unsigned changes = 0;
    for (uint64_t i = 0; i < 1000; i++)
        changes += take(i * SECOND, i % 2 == 0 ? 790 : 810).has_changed;
    assert_int_equal(changes, 2); /* monitor, gentle */
}

static void a_step_in_vain_is_tried_again_less_and_less_often(void **state)
{
    (void)state;
    unsigned steps = 0;
    uint64_t last = 0, pause = 0;
    for (uint64_t now = SECOND; now < 100 * SECOND; now += SECOND / 100) {
        if (take(now, 850).step != PRESSURE_GENTLE)
            continue;
        pressure_note_gain(&pressure, PRESSURE_GENTLE, 0, now);
        steps++;
        assert_true(steps < 3 || now - last >= pause);
        pause = now - last;
        last = now;
    }
    assert_in_range(steps, 10, 20); /* 0.2 s, 0.4, ... 10, 10, 10 */
}

static void a_step_that_gains_is_repeated_soon(void **state)
{
    (void)state;
    unsigned steps = 0;
    for (uint64_t now = SECOND; now < 11 * SECOND; now += SECOND / 100) {
        if (take(now, 850).step == PRESSURE_CALM)
            continue;
        pressure_note_gain(&pressure, PRESSURE_GENTLE, 2 * MIB, now);
        steps++;
    }
    assert_in_range(steps, 90, 101);
}

static void a_forecast_alone_is_answered_gently(void **state)
{
    (void)state;
    struct pressure_sample sample = {SECOND, 100 * MIB, 1000 * MIB, 99, 0, false};
    struct pressure_advice advice = pressure_take(&pressure, &sample);
    assert_int_equal(advice.level, PRESSURE_CALM);
    assert_int_equal(advice.step, PRESSURE_GENTLE);
    assert_true(advice.by_forecast);
    sample = (struct pressure_sample){SECOND, 100 * MIB, 1000 * MIB, 49, 0, false};
    assert_int_equal(pressure_take(&pressure, &sample).step, PRESSURE_CALM);
}

static void without_a_limit_all_is_calm(void **state)
{
    (void)state;
    const struct pressure_sample sample = {SECOND, UINT64_MAX, 0, 100, 0, false};
    struct pressure_advice advice = pressure_take(&pressure, &sample);
    assert_int_equal(advice.level, PRESSURE_CALM);
    assert_int_equal(advice.step, PRESSURE_CALM);
}

static enum pressure_level level_of_machine(uint64_t permille, uint32_t stalls_100)
{
    const struct pressure_sample sample = {.now_ns = 1,
                                           .used = permille * MIB,
                                           .limit = 1000 * MIB,
                                           .stalls_100 = stalls_100,
                                           .is_machine = true};
    pressure_init(&pressure, &pressure_default_rules);
    return pressure_take(&pressure, &sample).level;
}

static void a_full_machine_that_does_not_stall_is_answered_gently(void **state)
{
    (void)state;
    assert_int_equal(level_of_machine(750, 0), PRESSURE_MONITOR);
    assert_int_equal(level_of_machine(960, 0), PRESSURE_GENTLE);
    assert_int_equal(level_of_machine(960, 99), PRESSURE_GENTLE);
    assert_int_equal(level_of_machine(960, 100), PRESSURE_EMERGENCY);
    assert_int_equal(level_of_machine(910, PRESSURE_STALLS_UNKNOWN), PRESSURE_AGGRESSIVE);
}

static void stalls_raise_what_is_watched(void **state)
{
    (void)state;
    assert_int_equal(level_of_machine(750, 1000), PRESSURE_GENTLE);
    assert_int_equal(level_of_machine(690, 10000), PRESSURE_CALM);
}

static void thresholds_rise(void **state)
{
    (void)state;
    struct pressure_rules rules = pressure_default_rules;
    assert_true(pressure_rules_are_valid(&rules));
    rules.enter_percent[PRESSURE_GENTLE] = rules.enter_percent[PRESSURE_AGGRESSIVE];
    assert_false(pressure_rules_are_valid(&rules));
    rules = pressure_default_rules;
    rules.enter_percent[PRESSURE_EMERGENCY] = 101;
    assert_false(pressure_rules_are_valid(&rules));
}

/* -- a limit that is enforced ----------------------------------------------------------------- */

static const struct pressure_limit budget = {
    .soft = 90 * MIB,
    .hard = 100 * MIB,
    .wall = 112 * MIB,
    .grace_ns = SECOND,
    .throttle_from = 100 * MIB,
    .throttle_full = 112 * MIB,
    .throttles = true,
    .refuses = true,
};

static struct pressure_answer ask(uint64_t now_ns, uint64_t used, uint64_t bytes,
                                  struct pressure_over *over)
{
    const struct pressure_request request = {now_ns, used, bytes, true, false};
    return pressure_judge(&budget, &request, over);
}

static void below_the_soft_limit_growth_is_allowed_up_to_it(void **state)
{
    (void)state;
    struct pressure_over over = {0};
    struct pressure_answer answer = ask(1, 50 * MIB, MIB, &over);
    assert_int_equal(answer.verdict, PRESSURE_GRANT);
    assert_int_equal(answer.left, 40 * MIB);
    answer = ask(1, 95 * MIB, MIB, &over);
    assert_in_range(answer.left, MIB, 3 * MIB);
    assert_int_equal(answer.sleep_ns, 0);
    assert_int_equal(over.since_ns, 0);
}

/* None of them sees what the others do with theirs. */
static void what_is_left_is_parted_among_those_who_share_it(void **state)
{
    (void)state;
    struct pressure_limit shared = budget;
    struct pressure_over over = {0};
    shared.sharers = 4;
    const struct pressure_request far = {1, 50 * MIB, 4096, true, false};
    const struct pressure_request near = {1, 95 * MIB, 4096, true, false};
    assert_in_range(pressure_judge(&shared, &far, &over).left, MIB, 100 * MIB / 64);
    assert_in_range(pressure_judge(&shared, &near, &over).left, 4096, 5 * MIB / 4);
    shared.sharers = 1;
    assert_int_equal(pressure_judge(&shared, &far, &over).left, 40 * MIB);
}

static void beyond_the_limit_growth_is_slowed_down_and_then_refused(void **state)
{
    (void)state;
    struct pressure_over over = {0};
    struct pressure_answer near = ask(SECOND, 101 * MIB, MIB, &over);
    struct pressure_answer far = ask(SECOND, 107 * MIB, MIB, &over);
    assert_int_equal(near.verdict, PRESSURE_GRANT);
    assert_int_equal(far.verdict, PRESSURE_GRANT);
    assert_in_range(near.sleep_ns, 1, 3000000);
    assert_in_range(far.sleep_ns, 10 * near.sleep_ns, PRESSURE_LONGEST_SLEEP_NS);
    assert_int_equal(ask(2 * SECOND, 101 * MIB, MIB, &over).verdict, PRESSURE_REFUSE);
}

static void beyond_the_wall_nothing_is_granted(void **state)
{
    (void)state;
    struct pressure_over over = {0};
    assert_int_equal(ask(SECOND, 10 * MIB, 200 * MIB, &over).verdict, PRESSURE_REFUSE);
    assert_int_equal(ask(SECOND, 10 * MIB, UINT64_MAX, &over).verdict, PRESSURE_REFUSE);
}

static void a_request_for_more_than_there_can_be_is_for_address_space(void **state)
{
    (void)state;
    struct pressure_limit whole = budget;
    whole.whole = 200 * MIB;
    struct pressure_over over = {0};
    struct pressure_request request = {SECOND, 150 * MIB, 201 * MIB, true, false};
    assert_int_equal(pressure_judge(&whole, &request, &over).verdict, PRESSURE_GRANT_FREE);
    request.bytes = 200 * MIB;
    assert_int_equal(pressure_judge(&whole, &request, &over).verdict, PRESSURE_REFUSE);
}

static void small_requests_have_a_reserve(void **state)
{
    (void)state;
    struct pressure_over over = {1, 0};
    uint64_t later = 5 * SECOND, full = 105 * MIB;
    assert_int_equal(ask(later, full, 16, &over).verdict, PRESSURE_REFUSE); /* now it knows */
    assert_int_equal(ask(later, full, 65536, &over).verdict, PRESSURE_GRANT_FREE);
    assert_int_equal(ask(later, full, 65537, &over).verdict, PRESSURE_REFUSE);
    assert_int_equal(ask(later, full + MIB - 65536, 65536, &over).verdict, PRESSURE_GRANT_FREE);
    assert_int_equal(ask(later, full + MIB, 65536, &over).verdict, PRESSURE_REFUSE);
    assert_int_equal(ask(later, full + MIB, 4097, &over).verdict, PRESSURE_REFUSE);
    assert_int_equal(ask(later, full + MIB, 4096, &over).verdict, PRESSURE_GRANT_FREE);
    assert_int_equal(ask(later, full + MIB + MIB / 2, 1, &over).verdict, PRESSURE_REFUSE);
    const struct pressure_limit small = {.hard = 4 * MIB};
    assert_int_equal(pressure_reserve(&small), 256 * 1024);
}

static void who_may_be_held_waits(void **state)
{
    (void)state;
    struct pressure_limit holding = budget;
    holding.refuses = false;
    holding.holds = true;
    struct pressure_over over = {1, 0};
    const struct pressure_request request = {5 * SECOND, 100 * MIB, MIB, true, false};
    assert_int_equal(pressure_judge(&holding, &request, &over).verdict, PRESSURE_HOLD);
    holding.holds = false;
    assert_int_equal(pressure_judge(&holding, &request, &over).verdict, PRESSURE_GRANT);
}

static void who_needs_room_waits_while_memory_is_packed(void **state)
{
    (void)state;
    struct pressure_over over = {0};
    struct pressure_request request = {5 * SECOND, 120 * MIB, 16, true, true};
    assert_int_equal(pressure_judge(&budget, &request, &over).verdict, PRESSURE_HOLD);
    request.used = 80 * MIB;
    assert_int_equal(pressure_judge(&budget, &request, &over).verdict, PRESSURE_GRANT);
    request = (struct pressure_request){6 * SECOND, 120 * MIB, 16, true, false};
    assert_int_equal(pressure_judge(&budget, &request, &over).verdict, PRESSURE_REFUSE);
    assert_int_equal(pressure_judge(&budget, &request, &over).verdict, PRESSURE_GRANT_FREE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(levels_are_entered_at_once, init),
        cmocka_unit_test_setup(levels_are_left_later_and_lower, init),
        cmocka_unit_test_setup(noise_around_a_threshold_changes_the_level_once, init),
        cmocka_unit_test_setup(a_step_in_vain_is_tried_again_less_and_less_often, init),
        cmocka_unit_test_setup(a_step_that_gains_is_repeated_soon, init),
        cmocka_unit_test_setup(a_forecast_alone_is_answered_gently, init),
        cmocka_unit_test_setup(without_a_limit_all_is_calm, init),
        cmocka_unit_test(a_full_machine_that_does_not_stall_is_answered_gently),
        cmocka_unit_test(stalls_raise_what_is_watched),
        cmocka_unit_test(thresholds_rise),
        cmocka_unit_test(below_the_soft_limit_growth_is_allowed_up_to_it),
        cmocka_unit_test(what_is_left_is_parted_among_those_who_share_it),
        cmocka_unit_test(beyond_the_limit_growth_is_slowed_down_and_then_refused),
        cmocka_unit_test(beyond_the_wall_nothing_is_granted),
        cmocka_unit_test(a_request_for_more_than_there_can_be_is_for_address_space),
        cmocka_unit_test(small_requests_have_a_reserve),
        cmocka_unit_test(who_may_be_held_waits),
        cmocka_unit_test(who_needs_room_waits_while_memory_is_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
