/* test_scenario_analysis.c - targets whose truth is known, with noise: 200 of each kind. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tools/scenario/analysis/curve.h"
#include "tools/scenario/analysis/verdict.h"

#define MIB 1048576.0

enum { SEEDS = 200, RIGHT_LEAST = 198, LEVELS = 20, WINDOWS = 10, BASELINES = 20, MOMENTS = 120 };

/* A target: how much longer a unit takes with this share of the peak, and what becomes of it. */
struct truth {
    double (*factor)(double share);
    double noise;
    double dies_below; /* share */
    enum curve_end dies_how;
    double slow_for; /* seconds after the release, at 4 x */
    double retention;
};

struct simulation {
    struct curve curve;
    double baseline[BASELINES];
    double window[LEVELS][WINDOWS];
    struct curve_level level[LEVELS];
    struct curve_moment moment[MOMENTS];
    struct sample_random random;
};

static double linear(double share)
{
    return share >= 1 ? 1 : 1 + 4 * (1 - share);
}

static double cliff(double share)
{
    return share < 0.5 ? 8 : 1;
}

static double step(double share)
{
    return share < 0.6 ? 1.5 : 1;
}

static double flat(double share)
{
    (void)share;
    return 1;
}

/* It touches only what it gets. */
static double quicker(double share)
{
    return 0.6 + 0.4 * share;
}

static double inverted(double share)
{
    return share > 0.7 ? 1 + 5 * (1.1 - share) : fmax(1, 3 - 5 * (0.7 - share));
}

static double measure(struct simulation *simulation, double truth, double noise)
{
    return 0.01 * truth * exp(noise * sample_normal(&simulation->random));
}

static void simulate_levels(struct simulation *simulation, const struct truth *truth)
{
    for (size_t i = 0; i < LEVELS; i++) {
        double share = 1.1 - 0.85 * (double)i / (LEVELS - 1);
        struct curve_level *level = &simulation->level[simulation->curve.levels++];
        *level = (struct curve_level){
            .budget = share * 100 * MIB, .window = simulation->window[i], .lasted = 1};
        if (share < truth->dies_below) {
            level->end = truth->dies_how;
            return;
        }
        level->windows = WINDOWS;
        for (size_t j = 0; j < WINDOWS; j++)
            simulation->window[i][j] = measure(simulation, truth->factor(share), truth->noise);
    }
}

static void simulate_release(struct simulation *simulation, const struct truth *truth)
{
    for (size_t i = 0; i < MOMENTS; i++) {
        double at = 0.5 * (double)(i + 1);
        double factor = at <= truth->slow_for ? 4 : 1;
        simulation->moment[i] =
            (struct curve_moment){at, measure(simulation, factor, truth->noise)};
    }
    simulation->curve.recovery = simulation->moment;
    simulation->curve.moments = MOMENTS;
    simulation->curve.rss_before = 100 * MIB;
    simulation->curve.rss_after = 100 * MIB * (1 + truth->retention);
}

static void simulate(struct simulation *simulation, const struct truth *truth, uint64_t seed)
{
    *simulation = (struct simulation){.random = {seed}};
    simulation->curve = (struct curve){.baseline = simulation->baseline,
                                       .baselines = BASELINES,
                                       .peak = 100 * MIB,
                                       .floor = 25 * MIB,
                                       .level = simulation->level,
                                       .is_recovery_watched = true,
                                       .patience = CURVE_RECOVERY_LONGEST,
                                       .planned = LEVELS};
    for (size_t i = 0; i < BASELINES; i++)
        simulation->baseline[i] = measure(simulation, 1, truth->noise);
    simulate_levels(simulation, truth);
    if (truth->dies_below == 0 || truth->dies_how == CURVE_HUNG)
        simulate_release(simulation, truth);
}

typedef bool is_right(const struct curve_figures *figures);

/* The verdict, too: what has grace passes here. */
static bool is_as_true(const struct truth *truth, uint64_t seed, is_right *right)
{
    static struct simulation simulation;
    static const struct verdict_extras extras = {.efficiency = 0.7, .improvement = 0.2};
    struct verdict verdict;
    simulate(&simulation, truth, seed);
    verdict_judge(&simulation.curve, &extras, &verdict_seed, &verdict);
    const struct curve_figures *f = &verdict.figures;
    bool is_so = right(f) && verdict.is_possible && verdict.is_passed == f->is_graceful;
    if (!is_so)
        printf("D %.2f residual %.2f T %.1f\n", f->degradation, f->residual, f->recovery);
    return is_so;
}

static void expect_of_all_seeds(const struct truth *truth, is_right *right)
{
    unsigned good = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        good += is_as_true(truth, seed * 7919, right);
    printf("right: %u of %u\n", good, SEEDS);
    assert_true(good >= RIGHT_LEAST);
}

