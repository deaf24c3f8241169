/* test_scenario_search.c - breaking points and strategies whose truth is known, measured with
 * noise.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tools/scenario/analysis/bisect.h"
#include "tools/scenario/analysis/improvement.h"
#include "tools/scenario/analysis/walk.h"

#define MIB 1048576.0

enum { SEEDS = 200, RIGHT_LEAST = 198 };

/* -- the breaking point ----------------------------------------------------------------------- */

static void expect_found(double truth_mib, double good, double bad, double odd_share, uint64_t seed)
{
    struct sample_random random = {seed};
    struct bisect bisect;
    double budget;
    bisect_init(&bisect, good * MIB, bad * MIB, 100 * MIB);
    while ((budget = bisect_next(&bisect)) > 0) {
        bool is_good = (budget > truth_mib * MIB) != (sample_unit(&random) < odd_share);
        bisect_tell(&bisect, is_good ? CURVE_HELD : CURVE_KILLED);
    }
    assert_true(bisect_is_found(&bisect));
    assert_true(fabs(bisect_get_result(&bisect) - truth_mib * MIB) <= 0.05 * truth_mib * MIB);
    assert_true(bisect.probes <= 20);
}

static void the_breaking_point_is_found_from_any_bracket(void **state)
{
    (void)state;
    expect_found(50, 52, 48, 0, 1);
    expect_found(50, 100, 10, 0, 1);
    expect_found(50, 110, 0, 0, 1);  /* nothing broke it yet */
    expect_found(150, 0, 110, 0, 1); /* nothing held yet */
}

/* The levels that told it were tried once each. */
static void a_narrow_bracket_is_confirmed_before_it_is_believed(void **state)
{
    (void)state;
    struct bisect bisect;
    bisect_init(&bisect, 50.5 * MIB, 50 * MIB, 100 * MIB);
    while (bisect_next(&bisect) > 0)
        bisect_tell(&bisect, CURVE_KILLED);
    assert_true(bisect_is_found(&bisect) && bisect.probes == 1 && bisect.runs == 2);
    expect_found(30, 50.5, 50, 0, 1); /* it broke by chance */
}

static void odd_votes_do_not_mislead_the_search(void **state)
{
    (void)state;
    unsigned right = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sample_random random = {seed};
        struct bisect bisect;
        double budget;
        bisect_init(&bisect, 60 * MIB, 40 * MIB, 100 * MIB);
        while ((budget = bisect_next(&bisect)) > 0) {
            bool is_odd = sample_unit(&random) < 0.02;
            bisect_tell(&bisect, (budget > 50 * MIB) != is_odd ? CURVE_HELD : CURVE_KILLED);
        }
        right += fabs(bisect_get_result(&bisect) - 50 * MIB) <= 2.5 * MIB;
    }
    printf("right: %u of %u\n", right, SEEDS);
    assert_true(right >= RIGHT_LEAST);
}

/* A MiB is a seventh of what a server's own memory may be. */
static void a_small_program_is_bracketed_as_finely(void **state)
{
    (void)state;
    struct bisect bisect;
    double budget, truth = 4.3 * MIB;
    bisect_init(&bisect, 5.3 * MIB, 4 * MIB, 6.9 * MIB);
    while ((budget = bisect_next(&bisect)) > 0)
        bisect_tell(&bisect, budget > truth ? CURVE_HELD : CURVE_FAILED);
    assert_true(bisect_is_found(&bisect));
    assert_true(bisect.good - bisect.bad <= 0.04 * truth);
    bisect_init(&bisect, 0, 0, 2 * MIB);
    assert_true(bisect.tolerance == MIB / 16);
    bisect_init(&bisect, 0, 0, 1000 * MIB);
    assert_true(bisect.tolerance == 10 * MIB);
}

/* It broke there by chance: the next level below it broke, too. */
static void what_holds_after_all_does_not_end_the_search(void **state)
{
    (void)state;
    const double broken[] = {388e3, 310e3, 372e3};
    double budget, truth[] = {380e3, 350e3};
    for (unsigned i = 0; i < 2; i++) {
        struct bisect bisect;
        bisect_init(&bisect, 400e3, 388e3, 420e3);
        bisect_note_broken(&bisect, broken, 3);
        while ((budget = bisect_next(&bisect)) > 0)
            bisect_tell(&bisect, budget > truth[i] ? CURVE_HELD : CURVE_FAILED);
        assert_true(bisect_is_found(&bisect) && bisect.kind == CURVE_FAILED);
        assert_true(bisect.bad <= truth[i] && bisect.good >= truth[i]);
        assert_in_range(bisect.runs, 4, 12);
    }
}

