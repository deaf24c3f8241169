/* test_scenario_rest.c - how long this program rests between runs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/scenario/rest.h"

enum { RUNS = 1000 };

/* Runs of so many seconds, each of which takes so much of this program's processor time. */
static double play(struct rest *rest, double took, double used_a_run, double whole)
{
    double now = 100, used = 3;
    rest_begin(rest, used, now, whole);
    for (unsigned run = 0; run < RUNS; run++) {
        now += rest_find(rest, used, now);
        now += took;
        used += used_a_run;
    }
    return (used - 3) / (now - 100);
}

static void runs_of_a_millisecond_take_their_share_and_no_more(void **state)
{
    (void)state;
    struct rest rest;
    double share = play(&rest, 0.001, 0.0003, INFINITY);
    assert_true(fabs(share / REST_SHARE - 1) < 0.01);
    share = play(&rest, 0.02, 0.0008, 300);
    assert_true(fabs(share / REST_SHARE - 1) < 0.01);
}

static void who_takes_little_does_not_rest(void **state)
{
    (void)state;
    struct rest rest;
    double share = play(&rest, 0.1, 0.0005, INFINITY);
    assert_true(fabs(share - 0.005) < 1e-9);
}

/* All runs of an experiment begin alike. */
static void what_was_not_used_is_no_credit(void **state)
{
    (void)state;
    struct rest rest;
    rest_begin(&rest, 0, 0, INFINITY);
    assert_true(rest_find(&rest, 0.001, 10) == 0);
    double owed = rest_find(&rest, 0.0012, 10.001);
    assert_true(fabs(owed - (0.0002 / REST_SHARE - 0.001)) < 1e-9);
    assert_true(fabs(rest_find(&rest, 0.0012, 10.001 + owed)) < 1e-9);
}

static void an_experiment_that_is_short_keeps_most_of_its_runs(void **state)
{
    (void)state;
    struct rest rest;
    rest_begin(&rest, 0, 0, 10);
    assert_true(rest_find(&rest, 1, 1) <= 10 * REST_OF_ALL);
    assert_true(rest_find(&rest, 1, 1.02) == 0); /* nor is the remainder owed for ever */
    rest_begin(&rest, 0, 0, INFINITY);
    assert_true(rest_find(&rest, 1, 1) <= REST_LONGEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_of_a_millisecond_take_their_share_and_no_more),
        cmocka_unit_test(who_takes_little_does_not_rest),
        cmocka_unit_test(what_was_not_used_is_no_credit),
        cmocka_unit_test(an_experiment_that_is_short_keeps_most_of_its_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
