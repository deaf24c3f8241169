/* test_forecast.c - what the forecaster says of shapes whose future is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

#include "allocators/pressure/forecast.h"
#include "allocators/pressure/forecast_fit.h"

#define SECOND UINT64_C(1000000000)
#define LIMIT (UINT64_C(1000) * 1000000) /* a million bytes are a tenth of a point */

static const double thresholds[FORECAST_THRESHOLDS] = {70, 80, 90, 95};

static uint64_t bytes_of(double points)
{
    return points < 0 ? 0 : (uint64_t)(points / 100 * (double)LIMIT);
}

/* Whether any tick of [from, to) of a course had a warning of threshold i. */
typedef double course(unsigned tick);
static struct forecast forecast;

static void start(enum forecast_method method)
{
    forecast_init(&forecast, method, SECOND, thresholds);
}

static void play(course *points, unsigned from, unsigned to)
{
    for (unsigned tick = from; tick < to; tick++)
        forecast_add(&forecast, tick * SECOND, bytes_of(points(tick)), LIMIT);
}

static bool warns_within(course *points, unsigned from, unsigned to, unsigned threshold)
{
    bool warned = false;
    for (unsigned tick = from; tick < to; tick++) {
        play(points, tick, tick + 1);
        warned |= forecast.is_warned[threshold];
    }
    return warned;
}

static struct forecast_reading read_now(void)
{
    struct forecast_reading reading;
    assert_true(forecast_read(&forecast, &reading));
    return reading;
}

/* The same for the same tick. */
static double noise(unsigned tick, double size)
{
    uint64_t x = (tick + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 32;
    return size * ((double)(x % 20001) / 10000 - 1);
}

/* -- courses ---------------------------------------------------------------------------------- */

static double ramp(unsigned tick)
{
    return 20 + 0.2 * tick;
}

static double noisy_ramp(unsigned tick)
{
    return ramp(tick) + noise(tick, 0.5);
}

static double noisy_plateau(unsigned tick)
{
    return 64 + noise(tick, 2);
}

static double quiet(unsigned tick)
{
    (void)tick;
    return 85;
}

static double start_up(unsigned tick)
{
    return 76 * (1 - forecast_fit_exp(-(double)tick / 25));
}

static double short_start_up(unsigned tick)
{
    return tick < 15 ? 4 * tick : 60;
}

static double cache_that_fills(unsigned tick)
{
    return tick < 100 ? 0.6 * tick : 60 + noise(tick, 0.2);
}

static double saw(unsigned tick)
{
    return 50 + tick % 20 + noise(tick, 0.2);
}

static double step(unsigned tick)
{
    return tick < 200 ? 30 : 62;
}

static double exponential(unsigned tick)
{
    return 10 * forecast_fit_exp(tick / 120.0);
}

static double fall(unsigned tick)
{
    return 90 - 0.7 * tick;
}

static double steep(unsigned tick)
{
    return 3.0 * tick;
}

static double slow_leak(unsigned tick)
{
    return 20 + tick / 600.0 + noise(tick, 1.5);
}

static double cache_that_warms(unsigned tick)
{
    return 60 * (1 - forecast_fit_exp(-(double)tick / 40));
}

static double fast_start(unsigned tick)
{
    return 3.0 * tick;
}

static double begun_late(unsigned tick)
{
    return tick < 150 ? 30 : 30 + 0.4 * (tick - 150);
}

/* -- tests ------------------------------------------------------------------------------------ */

static void too_few_samples_give_no_reading(void **state)
{
    (void)state;
    struct forecast_reading reading;
    start(FORECAST_DEFAULT);
    play(ramp, 0, FORECAST_LEAST - 1);
    assert_false(forecast_read(&forecast, &reading));
    play(ramp, FORECAST_LEAST - 1, FORECAST_LEAST);
    assert_true(forecast_read(&forecast, &reading));
}

static void every_method_but_persistence_continues_a_ramp(void **state)
{
    (void)state;
    for (unsigned method = FORECAST_PERSISTENCE + 1; method < FORECAST_METHODS; method++) {
        start((enum forecast_method)method);
        play(ramp, 0, 240);
        struct forecast_reading reading = read_now();
        double error = method == FORECAST_HOLT ? 8 : 0.1; /* its trend dies away */
        for (unsigned i = 0; i < FORECAST_HORIZONS; i++) {
            double due = ramp(239 + forecast_horizons[i]);
            assert_true(reading.at[i].points <= due + 0.1);
            assert_true(reading.at[i].points >= due - error * (i + 1));
        }
    }
    start(FORECAST_PERSISTENCE);
    play(ramp, 0, 240);
    assert_true(read_now().at[2].points < ramp(239) + 0.1);
}

static void a_ramp_is_warned_of_half_a_minute_before_each_threshold(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++) {
        unsigned crossing = (unsigned)((thresholds[i] - 20) / 0.2);
        start(FORECAST_DEFAULT);
        play(noisy_ramp, 0, crossing - 120);
        assert_false(forecast.is_warned[i]);
        play(noisy_ramp, crossing - 120, crossing - 30);
        assert_true(forecast.is_warned[i]);
    }
}