static void what_survives_everything_has_no_breaking_point(void **state)
{
    (void)state;
    struct bisect bisect;
    bisect_init(&bisect, 30 * MIB, 0, 100 * MIB);
    while (bisect_next(&bisect) > 0)
        bisect_tell(&bisect, CURVE_HELD);
    assert_false(bisect_is_found(&bisect));
    assert_true(bisect.bad == 0 && bisect.good == MIB);
}

/* -- needs that differ from run to run -------------------------------------------------------- */

static bool holds(double budget, double share, struct sample_random *random)
{
    return budget > 50 * MIB * (1 + share * sample_normal(random));
}

/* A search as search.c does it, behind levels; the standard deviation of needs is a share of them.
 */
static struct bisect find_middle(double share, struct sample_random *random)
{
    struct bisect bisect;
    struct walk walk;
    double budget, level = 59 * MIB;
    while (holds(level, share, random))
        level -= 5 * MIB;
    bisect_init(&bisect, level + 5 * MIB, level, 55 * MIB);
    while ((budget = bisect_next(&bisect)) > 0)
        bisect_tell(&bisect, holds(budget, share, random) ? CURVE_HELD : CURVE_KILLED);
    walk_init(&walk, &bisect);
    while ((budget = walk_next(&walk)) > 0)
        walk_tell(&walk, holds(budget, share, random));
    walk_finish(&walk);
    return bisect;
}

/* Of 200 experiments each: the interval is of 95 %, and is to hold the truth as often. */
static void expect_middles(double share, unsigned mean_runs)
{
    unsigned right = 0, told = 0, holds_truth = 0, runs = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sample_random random = {seed};
        struct bisect found = find_middle(share, &random);
        right += fabs(bisect_get_result(&found) - 50 * MIB) <= 2.5 * MIB;
        holds_truth += found.figures.low <= 50 * MIB && found.figures.high >= 50 * MIB;
        told += found.is_varying;
        runs += found.runs;
    }
    printf("right: %u of %u, interval: %u\n", right, SEEDS, holds_truth);
    assert_true(right >= RIGHT_LEAST);
    assert_true(holds_truth >= SEEDS * 93 / 100);
    assert_true(share < 0.05 || told >= SEEDS / 2);
    assert_true(runs <= mean_runs * SEEDS);
}

static void the_interval_holds_the_truth_however_much_needs_differ(void **state)
{
    (void)state;
    expect_middles(0, 12);
    expect_middles(0.02, 25);
    expect_middles(0.05, 55);
}

static void needs_that_are_the_same_cost_four_runs_more(void **state)
{
    (void)state;
    struct sample_random random = {1};
    struct bisect found = find_middle(0, &random), before = found;
    assert_true(!found.is_varying && found.good - found.bad <= found.tolerance);
    assert_true(found.bad <= 50 * MIB && found.good >= 50 * MIB);
    assert_true(found.figures.low <= 50 * MIB && found.figures.high >= 50 * MIB);
    assert_true(found.figures.high - found.figures.low <= 0.06 * 50 * MIB);
    struct walk walk;
    walk_init(&walk, &found);
    while (walk_next(&walk) > 0)
        walk_tell(&walk, holds(walk_next(&walk), 0, &random));
    assert_true(walk_finish(&walk));
    assert_int_equal(found.runs, before.runs + 4);
    assert_true(found.good == before.good && found.bad == before.bad && !found.is_varying);
}

static void expect_unconfirmed(unsigned runs, unsigned odd, const bool is_good[])
{
    struct sample_random random = {1};
    struct bisect found = find_middle(0, &random), before = found;
    struct walk walk;
    walk_init(&walk, &found);
    for (unsigned i = 0; i < runs; i++) /* then time is over */
        walk_tell(&walk, is_good[i]);
    assert_false(walk_finish(&walk));
    assert_int_equal(found.runs, before.runs + runs);
    assert_int_equal(found.odd, before.odd + odd);
    assert_true(found.good == before.good && found.bad == before.bad);
    assert_true(found.is_varying == (odd > 0) && !found.is_settled);
}

