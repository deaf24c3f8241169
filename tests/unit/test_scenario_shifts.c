/* test_scenario_shifts.c - how much less memory a program survives in with each of the library's
 * own strategies: by searches that are asked for here, and have as many runs as the test gives
 * them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tools/scenario/experiment.h"

#define MIB 1048576.0
enum { STRATEGIES = 2 };

static struct {
    unsigned runs[8]; /* that search after search has time for; 0: until it is over */
    unsigned searches;
    unsigned bare; /* of them, without any strategy */
    enum { STEP, BAND, BAND_OF_BARE, STEP_OF_BARE } truth;
} time_left;

/* It breaks at 40 MiB without any, at 30 with one. Or between 70 and 74 and below 50, whatever is
 * on, or with nothing only, and then below 50; or, with one, nowhere. */
static bool holds(bool is_bare, double budget)
{
    bool is_in_band = budget >= 70 * MIB && budget < 74 * MIB;
    switch (time_left.truth) {
    case BAND:
        return !is_in_band && budget > 50 * MIB;
    case BAND_OF_BARE:
        return !(is_bare && is_in_band) && budget > 50 * MIB;
    case STEP_OF_BARE:
        return !is_bare || budget > 40 * MIB;
    default:
        return budget > (is_bare ? 40 : 30) * MIB;
    }
}

bool __wrap_search_go_on(struct experiment *experiment, struct bisect *bisect, double until);
bool __wrap_search_go_on(struct experiment *experiment, struct bisect *bisect, double until)
{
    (void)until;
    bool is_bare = experiment->pressure.strategy == 0;
    unsigned most = time_left.runs[time_left.searches++], runs = 0;
    double budget;
    is_bare = is_bare && experiment->strategy == NULL;
    time_left.bare += is_bare;
    while ((budget = bisect_next(bisect)) > 0 && (most == 0 || runs++ < most))
        bisect_tell(bisect, holds(is_bare, budget) ? CURVE_HELD : CURVE_KILLED);
    bisect_conclude(bisect);
    return budget == 0;
}

bool __wrap_search_settle(struct experiment *experiment, struct bisect *bisect, double until);
bool __wrap_search_settle(struct experiment *experiment, struct bisect *bisect, double until)
{
    (void)experiment, (void)bisect, (void)until;
    return true;
}

static char name[] = "one";
static const struct plan plan = {.strategy = {{.name = name, .bit = 0}, {.name = name, .bit = 1}},
                                 .strategies = STRATEGIES};

/* Both were measured at 60 MiB; with all of them it breaks at 25. */
static struct experiment *measure(void)
{
    struct experiment *experiment = calloc(1, sizeof *experiment);
    assert_non_null(experiment);
    experiment->plan = &plan;
    experiment->peak = 100 * MIB;
    experiment->bisect = (struct bisect){.good = 26 * MIB, .bad = 25 * MIB, .tolerance = MIB};
    schedule_init(&experiment->schedule, INFINITY);
    for (unsigned i = 0; i < STRATEGIES; i++)
        experiment->strategies[i] = (struct experiment_strategy){
            .what = &plan.strategy[i], .is_measured = true, .level = 60 * MIB};
    time_left.searches = time_left.bare = 0;
    strategies_find_shifts(experiment);
    return experiment;
}

static void forget(struct experiment *experiment)
{
    free(experiment->mark);
    free(experiment);
}

static void expect_shift(const struct experiment_strategy *strategy)
{
    assert_true(bisect_is_found(&strategy->without) && bisect_is_found(&strategy->with));
    assert_true(fabs(strategy->shift.shift - 0.25) < 0.05 && strategy->shift.is_counted);
}

static void one_search_without_any_does_for_all(void **state)
{
    (void)state;
    time_left.runs[0] = 0;
    struct experiment *experiment = measure();
    expect_shift(&experiment->strategies[0]);
    expect_shift(&experiment->strategies[1]);
    assert_true(time_left.searches == 3 && time_left.bare == 1);
    forget(experiment);
}

