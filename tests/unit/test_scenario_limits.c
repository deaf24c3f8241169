/* test_scenario_limits.c - levels at which nothing kept the program to its budget. */
#define _GNU_SOURCE /* open_memstream */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/scenario_built.h"
#include "tools/scenario/limits.h"

enum { SAMPLES = 10 };

static struct experiment experiment;
static struct experiment_sample sample[SAMPLES];
static struct experiment_lap level;
static struct plan plan;

/* A service that uses `first` MiB in the first half of ten seconds and `second` in the other. */
static bool is_unlimited(double budget, double first, double second)
{
    plan = (struct plan){.load = "drive", .arguments = built_program};
    level = (struct experiment_lap){.budget = budget * MIB, .began = 100, .lasted = SAMPLES};
    experiment = (struct experiment){.plan = &plan,
                                     .pressure.mechanism = &built_mechanism,
                                     .level = &level,
                                     .levels = 1,
                                     .sample = sample,
                                     .samples = SAMPLES};
    for (int i = 0; i < SAMPLES; i++)
        sample[i] = (struct experiment_sample){.at = 100.5 + i,
                                               .used = (i < SAMPLES / 2 ? first : second) * MIB};
    limits_judge(&experiment, &level);
    return level.is_unlimited;
}

static void a_service_may_take_its_time_to_give_back(void **state)
{
    (void)state;
    assert_false(is_unlimited(20, 80, 21));
    assert_true(is_unlimited(20, 80, 80));
    assert_true(level.used_last == 80 * MIB);
    assert_false(is_unlimited(0, 80, 80)); /* there is none */
}

static void of_a_finite_program_the_most_counts(void **state)
{
    (void)state;
    is_unlimited(20, 10, 10);
    plan.load = NULL;
    level.used_most = 50 * MIB;
    limits_judge(&experiment, &level);
    assert_true(level.is_unlimited);
    level.end = CURVE_FAILED;
    limits_judge(&experiment, &level);
    assert_false(level.is_unlimited);
}

static void what_was_refused_or_held_up_was_limited(void **state)
{
    (void)state;
    is_unlimited(20, 80, 80);
    level.refused = 1;
    limits_judge(&experiment, &level);
    assert_false(level.is_unlimited);
    level.refused = 0;
    level.stalled = 1;
    limits_judge(&experiment, &level);
    assert_true(level.is_unlimited); /* by the machine, as far as anybody knows */
    level.is_injected_known = true;
    limits_judge(&experiment, &level);
    assert_false(level.is_unlimited);
}

static void a_budget_on_its_way_down_may_be_used(void **state)
{
    (void)state;
    is_unlimited(20, 80, 60);
    experiment.glide.is_on = true;
    experiment.glide.from = 80 * MIB;
    limits_judge(&experiment, &level);
    assert_false(level.is_unlimited);
}

static void it_is_told_and_who_spares_what_is_there_is_no_failure(void **state)
{
    (void)state;
    static const struct pressure_mechanism sparing = {
        .name = "none", .unit = "nothing", .enforces = "nothing", .spares_what_is_there = true};
    is_unlimited(20, 80, 80);
    experiment.peak = 100 * MIB;
    experiment.total = 1;
    experiment.is_unlimited = true;
    assert_true(limits_add_up(&experiment).is_open && limits_add_up(&experiment).most == 4);
    expect_text(&experiment, "BREAKING POINT  not known: nothing limited it\n");
    expect_text(&experiment,
                "  At 1 of 1 levels nothing limited it, so that they tell nothing: up to");
    expect_text(&experiment, " the budget stayed in use.\n");
    experiment.pressure.mechanism = &sparing;
    assert_false(limits_add_up(&experiment).is_open);
    expect_text(&experiment, "  At 1 of 1 levels it kept what it had, and was refused more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_may_take_its_time_to_give_back),
        cmocka_unit_test(of_a_finite_program_the_most_counts),
        cmocka_unit_test(what_was_refused_or_held_up_was_limited),
        cmocka_unit_test(a_budget_on_its_way_down_may_be_used),
        cmocka_unit_test(it_is_told_and_who_spares_what_is_there_is_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
