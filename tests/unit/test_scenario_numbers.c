/* test_scenario_numbers.c - what an experiment's numbers are made of: durations by their buckets,
 * the steps of a clock, the kernel's account of pressure. */
#define _GNU_SOURCE /* mkstemp, dprintf */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "preload/budget.h"
#include "tools/scenario/analysis/sample.h"
#include "tools/scenario/histogram.h"
#include "tools/scenario/pressure.h"

static void only_what_came_meanwhile_counts(void **state)
{
    (void)state;
    struct histogram before = {{0}}, after;
    before.counts[budget_bucket(5)] = 1000;
    after = before;
    assert_true(histogram_quantile(&before, &after, 0.5) == 0);
    after.counts[budget_bucket(1000)] += 99;
    after.counts[budget_bucket(1000000)] += 1;
    assert_int_equal(histogram_count(&before, &after), 100);
    double p50 = histogram_quantile(&before, &after, 0.5);
    double p99 = histogram_quantile(&before, &after, 0.99);
    double most = histogram_quantile(&before, &after, 1);
    assert_true(p50 > 0.9e-6 && p50 < 1.1e-6 && p99 >= p50 && p99 < 1.1e-6);
    assert_true(most > 0.9e-3 && most < 1.2e-3);
}

/* A clock that goes in tens, as told in whole nanoseconds by one that runs 0.3 % slow. */
static void the_steps_of_a_clock_are_found(void **state)
{
    (void)state;
    uint64_t coarse[200], fine[200];
    struct sample_random random = {.state = 7};
    for (unsigned i = 0; i < 200; i++) {
        coarse[i] = (uint64_t)((double)(1 + sample_below(&random, 9)) * 9.97 + 0.5);
        fine[i] = 17 + sample_below(&random, 100);
    }
    assert_int_equal(histogram_find_step(coarse, 200), 10);
    assert_int_equal(histogram_find_step(fine, 200), 1);
    double here = histogram_clock_step();
    assert_true(here >= 1e-9 && here < 1e-5);
}

/* Counters of 24, 19.2, 54 and 121.875 MHz: each reading is cut to whole nanoseconds. */
static void steps_that_are_no_whole_nanoseconds_are_found(void **state)
{
    (void)state;
    static const double steps[] = {1e3 / 24, 1e3 / 19.2, 1e3 / 54, 1e3 / 121.875};
    struct sample_random random = {.state = 7};
    for (unsigned which = 0; which < 4; which++) {
        uint64_t ns[512];
        for (unsigned i = 0; i < 512; i++) {
            uint64_t from = sample_below(&random, 1000000),
                     to = from + 1 + sample_below(&random, 6);
            ns[i] = (uint64_t)((double)to * steps[which]) - (uint64_t)((double)from * steps[which]);
        }
        double found = (double)histogram_find_step(ns, 512);
        assert_true(found >= steps[which] - 1 && found <= steps[which] + 1);
    }
}

static char path_of_stalls[64];

static bool tell_path(const struct pressure *pressure, char path[PRESSURE_PATH_BYTES])
{
    (void)pressure;
    strcpy(path, path_of_stalls);
    return true;
}

static void a_groups_own_stalls_come_before_the_machines(void **state)
{
    (void)state;
    static const struct pressure_mechanism mechanism = {.stalls = tell_path};
    struct pressure pressure = {.mechanism = &mechanism};
    struct pressure_stalls stalls;
    strcpy(path_of_stalls, "stalls.XXXXXX");
    int fd = mkstemp(path_of_stalls);
    dprintf(fd, "some avg10=1.00 avg60=0.00 avg300=0.00 total=2500000\n"
                "full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n");
    close(fd);
    pressure_read_stalls(&pressure, &stalls);
    assert_true(stalls.is_of_group);
    assert_true(stalls.seconds.some == 2.5 && stalls.seconds.full == 0.5);
    unlink(path_of_stalls);
    pressure_read_stalls(&pressure, &stalls);
    assert_false(stalls.is_of_group);
    assert_true((stalls.seconds.some >= 0) == (access(VICTIM_SYSTEM_PRESSURE, R_OK) == 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_came_meanwhile_counts),
        cmocka_unit_test(the_steps_of_a_clock_are_found),
        cmocka_unit_test(steps_that_are_no_whole_nanoseconds_are_found),
        cmocka_unit_test(a_groups_own_stalls_come_before_the_machines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