static bool is_near(double value, double truth, double tolerance)
{
    return fabs(value - truth) <= tolerance * truth;
}

/* -- the kinds -------------------------------------------------------------------------------- */

static bool is_linear(const struct curve_figures *f)
{
    return is_near(f->degradation, 4, 0.1) && f->is_graceful && f->recovery <= 1 &&
           is_near(f->stability, 0.98, 0.05);
}

static void a_linear_slowdown_is_graceful(void **state)
{
    (void)state;
    expect_of_all_seeds(&(struct truth){.factor = linear, .noise = 0.05}, is_linear);
}

static bool is_cliff(const struct curve_figures *f)
{
    return is_near(f->degradation, 8, 0.12) && !f->is_graceful && !f->is_without_cliff &&
           f->is_monotone && f->is_clean && f->cliff > 0.8 && f->steepest > 4;
}

static void a_cliff_is_seen(void **state)
{
    (void)state;
    expect_of_all_seeds(&(struct truth){.factor = cliff, .noise = 0.05}, is_cliff);
}

static bool is_small_step(const struct curve_figures *f)
{
    return f->degradation > 1.4 && f->degradation < 1.75 && f->is_graceful;
}

static void a_small_step_in_noise_is_graceful(void **state)
{
    (void)state;
    expect_of_all_seeds(&(struct truth){.factor = step, .noise = 0.08}, is_small_step);
}

static bool is_dead(const struct curve_figures *f)
{
    return f->degradation < 1.1 && !f->is_clean && !f->is_graceful && isinf(f->recovery) &&
           is_near(f->alive, 14.0 / LEVELS, 0.01) && f->stability < 0.6 && f->recovered == 0;
}

static void death_at_half_is_never_graceful(void **state)
{
    (void)state;
    expect_of_all_seeds(
        &(struct truth){.factor = flat, .noise = 0.05, .dies_below = 0.5, .dies_how = CURVE_KILLED},
        is_dead);
}

static bool is_hung(const struct curve_figures *f)
{
    return !f->is_clean && !f->is_graceful && is_near(f->alive, 14.0 / LEVELS, 0.01);
}

static void a_hang_is_never_graceful(void **state)
{
    (void)state;
    expect_of_all_seeds(
        &(struct truth){.factor = flat, .noise = 0.05, .dies_below = 0.5, .dies_how = CURVE_HUNG},
        is_hung);
}

static bool is_back_in_two(const struct curve_figures *f)
{
    return f->recovery >= 1.5 && f->recovery <= 2.5 && f->is_graceful;
}

static void recovery_in_two_seconds_is_timed(void **state)
{
    (void)state;
    expect_of_all_seeds(&(struct truth){.factor = linear, .noise = 0.05, .slow_for = 2},
                        is_back_in_two);
}

static bool is_never_back(const struct curve_figures *f)
{
    return isinf(f->recovery) && !f->is_recovering && !f->is_graceful && f->slowdown > 3;
}

static void no_recovery_is_said(void **state)
{
    (void)state;
    expect_of_all_seeds(&(struct truth){.factor = linear, .noise = 0.05, .slow_for = 1000},
                        is_never_back);
}

static bool is_leaking(const struct curve_figures *f)
{
    return is_near(f->retention, 0.3, 0.001) && f->is_graceful;
}

static void what_it_keeps_is_its_retention(void **state)
{
    (void)state;
    expect_of_all_seeds(&(struct truth){.factor = flat, .noise = 0.05, .retention = 0.3},
                        is_leaking);
}

static bool is_not_monotone(const struct curve_figures *f)
{
    return !f->is_monotone && !f->is_graceful;
}

static void a_curve_that_comes_back_is_not_monotone(void **state)
{
    (void)state;
    expect_of_all_seeds(&(struct truth){.factor = inverted, .noise = 0.05}, is_not_monotone);
}

static bool is_graceful(const struct curve_figures *f)
{
    return f->is_monotone && f->is_graceful;
}

static void what_is_faster_with_less_memory_is_graceful(void **state)
{
    (void)state;
    expect_of_all_seeds(&(struct truth){.factor = quicker, .noise = 0.01}, is_graceful);
}

/* -- parts ------------------------------------------------------------------------------------ */

static void the_isotonic_fit_pools_what_falls(void **state)
{
    (void)state;
    const double value[] = {1, 3, 2, 2, 5, 4};
    const double wanted[] = {1, 7.0 / 3, 7.0 / 3, 7.0 / 3, 4.5, 4.5};
    double fit[6];
    curve_fit_isotonic(value, 6, fit);
    for (size_t i = 0; i < 6; i++)
        assert_true(fabs(fit[i] - wanted[i]) < 1e-9);
}