static void the_time_to_a_threshold_is_within_its_interval(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    play(noisy_ramp, 0, 250); /* at 70 points */
    struct forecast_reading reading = read_now();
    for (unsigned i = 1; i < FORECAST_THRESHOLDS; i++) {
        double due = (thresholds[i] - ramp(249)) / 0.2;
        assert_true(reading.soonest[i] > 0 && reading.soonest[i] <= due + 5);
        assert_true(reading.latest[i] >= due - 5 && reading.latest[i] < 3 * due);
    }
}

static void what_is_reached_is_certain_and_takes_no_time(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    play(quiet, 0, 100);
    struct forecast_reading reading = read_now();
    assert_true(reading.soonest[1] == 0 && reading.latest[1] == 0);
    assert_true(reading.at[0].chance[1] == 1);
    assert_true(reading.soonest[2] == FORECAST_NEVER && reading.latest[2] == FORECAST_NEVER);
    assert_true(reading.at[0].chance[2] < 0.25);
    assert_int_equal(reading.trend, FORECAST_STABLE);
    assert_int_equal(reading.action, FORECAST_TRIM); /* 80 % is reached */
}

static void chances_grow_with_the_horizon_and_fall_with_the_threshold(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    play(noisy_ramp, 0, 240);
    struct forecast_reading reading = read_now();
    for (unsigned h = 0; h < FORECAST_HORIZONS; h++) {
        for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++) {
            double chance = reading.at[h].chance[i];
            assert_true(chance >= 0 && chance <= 1);
            assert_true(i == 0 || chance <= reading.at[h].chance[i - 1]);
        }
        assert_true(reading.at[h].low <= reading.at[h].points);
        assert_true(reading.at[h].high >= reading.at[h].points);
    }
    assert_true(reading.at[0].chance[1] < reading.at[2].chance[1]);
}

static void plateaus_saws_steps_and_start_ups_that_flatten_are_no_reason_to_warn(void **state)
{
    (void)state;
    course *const calm[] = {noisy_plateau, saw, step, short_start_up, cache_that_fills};
    for (size_t i = 0; i < sizeof calm / sizeof calm[0]; i++) {
        for (unsigned threshold = 0; threshold < FORECAST_THRESHOLDS; threshold++) {
            start(FORECAST_DEFAULT);
            assert_false(warns_within(calm[i], 0, 900, threshold));
        }
    }
    start(FORECAST_DEFAULT);
    assert_false(warns_within(start_up, 0, 600, 2)); /* it ends at 76 */
}

static void exponential_growth_is_warned_of(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    assert_true(warns_within(exponential, 0, 250, 2)); /* 80 %: it has 14 s to 90 % */
}

