/* test_sampler.c - samples are a Poisson process on the bytes, and what is concluded from them is
 * right as often as it says. */
#include <math.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tools/analysis/estimate.h"
#include "tracer/sampler.h"
#include "tracer/tracer.h"

enum { PERIOD = 65536, RUNS = 1000 };

static uint64_t seed_of(unsigned run)
{
    return (run + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

/* -- the distances ---------------------------------------------------------------------------- */

static void distances_are_exponential(void **state)
{
    (void)state;
    enum { DRAWS = 400000, PARTS = 8 };
    uint64_t random = seed_of(0), above[PARTS] = {0};
    double sum = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t distance = sampler_draw(&random, PERIOD);
        sum += (double)distance;
        for (uint64_t part = 0; part < PARTS; part++)
            above[part] += distance >= part * PERIOD / 2;
    }
    /* five standard errors */
    assert_true(fabs(sum / DRAWS / PERIOD - 1) < 5 / sqrt(DRAWS));
    for (int part = 0; part < PARTS; part++) {
        double chance = exp(-part / 2.0);
        double error = fabs((double)above[part] / DRAWS - chance);
        assert_true(error <= 5 * sqrt(chance * (1 - chance) / DRAWS));
    }
}

static void a_distance_fits_the_largest_period(void **state)
{
    (void)state;
    uint64_t random = seed_of(1);
    double sum = 0;
    for (int i = 0; i < 10000; i++)
        sum += (double)sampler_draw(&random, UINT64_C(1) << 32);
    assert_true(fabs(sum / 10000 / 0x1p32 - 1) < 0.05);
}

/* -- estimates -------------------------------------------------------------------------------- */

struct population {
    const char *name;
    struct {
        uint64_t bytes, count;
    } kind[3];
};

static const struct population populations[] = {
    {"many small ones", {{64, 50000}}},
    {"little in all", {{100, 700}}},
    {"hardly anything", {{100, 50}}},
    {"one of the period", {{PERIOD, 1}}},
    {"some of the period", {{PERIOD, 8}}},
    {"three of twice the period", {{2 * PERIOD, 3}}},
    {"large ones", {{10 * PERIOD, 5}}},
    {"a large one and small ones", {{30 * PERIOD, 1}, {48, 3000}}},
    {"everything", {{5 * PERIOD, 2}, {PERIOD / 3, 20}, {200, 4000}}},
};

/* Each kind in a stream of its own, where a block takes an eighth more bytes than it asked for. */
static struct amount sample(const struct population *population, uint64_t seed, uint64_t *truth)
{
    struct amount sum = {0};
    uint64_t object = seed, state = seed;
    *truth = 0;
    for (int k = 0; k < 3; k++) {
        uint64_t bytes = population->kind[k].bytes, left = sampler_draw(&state, PERIOD);
        for (uint64_t i = 0; i < population->kind[k].count; i++) {
            *truth += bytes;
            struct amount one = estimate_weigh(PERIOD, bytes, object++);
            if (sampler_takes(&state, PERIOD, &left, bytes + bytes / 8, bytes))
                amount_add(&sum, &one);
        }
    }
    return sum;
}

static void intervals_hold_the_truth_in_95_of_100_runs(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof populations / sizeof populations[0]; p++) {
        unsigned held = 0;
        for (unsigned run = 0; run < RUNS; run++) {
            uint64_t truth;
            struct amount sum = sample(&populations[p], seed_of(run), &truth);
            struct interval within = estimate_interval(PERIOD, &sum);
            held += within.low <= truth && truth <= within.high;
        }
        printf("%s: %u of %u\n", populations[p].name, held, RUNS);
        assert_in_range(held, RUNS * 95 / 100, RUNS);
    }
}

static void estimates_are_right_on_average(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof populations / sizeof populations[0]; p++) {
        double bytes = 0, squares = 0, blocks = 0, count = 0, variance = 0;
        uint64_t truth;
        for (unsigned run = 0; run < RUNS; run++) {
            struct amount sum = sample(&populations[p], seed_of(run), &truth);
            bytes += (double)sum.bytes / RUNS;
            blocks += (double)sum.blocks / RUNS;
            variance += sum.variance / RUNS;
            double off = (double)sum.bytes - (double)truth;
            squares += off * off / RUNS;
        }
        for (int k = 0; k < 3; k++)
            count += (double)populations[p].kind[k].count;
        assert_true(fabs(bytes - (double)truth) <= 5 * sqrt(variance / RUNS) + 1);
        /* blocks of one size follow from the bytes; a third is far more than 1000 runs err by */
        assert_true(fabs(blocks / count - 1) < 0.34);
        if (populations[p].kind[0].count >= 50)
            assert_true(fabs(variance - squares) <= 0.3 * squares);
    }
}

static void an_exact_trace_has_no_interval(void **state)
{
    (void)state;
    struct amount one = estimate_weigh(0, 100, 7);
    assert_int_equal(one.bytes, 100);
    assert_int_equal(one.blocks, 1);
    struct interval within = estimate_interval(0, &one);
    assert_int_equal(within.low, 100);
    assert_int_equal(within.high, 100);
}

static void nothing_sampled_is_not_nothing(void **state)
{
    (void)state;
    struct interval within = estimate_interval(PERIOD, &(struct amount){0});
    assert_int_equal(within.low, 0);
    /* 3.69 periods: the exact Poisson limit */
    assert_in_range(within.high, 36 * PERIOD / 10, 38 * PERIOD / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_exponential),
        cmocka_unit_test(a_distance_fits_the_largest_period),
        cmocka_unit_test(intervals_hold_the_truth_in_95_of_100_runs),
        cmocka_unit_test(estimates_are_right_on_average),
        cmocka_unit_test(an_exact_trace_has_no_interval),
        cmocka_unit_test(nothing_sampled_is_not_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