static void breaking_above_a_declared_floor_is_infinite_degradation(void **state)
{
    (void)state;
    struct truth truth = {
        .factor = flat, .noise = 0.02, .dies_below = 0.5, .dies_how = CURVE_FAILED};
    struct simulation simulation;
    struct curve_figures figures;
    simulate(&simulation, &truth, 3);
    simulation.curve.is_floor_declared = true;
    curve_read(&simulation.curve, &figures);
    assert_true(isinf(figures.degradation));
}

static void giving_up_with_a_word_is_clean_and_a_crash_is_not(void **state)
{
    (void)state;
    struct truth truth = {
        .factor = flat, .noise = 0.02, .dies_below = 0.5, .dies_how = CURVE_FAILED};
    struct simulation simulation;
    struct curve_figures figures;
    simulate(&simulation, &truth, 3);
    curve_read(&simulation.curve, &figures);
    assert_false(figures.is_clean);
    simulation.level[simulation.curve.levels - 1].is_clean = true;
    curve_read(&simulation.curve, &figures);
    assert_true(figures.is_clean);
}

static void stability_is_what_the_definition_says(void **state)
{
    (void)state;
    struct simulation simulation;
    struct curve_figures figures;
    simulate(&simulation, &(struct truth){.factor = flat, .noise = 0.2, .slow_for = 6}, 11);
    for (size_t i = 0; i < LEVELS; i++)
        simulation.level[i].stalled = 0.3;
    curve_read(&simulation.curve, &figures);
    assert_true(fabs(figures.unstalled - 0.7) < 1e-9);
    assert_true(is_near(figures.stability, 0.80, 0.05)); /* CV 20 %, stalls 30 %, 6 s */
}

/* Killed half-way through a level, having stood still for most of a long one. */
static void windows_and_seconds_count_not_levels(void **state)
{
    (void)state;
    struct truth truth = {.factor = flat, .noise = 0, .dies_below = 0.5, .dies_how = CURVE_KILLED};
    struct simulation simulation;
    struct curve_figures figures;
    simulate(&simulation, &truth, 3);
    struct curve_level *last = &simulation.level[simulation.curve.levels - 1];
    for (size_t i = 0; i < 4; i++)
        simulation.window[simulation.curve.levels - 1][i] = i < 2 ? 0.01 : 1;
    last->windows = 4;
    last->done = 0.5;
    last->lasted = 6;
    last->stalled = 1;
    curve_read(&simulation.curve, &figures);
    assert_true(fabs(figures.alive - (14 + 0.25) / LEVELS) < 1e-9);
    assert_true(fabs(figures.unstalled - 14.0 / 20) < 1e-9);
}

static void latency_ratios_are_of_the_worst_level_that_held(void **state)
{
    (void)state;
    struct simulation simulation;
    struct curve_figures figures;
    simulate(&simulation, &(struct truth){.factor = flat, .noise = 0}, 3);
    simulation.curve.latency[0] = 2e-6;
    for (size_t i = 0; i < LEVELS; i++)
        simulation.level[i].latency[0] = 1e-6 * (double)(i + 1);
    simulation.level[LEVELS - 1].end = CURVE_COLLAPSED;
    curve_read(&simulation.curve, &figures);
    assert_true(fabs(figures.latency[0] - (LEVELS - 1) / 2.0) < 1e-9);
    assert_true(isnan(figures.latency[1]));
    simulation.curve.is_floor_declared = true;
    curve_read(&simulation.curve, &figures);
    assert_true(isinf(figures.latency[0]));
}

static void levels_visited_twice_are_one_point(void **state)
{
    (void)state;
    struct simulation simulation;
    struct curve_figures once, twice;
    simulate(&simulation, &(struct truth){.factor = linear, .noise = 0}, 1);
    curve_read(&simulation.curve, &once);
    for (size_t i = 10; i < LEVELS; i++)
        simulation.level[i] = simulation.level[i - 10];
    simulation.level[0] = simulation.level[LEVELS - 1];
    curve_read(&simulation.curve, &twice);
    assert_true(once.is_monotone && twice.is_monotone);
    assert_true(twice.steepest < 1.3);
}

/* -- verdict --------------------------------------------------------------------------------- */

static void reach(const struct truth *truth, bool is_watched, struct verdict *verdict)
{
    struct simulation simulation;
    struct verdict_extras extras = {.efficiency = NAN, .improvement = NAN, .breaking_point = NAN};
    simulate(&simulation, truth, 5);
    simulation.curve.is_recovery_watched = is_watched;
    verdict_reach(&simulation.curve, &extras, &verdict_seed, verdict);
}