static void trends_have_their_class(void **state)
{
    (void)state;
    static const struct {
        course *course;
        unsigned ticks;
        enum forecast_trend trend;
    } cases[] = {{fall, 60, FORECAST_DECREASING},
                 {noisy_ramp, 60, FORECAST_STABLE}, /* 0.2 points a second */
                 {noisy_plateau, 200, FORECAST_STABLE},
                 {steep, 30, FORECAST_CRITICAL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(FORECAST_DEFAULT);
        play(cases[i].course, 0, cases[i].ticks);
        assert_int_equal(read_now().trend, cases[i].trend);
    }
}

/* A tick of ten seconds: ten times the points a tick are the same a second. */
static void the_class_of_a_trend_is_by_the_second(void **state)
{
    (void)state;
    forecast_init(&forecast, FORECAST_DEFAULT, 10 * SECOND, thresholds);
    for (unsigned tick = 0; tick < 20; tick++)
        forecast_add(&forecast, 10 * tick * SECOND, bytes_of(3.0 * tick), LIMIT);
    assert_int_equal(read_now().trend, FORECAST_STABLE);
    forecast_init(&forecast, FORECAST_DEFAULT, SECOND, thresholds);
    for (unsigned tick = 0; tick < 20; tick++)
        forecast_add(&forecast, tick * SECOND, bytes_of(tick), LIMIT);
    assert_int_equal(read_now().trend, FORECAST_INCREASING);
}

static void a_forecast_alone_leads_to_no_more_than_a_trim(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    for (unsigned tick = 0; tick < 350; tick++) {
        play(ramp, tick, tick + 1);
        struct forecast_reading reading;
        if (forecast_read(&forecast, &reading) && reading.points < 90)
            assert_true(reading.action <= FORECAST_TRIM);
    }
    play(ramp, 350, 352);
    assert_int_equal(read_now().action, FORECAST_RELEASE);
    play(ramp, 352, 380);
    assert_int_equal(read_now().action, FORECAST_RESCUE);
}

static void growth_too_slow_for_a_minute_is_seen_by_the_hour(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    play(slow_leak, 0, 2 * 3600);
    struct forecast_reading reading = read_now();
    double due = (70 - 20) * 600.0 - 2 * 3600;
    assert_true(reading.soonest[0] > due * 0.7 && reading.soonest[0] < due * 1.1);
    assert_true(reading.latest[0] > due * 0.9 && reading.latest[0] < due * 1.5);
}

static void samples_between_two_ticks_are_passed_over_and_gaps_are_filled(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    for (unsigned tenth = 0; tenth < 1000; tenth++) /* the last of each second would be 90 */
        forecast_add(&forecast, tenth * SECOND / 10, bytes_of(tenth % 10 == 0 ? 50 : 90), LIMIT);
    assert_int_equal(forecast.ticks, 100);
    assert_true(read_now().points < 50.1);
    forecast_add(&forecast, 400 * SECOND, bytes_of(55), LIMIT);
    assert_int_equal(forecast.ticks, 401);
    assert_true(forecast.used[(401 - 2) % FORECAST_TICKS] == (double)bytes_of(50));
}

static void a_clock_that_jumps_ahead_by_years_costs_no_more_than_the_rings(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    play(quiet, 0, 100);
    forecast_add(&forecast, UINT64_MAX / 2, bytes_of(50), LIMIT);
    assert_true(forecast.ticks <= 101 + FORECAST_MINUTES * 60);
    forecast_add(&forecast, 5, bytes_of(50), LIMIT); /* and back: passed over */
    assert_true(read_now().points < 50.1);
}

static void another_limit_changes_the_points_of_the_past_too(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    play(quiet, 0, 100);
    forecast_add(&forecast, 100 * SECOND, bytes_of(85), 2 * LIMIT);
    struct forecast_reading reading = read_now();
    assert_true(reading.points > 42 && reading.points < 43);
    assert_true(reading.slope > -0.01 && reading.slope < 0.01);
}

static void the_median_of_slopes_is_not_moved_by_a_third_of_outliers(void **state)
{
    (void)state;
    static struct forecast_window window;
    struct forecast_line line;
    window.count = 60;
    for (unsigned i = 0; i < 60; i++)
        window.y[i] = i % 7 == 3 ? 500 : 2.0 * i;
    double slope = forecast_fit_median_slope(&window);
    assert_true(slope > 1.9 && slope < 2.1);
    forecast_fit_line(window.y, 60, &line);
    assert_true(line.explained < 0.5);
}

static void the_exponential_function_is_right_to_nine_digits(void **state)
{
    (void)state;
    assert_true(forecast_fit_exp(1) > 2.718281827 && forecast_fit_exp(1) < 2.718281830);
    assert_true(forecast_fit_exp(-10) > 4.539992e-5 && forecast_fit_exp(-10) < 4.539994e-5);
    assert_true(forecast_fit_exp(0) == 1 && forecast_fit_exp(-1000) == 0);
    assert_true(forecast_fit_root(0) == 0 && forecast_fit_root(-1) == 0 &&
                forecast_fit_root(9) == 3);
}

/* What least squares would have is far above. */
static void growth_that_slows_down_is_not_extended(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    play(cache_that_warms, 0, 60);
    struct forecast_reading reading = read_now();
    assert_true(reading.at[1].points < 62 && reading.at[1].points > reading.points);
    start(FORECAST_LEAST_SQUARES);
    play(cache_that_warms, 0, 60);
    assert_true(read_now().at[1].points > 75);
}

static void a_fall_that_was_may_be_again(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    play(saw, 0, 115); /* up by 15 of 20 */
    struct forecast_reading reading = read_now();
    assert_true(reading.at[0].points < reading.points + 5);
}

static void a_start_is_not_believed_far(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    play(fast_start, 0, 11);
    struct forecast_reading reading = read_now();
    assert_true(reading.points == 30 && reading.at[1].points <= 30 + 30 + 20);
    start(FORECAST_LEAST_SQUARES);
    play(fast_start, 0, 12);
    assert_true(read_now().at[2].points == 100); /* there is no more than the limit */
}

static void growth_that_has_begun_is_seen_before_half_a_minute(void **state)
{
    (void)state;
    start(FORECAST_DEFAULT);
    play(begun_late, 0, 172); /* 21 ticks of 60: the long slope is still none */
    struct forecast_reading reading = read_now();
    double comes = begun_late(171 + 60);
    assert_true(reading.at[1].points > comes - 5 && reading.at[1].points < comes + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_few_samples_give_no_reading),
        cmocka_unit_test(every_method_but_persistence_continues_a_ramp),
        cmocka_unit_test(a_ramp_is_warned_of_half_a_minute_before_each_threshold),
        cmocka_unit_test(the_time_to_a_threshold_is_within_its_interval),
        cmocka_unit_test(what_is_reached_is_certain_and_takes_no_time),
        cmocka_unit_test(chances_grow_with_the_horizon_and_fall_with_the_threshold),
        cmocka_unit_test(plateaus_saws_steps_and_start_ups_that_flatten_are_no_reason_to_warn),
        cmocka_unit_test(exponential_growth_is_warned_of),
        cmocka_unit_test(trends_have_their_class),
        cmocka_unit_test(the_class_of_a_trend_is_by_the_second),
        cmocka_unit_test(a_forecast_alone_leads_to_no_more_than_a_trim),
        cmocka_unit_test(growth_too_slow_for_a_minute_is_seen_by_the_hour),
        cmocka_unit_test(samples_between_two_ticks_are_passed_over_and_gaps_are_filled),
        cmocka_unit_test(a_clock_that_jumps_ahead_by_years_costs_no_more_than_the_rings),
        cmocka_unit_test(another_limit_changes_the_points_of_the_past_too),
        cmocka_unit_test(the_median_of_slopes_is_not_moved_by_a_third_of_outliers),
        cmocka_unit_test(the_exponential_function_is_right_to_nine_digits),
        cmocka_unit_test(growth_that_slows_down_is_not_extended),
        cmocka_unit_test(a_fall_that_was_may_be_again),
        cmocka_unit_test(a_start_is_not_believed_far),
        cmocka_unit_test(growth_that_has_begun_is_seen_before_half_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