static void a_run_that_contradicts_is_counted_however_few_there_were(void **state)
{
    (void)state;
    expect_unconfirmed(3, 0, (bool[]){true, false, true});
    expect_unconfirmed(1, 1, (bool[]){false});
    expect_unconfirmed(3, 1, (bool[]){true, true, false});
}

/* What a search without time for more says of itself. */
static void fewer_runs_make_the_interval_wider(void **state)
{
    (void)state;
    struct sample_random random = {1};
    struct bisect found = find_middle(0, &random), early = found;
    early.runs -= WALK_CHECKS;
    bisect_conclude(&early);
    assert_true(early.figures.high - early.figures.low >
                1.5 * (found.figures.high - found.figures.low));
    assert_true(early.figures.low <= 50 * MIB && early.figures.high >= 50 * MIB);
}

static void one_run_in_fifty_may_break_for_another_reason(void **state)
{
    (void)state;
    struct sample_random random = {1};
    struct bisect found = find_middle(0, &random);
    bisect_add_run(&found, 70 * MIB, false);
    bisect_conclude(&found);
    assert_true(fabs(bisect_get_result(&found) - 50 * MIB) <= 2 * MIB);
    assert_true(found.figures.low <= 50 * MIB && found.figures.high <= 60 * MIB);
}

static void a_bound_is_as_sure_as_the_runs_make_it(void **state)
{
    (void)state;
    struct sample_random random = {1};
    struct bisect found = find_middle(0, &random);
    struct belief belief;
    assert_true(bisect_believe(&found, &belief));
    assert_true(belief_share_below(&belief, 60 * MIB) > 0.98);
    assert_true(belief_share_below(&belief, 40 * MIB) < 0.02);
    double half = belief_share_below(&belief, bisect_get_result(&found));
    assert_true(half > 0.3 && half < 0.7);
}

static void runs_that_are_left_are_those_that_come(void **state)
{
    (void)state;
    struct bisect bisect;
    double budget;
    unsigned left;
    bisect_init(&bisect, 100 * MIB, 36 * MIB, 100 * MIB);
    left = bisect_runs_left(&bisect);
    while ((budget = bisect_next(&bisect)) > 0)
        bisect_tell(&bisect, budget > 50.3 * MIB ? CURVE_HELD : CURVE_KILLED);
    assert_int_equal(left, bisect.runs);
    assert_int_equal(bisect_runs_left(&bisect), 0);
}

/* -- strategies ------------------------------------------------------------------------------ */

static struct improvement measure_strategy(double reduction, double overhead, uint64_t seed)
{
    enum { COUNT = 10 };
    struct sample_random random = {seed};
    double resident[3][COUNT], service[3][COUNT];
    struct improvement_side side[3];
    struct improvement improvement;
    for (unsigned i = 0; i < 3; i++) {
        for (size_t j = 0; j < COUNT; j++) {
            double noise = 1 + 0.02 * sample_normal(&random);
            resident[i][j] = 100 * MIB * noise * (i == 1 ? 1 - reduction : 1);
            service[i][j] = 0.01 * noise * (i == 1 ? 1 + overhead : 1);
        }
        side[i] = (struct improvement_side){resident[i], service[i], COUNT};
    }
    improvement_read(&side[0], &side[1], &side[2], &random, &improvement);
    return improvement;
}

static void only_a_certain_and_cheap_gain_counts(void **state)
{
    (void)state;
    unsigned right = 0, wrong = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct improvement real = measure_strategy(0.25, 0.02, seed);
        right += real.is_counted && fabs(real.reduction - 0.25) < 0.02;
        wrong += measure_strategy(0.25, 0.3, seed).is_counted;
        wrong += measure_strategy(-0.05, 0, seed).is_counted;
    }
    assert_true(right >= RIGHT_LEAST);
    assert_true(wrong <= SEEDS - RIGHT_LEAST);
}