/* It is not taken for whole: there may be more time for the next one. */
static void a_search_that_was_broken_off_goes_on(void **state)
{
    (void)state;
    time_left.runs[0] = 1; /* one vote: nothing is known to break it */
    struct experiment *experiment = measure();
    assert_true(isnan(experiment->strategies[0].shift.shift));
    assert_true(experiment->strategies[0].shift.is_open);
    expect_shift(&experiment->strategies[1]);
    assert_true(time_left.bare == 2);
    forget(experiment);
}

/* There are both sides of a wide bracket. */
static void what_a_search_that_was_broken_off_tells_does_not_count(void **state)
{
    (void)state;
    time_left.runs[0] = 6;
    time_left.runs[2] = 1;
    struct experiment *experiment = measure();
    const struct experiment_strategy *first = &experiment->strategies[0];
    assert_true(first->without.bad > 0 && !bisect_is_found(&first->without));
    assert_true(!first->shift.is_counted);
    if (!isnan(first->shift.shift))
        assert_string_equal(first->shift.objection, "its search was broken off");
    forget(experiment);
    time_left.runs[2] = 0;
}

/* One by environment, of a program that breaks at 74 MiB and holds at 52. */
static struct experiment *measure_band(void)
{
    static const struct plan band = {.strategy = {{.name = name, .settings = "A=1"}},
                                     .strategies = 1};
    struct experiment *experiment = calloc(1, sizeof *experiment);
    assert_non_null(experiment);
    experiment->plan = &band;
    experiment->peak = 100 * MIB;
    experiment->bisect =
        (struct bisect){.good = 74.5 * MIB, .bad = 73.6 * MIB, .tolerance = MIB, .probes = 4};
    schedule_init(&experiment->schedule, INFINITY);
    experiment->strategies[0] = (struct experiment_strategy){
        .what = &band.strategy[0], .is_measured = true, .level = 52 * MIB};
    time_left.searches = time_left.bare = time_left.runs[0] = 0;
    strategies_find_shifts(experiment);
    time_left.truth = STEP;
    return experiment;
}

static void one_that_does_nothing_shifts_nothing(void **state)
{
    (void)state;
    time_left.truth = BAND;
    struct experiment *experiment = measure_band();
    const struct experiment_strategy *strategy = &experiment->strategies[0];
    assert_true(bisect_is_found(&strategy->with) && strategy->with.bad > 70 * MIB);
    assert_true(fabs(strategy->shift.shift) < 0.02 && !strategy->shift.is_counted);
    forget(experiment);
}

/* What breaks it between 50 and 74 MiB nobody has looked for. */
static void what_holds_with_less_than_breaks_it_has_no_shift_that_counts(void **state)
{
    (void)state;
    time_left.truth = BAND_OF_BARE;
    struct experiment *experiment = measure_band();
    const struct experiment_strategy *strategy = &experiment->strategies[0];
    assert_true(bisect_is_found(&strategy->with) && strategy->with.bad < 51 * MIB);
    assert_false(strategy->shift.is_counted);
    assert_string_equal(strategy->shift.objection, "it holds with less than breaks it");
    forget(experiment);
}

/* It is not half of what held. */
static void what_nothing_breaks_is_shifted_by_all_that_was_tried(void **state)
{
    (void)state;
    time_left.truth = STEP_OF_BARE;
    struct experiment *experiment = measure();
    time_left.truth = STEP;
    const struct experiment_strategy *strategy = &experiment->strategies[0];
    assert_true(bisect_is_unbroken(&strategy->with));
    assert_true(bisect_get_result(&strategy->with) == MIB);
    assert_true(fabs(strategy->shift.shift - (1 - 1 / 40.0)) < 0.002);
    assert_true(strategy->shift.interval.low > 0.97 && strategy->shift.interval.high == 1);
    assert_true(strategy->shift.is_counted);
    forget(experiment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_search_without_any_does_for_all),
        cmocka_unit_test(a_search_that_was_broken_off_goes_on),
        cmocka_unit_test(what_a_search_that_was_broken_off_tells_does_not_count),
        cmocka_unit_test(one_that_does_nothing_shifts_nothing),
        cmocka_unit_test(what_holds_with_less_than_breaks_it_has_no_shift_that_counts),
        cmocka_unit_test(what_nothing_breaks_is_shifted_by_all_that_was_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
