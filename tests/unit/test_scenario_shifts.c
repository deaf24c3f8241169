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
} time_left;

/* It breaks at 40 MiB without any, at 30 with one. */
bool __wrap_search_go_on(struct experiment *experiment, struct bisect *bisect, double until);
bool __wrap_search_go_on(struct experiment *experiment, struct bisect *bisect, double until)
{
    (void)until;
    bool is_bare = experiment->pressure.strategy == 0;
    unsigned most = time_left.runs[time_left.searches++], runs = 0;
    double truth = (is_bare ? 40 : 30) * MIB, budget;
    time_left.bare += is_bare;
    while ((budget = bisect_next(bisect)) > 0 && (most == 0 || runs++ < most))
        bisect_tell(bisect, budget > truth ? CURVE_HELD : CURVE_KILLED);
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
    free(experiment);
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
    free(experiment);
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
    free(experiment);
    time_left.runs[2] = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_search_without_any_does_for_all),
        cmocka_unit_test(a_search_that_was_broken_off_goes_on),
        cmocka_unit_test(what_a_search_that_was_broken_off_tells_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