static struct bisect search(double truth_mib, const struct bisect *other)
{
    struct bisect bisect;
    double budget;
    bisect_init(&bisect, 100 * MIB, 0, 100 * MIB);
    if (other != NULL)
        bisect_hint(&bisect, other);
    while ((budget = bisect_next(&bisect)) > 0)
        bisect_tell(&bisect, budget > truth_mib * MIB ? CURVE_HELD : CURVE_KILLED);
    assert_true(bisect_is_found(&bisect));
    assert_true(fabs(bisect_get_result(&bisect) - truth_mib * MIB) <= MIB);
    return bisect;
}

static void what_did_not_change_is_found_by_two_probes(void **state)
{
    (void)state;
    struct bisect without = search(50.3, NULL);
    assert_int_equal(search(50.3, &without).probes, 2);
    search(20, &without);
    search(80, &without);
}

static void a_shift_counts_when_the_brackets_are_apart_and_it_is_cheap(void **state)
{
    (void)state;
    struct improvement_shift shift;
    struct bisect without = search(50.3, NULL), with = search(35.2, &without);
    improvement_read_shift(&without, &with, 0.05, &shift);
    assert_true(fabs(shift.shift - 0.3) < 0.03 && shift.is_counted);
    assert_true(shift.interval.low > 0.26 && shift.interval.high < 0.34);
    improvement_read_shift(&without, &with, 0.2, &shift);
    assert_false(shift.is_counted);
    improvement_read_shift(&without, &without, 0, &shift);
    assert_false(shift.is_counted);
    struct bisect none = {.good = 10 * MIB};
    improvement_read_shift(&none, &with, 0, &shift);
    assert_true(isnan(shift.shift) && !shift.is_counted);
}

/* A search that was broken off knows of nothing that breaks it; that nothing does is another thing.
 */
static void what_there_was_no_time_for_stays_open(void **state)
{
    (void)state;
    struct improvement_shift shift;
    struct bisect without = search(50.3, NULL), with = search(35.2, &without), cut;
    improvement_read_shift(&without, &with, 0, &shift);
    assert_false(shift.is_open);
    bisect_init(&cut, 100 * MIB, 0, 100 * MIB);
    improvement_read_shift(&without, &cut, 0, &shift);
    assert_true(isnan(shift.shift) && shift.is_open);
    improvement_read_shift(&cut, &(struct bisect){0}, 0, &shift);
    assert_true(isnan(shift.shift) && shift.is_open);
    while (bisect_next(&cut) > 0)
        bisect_tell(&cut, CURVE_HELD);
    improvement_read_shift(&cut, &(struct bisect){0}, 0, &shift);
    assert_true(isnan(shift.shift) && !shift.is_open);
    improvement_read_shift(&without, &cut, 0, &shift);
    assert_true(shift.shift > 0.97 && !shift.is_open);
}

/* Few votes alone would leave much open. */
static void a_spread_that_is_known_makes_a_shift_certain(void **state)
{
    (void)state;
    struct sample_random random = {1};
    struct bisect without = find_middle(0, &random), with;
    struct improvement_shift shift;
    double budget;
    for (unsigned is_better = 0; is_better < 2; is_better++) {
        bisect_init(&with, 60 * MIB, 0, 55 * MIB);
        bisect_hint(&with, &without);
        while ((budget = bisect_next(&with)) > 0)
            bisect_tell(&with, holds(is_better ? budget / 0.8 : budget, 0, &random) ? CURVE_HELD
                                                                                    : CURVE_KILLED);
        bisect_conclude(&with);
        improvement_read_shift(&without, &with, 0, &shift);
        assert_true(fabs(shift.shift - (is_better ? 0.2 : 0)) < 0.02);
        assert_true(shift.is_counted == (is_better == 1));
        assert_true(shift.interval.high - shift.interval.low < 0.35);
    }
}

/* What one of many spreads is most likely to be. */
static double find_mean_spread(const struct belief_spread *known)
{
    double sum = 0;
    for (size_t i = 0; i < BELIEF_SPREADS; i++)
        sum += known->weight[i] * log(known->of_around[i]);
    return exp(sum);
}

static double sum_weights(const struct belief_spread *known)
{
    double sum = 0;
    for (size_t i = 0; i < BELIEF_SPREADS; i++)
        sum += known->weight[i];
    return sum;
}

