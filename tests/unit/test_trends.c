/* test_trends.c - which series are said to grow, and how many that do not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tools/analysis/growth.h"

enum { CYCLES = 50, SERIES = 2000 };

static uint64_t state;

static double next_uniform(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state >> 11) / (double)(UINT64_C(1) << 53);
}

static double next_normal(void)
{
    return sqrt(-2 * log(1 - next_uniform())) * cos(6.283185307179586 * next_uniform());
}

/* A wandering level: what is left of the distance to its mean after a cycle is `memory`; 1: a
 * random walk. */
static void make_levels(double *level, size_t count, double memory, double leak)
{
    double at = 0, spread = memory < 1 ? sqrt(1 - memory * memory) : 1;
    for (size_t i = 0; i < count; i++) {
        at = memory * at + spread * next_normal();
        level[i] = 100000 + 1000 * at + leak * (double)i;
    }
}

static unsigned count_alarms(double memory, double leak, size_t cycles)
{
    double level[COURSE_MOST];
    unsigned alarms = 0;
    for (unsigned i = 0; i < SERIES; i++) {
        struct growth_trend trend;
        make_levels(level, cycles, memory, leak);
        assert_true(growth_judge(level, cycles, &trend));
        alarms += trend.goes_on && trend.chance <= GROWTH_ALARM;
    }
    return alarms;
}

/* One stack alone is judged; of many each must be as many times surer. */
static void false_alarms_are_as_rare_as_promised(void **unused)
{
    (void)unused;
    static const double memories[] = {0, 0.3, 0.6, 0.8};
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        state = 42 + i;
        unsigned alarms = count_alarms(memories[i], 0, CYCLES);
        printf("memory %.1f: %u of %d\n", memories[i], alarms, SERIES);
        assert_true(alarms <= SERIES * GROWTH_ALARM * 1.5);
    }
    state = 7;
    unsigned alarms = count_alarms(1, 0, CYCLES);
    printf("random walks: %u of %d\n", alarms, SERIES);
    assert_true(alarms <= SERIES / 50);
}

static void a_steady_leak_is_seen_through_noise(void **unused)
{
    (void)unused;
    state = 3;
    unsigned found = count_alarms(0.3, 300, CYCLES); /* a cycle leaks a third of the noise */
    printf("found: %u of %d\n", found, SERIES);
    assert_true(found >= SERIES * 9 / 10);
}

static void fill(double *level, double (*at)(size_t))
{
    for (size_t i = 0; i < CYCLES; i++)
        level[i] = at(i);
}

static double leak(size_t i)
{
    return 54 * (double)i;
}

static double leak_now_and_then(size_t i)
{
    return 2700 * (double)(i / 4);
}

static double fill_up(size_t i)
{
    return 1e6 * (1 - exp(-(double)i / 10));
}

static double grow_by_doubling(size_t i)
{
    return exp2(ceil(log2((double)i + 1)));
}

static double rise_once(size_t i)
{
    return i < 30 ? 0 : 1e6;
}

static double stay(size_t i)
{
    return 5 + 0 * (double)i;
}

static bool grows(double (*at)(size_t))
{
    double level[CYCLES];
    struct growth_trend trend;
    fill(level, at);
    assert_true(growth_judge(level, CYCLES, &trend));
    return trend.goes_on && trend.chance <= GROWTH_ALARM;
}

static void what_goes_on_is_told_from_what_ends(void **unused)
{
    (void)unused;
    assert_true(grows(leak));
    assert_true(grows(leak_now_and_then));
    assert_false(grows(fill_up));
    assert_false(grows(grow_by_doubling));
    assert_false(grows(rise_once));
    assert_false(grows(stay));
}

static void the_rate_is_that_of_a_cycle(void **unused)
{
    (void)unused;
    double level[CYCLES];
    struct growth_trend trend;
    fill(level, leak);
    assert_true(growth_judge(level, CYCLES, &trend));
    assert_true(fabs(trend.rate - 54) < 0.01);
    assert_true(fabs(trend.low - 54) < 0.01 && fabs(trend.high - 54) < 0.01);
    assert_true(fabs(trend.chance - 1 / 3628800.0) < 1e-9); /* one order in 10! */
    assert_false(growth_judge(level, 6, &trend));
}

/* 95 of 100 intervals have the true rate. */
static void the_interval_holds_the_rate(void **unused)
{
    (void)unused;
    double level[COURSE_MOST];
    unsigned right = 0;
    state = 11;
    for (unsigned i = 0; i < SERIES; i++) {
        struct growth_trend trend;
        make_levels(level, CYCLES, 0.3, 300);
        assert_true(growth_judge(level, CYCLES, &trend));
        right += trend.low <= 300 && 300 <= trend.high;
    }
    printf("right: %u of %d\n", right, SERIES);
    assert_true(right >= SERIES * 95 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(false_alarms_are_as_rare_as_promised),
        cmocka_unit_test(a_steady_leak_is_seen_through_noise),
        cmocka_unit_test(what_goes_on_is_told_from_what_ends),
        cmocka_unit_test(the_rate_is_that_of_a_cycle),
        cmocka_unit_test(the_interval_holds_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