static void the_verdict_says_how_sure_it_is(void **state)
{
    (void)state;
    struct verdict verdict;
    reach(&(struct truth){.factor = linear, .noise = 0.05}, true, &verdict);
    const struct verdict_criterion *row = &verdict.row[VERDICT_DEGRADATION];
    assert_true(verdict.is_possible && verdict.is_passed);
    assert_true(row->is_met && row->confidence > 0.99);
    assert_true(row->interval.low < row->value && row->value < row->interval.high);
    assert_false(verdict.row[VERDICT_EFFICIENCY].is_known);
    reach(&(struct truth){.factor = cliff, .noise = 0.05}, true, &verdict);
    assert_false(verdict.is_passed);
    assert_false(verdict.row[VERDICT_GRACEFUL].is_met);
    assert_true(verdict.row[VERDICT_GRACEFUL].confidence > 0.95);
}

static void a_baseline_that_spreads_allows_no_verdict(void **state)
{
    (void)state;
    struct verdict verdict;
    reach(&(struct truth){.factor = linear, .noise = 0.5}, true, &verdict);
    assert_false(verdict.is_possible);
    assert_false(verdict.is_passed);
}

static void a_recovery_that_begins_too_late_is_none(void **state)
{
    (void)state;
    struct simulation simulation;
    struct curve_figures figures;
    simulate(&simulation, &(struct truth){.factor = linear, .noise = 0.02, .slow_for = 2}, 5);
    simulation.curve.moments = 12; /* of half a second: two slow ones, and three seconds and more */
    simulation.curve.patience = 2.2;
    curve_read(&simulation.curve, &figures);
    assert_true(figures.recovery == 2 && figures.is_recovering);
    simulation.curve.patience = 1;
    curve_read(&simulation.curve, &figures);
    assert_true(isinf(figures.recovery) && !figures.is_recovering && !figures.is_graceful);
}

/* Two slow ones of five would not be seen in the median of a second. */
static void a_recovery_begins_when_the_last_slow_window_ends(void **state)
{
    (void)state;
    struct simulation simulation;
    struct curve_figures figures;
    simulate(&simulation, &(struct truth){.factor = linear, .noise = 0}, 5);
    for (size_t i = 0; i < MOMENTS; i++)
        simulation.moment[i] = (struct curve_moment){0.2 * (double)(i + 1), i < 10 ? 0.04 : 0.01};
    curve_read(&simulation.curve, &figures);
    assert_true(fabs(figures.recovery - 2) < 1e-9);
}

static void unwatched_recovery_leaves_grace_open_unless_it_is_lost_already(void **state)
{
    (void)state;
    struct verdict verdict;
    reach(&(struct truth){.factor = linear, .noise = 0.05}, false, &verdict);
    assert_false(verdict.row[VERDICT_GRACEFUL].is_known || verdict.row[VERDICT_STABILITY].is_known);
    assert_false(verdict.is_passed || verdict.is_whole || verdict.is_failed);
    assert_true(verdict.asked == 5 && verdict.measured == 1);
    reach(&(struct truth){.factor = cliff, .noise = 0.05}, false, &verdict);
    assert_true(verdict.row[VERDICT_GRACEFUL].is_known && !verdict.row[VERDICT_GRACEFUL].is_met);
    assert_true(verdict.is_failed && !verdict.is_passed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linear_slowdown_is_graceful),
        cmocka_unit_test(a_cliff_is_seen),
        cmocka_unit_test(a_small_step_in_noise_is_graceful),
        cmocka_unit_test(death_at_half_is_never_graceful),
        cmocka_unit_test(a_hang_is_never_graceful),
        cmocka_unit_test(recovery_in_two_seconds_is_timed),
        cmocka_unit_test(no_recovery_is_said),
        cmocka_unit_test(what_it_keeps_is_its_retention),
        cmocka_unit_test(a_curve_that_comes_back_is_not_monotone),
        cmocka_unit_test(what_is_faster_with_less_memory_is_graceful),
        cmocka_unit_test(the_isotonic_fit_pools_what_falls),
        cmocka_unit_test(breaking_above_a_declared_floor_is_infinite_degradation),
        cmocka_unit_test(giving_up_with_a_word_is_clean_and_a_crash_is_not),
        cmocka_unit_test(stability_is_what_the_definition_says),
        cmocka_unit_test(windows_and_seconds_count_not_levels),
        cmocka_unit_test(latency_ratios_are_of_the_worst_level_that_held),
        cmocka_unit_test(levels_visited_twice_are_one_point),
        cmocka_unit_test(the_verdict_says_how_sure_it_is),
        cmocka_unit_test(a_baseline_that_spreads_allows_no_verdict),
        cmocka_unit_test(a_recovery_that_begins_too_late_is_none),
        cmocka_unit_test(a_recovery_begins_when_the_last_slow_window_ends),
        cmocka_unit_test(unwatched_recovery_leaves_grace_open_unless_it_is_lost_already),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