/* Half the middle, and four times the tolerance: the spreads that are looked at are others. */
static void a_spread_is_the_same_share_of_another_middle(void **state)
{
    (void)state;
    for (size_t i = 2; i < BELIEF_SPREADS; i++) {
        struct belief fine, coarse;
        struct belief_spread told = {.weight = {0}}, heard;
        told.weight[i] = 1;
        belief_init(&fine, 100 * MIB, MIB);
        belief_init(&coarse, 50 * MIB, 4 * MIB);
        for (size_t j = 0; j < BELIEF_SPREADS; j++)
            told.of_around[j] = fine.spread[j] / (100 * MIB);
        belief_take_spread(&coarse, &told);
        belief_give_spread(&coarse, &heard);
        assert_true(fabs(sum_weights(&heard) - 1) < 1e-9);
        double least = coarse.spread[0] / (50 * MIB); /* less is none */
        double wanted = fmax(told.of_around[i], least);
        assert_true(fabs(log(find_mean_spread(&heard) / wanted)) < 0.1);
    }
}

/* With a strategy that leaves so much of the needs, as strategies.c searches. */
static bool is_counted(const struct bisect *without, double needed, bool is_walked,
                       struct sample_random *random)
{
    struct improvement_shift shift;
    struct bisect with;
    double budget;
    bisect_init(&with, 60 * MIB, 0, 55 * MIB);
    bisect_hint(&with, without);
    while ((budget = bisect_next(&with)) > 0)
        bisect_tell(&with, holds(budget / needed, 0.05, random) ? CURVE_HELD : CURVE_KILLED);
    struct walk walk;
    walk_init(&walk, &with);
    while (is_walked && (budget = walk_next(&walk)) > 0)
        walk_tell(&walk, holds(budget / needed, 0.05, random));
    if (is_walked)
        walk_finish(&walk);
    improvement_read_shift(without, &with, 0, &shift);
    return shift.is_counted;
}

/* What votes find is anywhere in the range of needs. */
static void where_needs_differ_votes_alone_count_for_no_shift(void **state)
{
    (void)state;
    unsigned measured = 0, right = 0, wrong = 0, voted = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sample_random random = {seed};
        struct bisect without = find_middle(0.05, &random);
        if (!without.is_varying)
            continue;
        measured++;
        right += is_counted(&without, 0.7, true, &random);
        wrong += is_counted(&without, 1, true, &random);
        voted +=
            is_counted(&without, 1, false, &random) + is_counted(&without, 0.7, false, &random);
        without.is_settled = false; /* there was no time to walk */
        voted += is_counted(&without, 0.7, true, &random);
    }
    assert_true(measured >= SEEDS / 2);
    assert_true(right >= measured * 19 / 20 && wrong <= measured / 20);
    assert_int_equal(voted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_breaking_point_is_found_from_any_bracket),
        cmocka_unit_test(a_narrow_bracket_is_confirmed_before_it_is_believed),
        cmocka_unit_test(odd_votes_do_not_mislead_the_search),
        cmocka_unit_test(the_interval_holds_the_truth_however_much_needs_differ),
        cmocka_unit_test(fewer_runs_make_the_interval_wider),
        cmocka_unit_test(one_run_in_fifty_may_break_for_another_reason),
        cmocka_unit_test(a_bound_is_as_sure_as_the_runs_make_it),
        cmocka_unit_test(runs_that_are_left_are_those_that_come),
        cmocka_unit_test(needs_that_are_the_same_cost_four_runs_more),
        cmocka_unit_test(a_run_that_contradicts_is_counted_however_few_there_were),
        cmocka_unit_test(a_small_program_is_bracketed_as_finely),
        cmocka_unit_test(what_holds_after_all_does_not_end_the_search),
        cmocka_unit_test(what_survives_everything_has_no_breaking_point),
        cmocka_unit_test(only_a_certain_and_cheap_gain_counts),
        cmocka_unit_test(what_did_not_change_is_found_by_two_probes),
        cmocka_unit_test(a_spread_that_is_known_makes_a_shift_certain),
        cmocka_unit_test(a_spread_is_the_same_share_of_another_middle),
        cmocka_unit_test(where_needs_differ_votes_alone_count_for_no_shift),
        cmocka_unit_test(what_there_was_no_time_for_stays_open),
        cmocka_unit_test(a_shift_counts_when_the_brackets_are_apart_and_it_is_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
