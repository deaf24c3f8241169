/* test_scenario_verdict.c - what passes, of curves that are written down: no noise, no draws. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/scenario/analysis/verdict.h"

enum { LEVELS = 8, MOMENTS = 400 };
static const double baseline[] = {1, 1.001, 0.999, 1, 1};

struct written {
    struct curve curve;
    double window[LEVELS];
    struct curve_level level[LEVELS];
    struct curve_moment moment[MOMENTS];
};

/* One run at each level, as long as without pressure; then runs of 10 ms. */
static void write_down(struct written *written)
{
    *written = (struct written){.curve = {.baseline = baseline,
                                          .baselines = sizeof baseline / sizeof baseline[0],
                                          .peak = 100,
                                          .floor = 30,
                                          .level = written->level,
                                          .levels = LEVELS,
                                          .planned = LEVELS,
                                          .recovery = written->moment,
                                          .moments = MOMENTS,
                                          .is_recovery_watched = true,
                                          .patience = 60}};
    for (size_t i = 0; i < LEVELS; i++) {
        written->window[i] = 1;
        written->level[i] = (struct curve_level){.budget = 110 - 10 * (double)i,
                                                 .window = &written->window[i],
                                                 .windows = 1,
                                                 .lasted = 1,
                                                 .done = 1};
    }
    for (size_t i = 0; i < MOMENTS; i++)
        written->moment[i] = (struct curve_moment){0.01 * (double)(i + 1), 1};
}

/* Half of what each second one is slower is off. */
static bool is_monotone_with(double slower)
{
    struct written written;
    struct curve_figures figures;
    write_down(&written);
    for (size_t i = 0; i < LEVELS; i += 2)
        written.window[i] = 1 + slower;
    curve_read(&written.curve, &figures);
    return figures.is_monotone;
}

static void what_is_as_good_as_before_is_no_want_of_monotony(void **state)
{
    (void)state;
    assert_true(is_monotone_with(0) && is_monotone_with(0.05) && is_monotone_with(0.15));
    assert_false(is_monotone_with(0.30));
}

/* The last five are slow. */
static void what_follows_a_recovery_is_of_a_second(void **state)
{
    (void)state;
    struct written written;
    struct curve_figures figures;
    write_down(&written);
    for (size_t i = MOMENTS - 5; i < MOMENTS; i++)
        written.moment[i].service = 2;
    curve_read(&written.curve, &figures);
    assert_true(figures.recovery == 0 && figures.slowdown == 1);
    written.curve.moments = 3;
    curve_read(&written.curve, &figures);
    assert_true(figures.slowdown == 1);
}

/* A graceful program, recovery unwatched. */
static bool passes_with(const struct verdict_bounds *bounds)
{
    static const struct verdict_extras extras = {
        .efficiency = NAN, .improvement = NAN, .breaking_point = NAN};
    struct written written;
    struct verdict verdict;
    write_down(&written);
    written.curve.is_recovery_watched = false;
    verdict_reach(&written.curve, &extras, bounds, &verdict);
    assert_false(verdict.is_failed);
    return verdict.is_passed;
}

static void what_nobody_measured_passes_only_if_nobody_asked(void **state)
{
    (void)state;
    struct verdict_bounds bounds = verdict_seed;
    bounds.at[VERDICT_GRACEFUL] = NAN;
    assert_false(passes_with(&bounds)); /* for stability */
    bounds.at[VERDICT_STABILITY] = NAN;
    assert_true(passes_with(&bounds));
    bounds.is_demanded[VERDICT_EFFICIENCY] = true;
    assert_false(passes_with(&bounds));
    for (unsigned row = 0; row < VERDICT_ROWS; row++)
        bounds.at[row] = NAN;
    assert_false(passes_with(&bounds)); /* nothing was asked for */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_as_good_as_before_is_no_want_of_monotony),
        cmocka_unit_test(what_follows_a_recovery_is_of_a_second),
        cmocka_unit_test(what_nobody_measured_passes_only_if_nobody_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
