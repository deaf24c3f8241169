/* test_scenario_output.c - what text and JSON say of a breaking point. */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/scenario_built.h"

/* A member of the breaking point; -1: null. */
static double json_member(const struct experiment *experiment, const char *key)
{
    json_t *object = output_json(experiment);
    json_t *value = json_object_get(json_object_get(object, "breaking_point"), key);
    assert_non_null(value);
    double number = json_is_null(value)      ? -1
                    : json_is_boolean(value) ? json_is_true(value)
                                             : json_number_value(value);
    json_decref(object);
    return number;
}

static void expect_interval(const struct experiment *experiment)
{
    json_t *object = output_json(experiment);
    json_t *interval = json_object_get(json_object_get(object, "breaking_point"), "interval");
    assert_int_equal(json_array_size(interval), 2);
    assert_true(json_real_value(json_array_get(interval, 0)) == 50.8 * MIB);
    assert_true(json_real_value(json_array_get(interval, 1)) == 52.2 * MIB);
    json_decref(object);
}

static void a_bracket_is_what_broke_and_what_held(void **state)
{
    (void)state;
    struct experiment *experiment = built_experiment(&built_bracket);
    expect_text(experiment, "                95 % sure: 50.8 MiB to 52.2 MiB; 5 probes, 14 runs\n"
                            "                broken at 51.0 MiB, held at 52.0 MiB\n");
    assert_true(json_member(experiment, "broken_at") == 51 * MIB);
    assert_true(json_member(experiment, "held_at") == 52 * MIB);
    expect_interval(experiment);
    assert_true(json_member(experiment, "spread") == 0);
    free(experiment);
}

/* No run was at either end of it. */
static void a_middle_is_no_observation(void **state)
{
    (void)state;
    struct bisect middle = built_bracket;
    middle.is_varying = true;
    struct experiment *experiment = built_experiment(&middle);
    expect_text(experiment, "half of the runs break there: their needs spread by 3.00 MiB\n");
    assert_true(json_member(experiment, "broken_at") == -1);
    assert_true(json_member(experiment, "held_at") == -1);
    expect_interval(experiment);
    assert_true(json_member(experiment, "spread") == 3 * MIB);
    assert_true(json_member(experiment, "bytes") == 51.5 * MIB);
    free(experiment);
}

static void nothing_broke_at_no_budget(void **state)
{
    (void)state;
    struct experiment *experiment = built_experiment(&(struct bisect){.good = MIB, .probes = 3});
    expect_text(experiment, "BREAKING POINT  none down to 1.00 MiB (3 probes)\n");
    experiment->is_out_of_time = true;
    experiment->bisect.probes = 1;
    expect_text(experiment, "BREAKING POINT  none down to 1.00 MiB (1 probe, out of time)\n");
    assert_true(json_member(experiment, "broken_at") == -1);
    assert_true(json_member(experiment, "held_at") == MIB);
    assert_true(json_member(experiment, "interval") == -1);
    free(experiment);
}

static void time_that_was_short_is_told_from_time_that_was_over(void **state)
{
    (void)state;
    struct experiment *experiment = built_experiment(&built_bracket);
    experiment->is_confirmed = false;
    expect_text(experiment, "5 probes, 14 runs, not\n                confirmed\n");
    assert_true(json_member(experiment, "confirmed") == 0);
    assert_true(json_member(experiment, "out_of_time") == 0);
    experiment->is_out_of_time = true;
    expect_text(experiment, "5 probes, 14 runs, out of time\n");
    free(experiment);
}

static void what_counts_and_is_not_there_is_told_apart(void **state)
{
    (void)state;
    struct experiment_lap level = {.budget = 60 * MIB,
                                   .slow_calls = 9,
                                   .coverage = 0.9,
                                   .accounted = 0.98,
                                   .resident_mean = 50 * MIB};
    struct experiment *experiment = built_experiment(&built_bracket);
    experiment->level = &level;
    experiment->levels = experiment->planned = 1;
    experiment->baseline = 1;
    level.untouched = 12 * MIB;
    expect_text(experiment, " 98 % with what the program mapped\n"
                            "                (12.0 MiB more counts, which it has not touched)\n");
    level.untouched = 2 * MIB;
    expect_text(experiment, " 98 % with what the program mapped\nIN THE HEAP ");
    free(experiment);
}

/* All that a report can have, with numbers that are long. */
static struct experiment_lap make_wide(double budget)
{
    return (struct experiment_lap){.budget = budget,
                                   .windows = 33,
                                   .lasted = 1,
                                   .costed = 1,
                                   .resident_most = 999 * 1024,
                                   .run_wait = 123.4,
                                   .minor_faults = 1234567,
                                   .major_faults = 123456,
                                   .stalls = {false, 0.55, 0.44},
                                   .stalled = 3.99,
                                   .is_injected_known = true,
                                   .injected = {3.99, 3.99, 3.99},
                                   .injected_p99 = 1.23e-3,
                                   .parts = {1e8, 2e8, 3e8, 4e8},
                                   .slow_calls = 9,
                                   .slow_p50 = 1.23e-6,
                                   .slow_p99 = 1.23e-6,
                                   .fast_calls = 9,
                                   .fast_p50 = 1.23e-6,
                                   .fast_p99 = 1.23e-6,
                                   .fast_frees = 9,
                                   .free_p50 = 1.23e-6,
                                   .free_p99 = 1.23e-6,
                                   .coverage = 1,
                                   .accounted = 1,
                                   .untouched = 1e8,
                                   .objects = 123456};
}

static void no_line_is_longer_than_80_columns(void **state)
{
    (void)state;
    static char trace[] = "a/long/way/to/a/trace/that/is/no/shorter/than/fifty/characters.mpt";
    static char with[] = "jemalloc:MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0,narenas:1";
    static char load[] = "load", how[] = "a few words, and many more, of how it is replayed, "
                                         "as long as somebody writes some here";
    static struct plan plan = {.arguments = built_program,
                               .trace = trace,
                               .with = with,
                               .how = how,
                               .recovery = 60,
                               .shape = {.name = "exponential"},
                               .load = load};
    struct experiment_window windows[33];
    for (size_t i = 0; i < 33; i++)
        windows[i] = (struct experiment_window){.service = 7199};
    struct experiment_lap level = make_wide(60 * MIB), broken = make_wide(50 * MIB);
    struct experiment *experiment = built_experiment(&built_bracket);
    broken.end = CURVE_COLLAPSED;
    memset(broken.why, 'w', sizeof broken.why - 1);
    struct experiment_lap levels[] = {level, broken};
    experiment->plan = &plan;
    experiment->window = windows;
    experiment->baseline = 0.001;
    experiment->clock_step = 2e-6;
    experiment->is_confirmed = false;
    experiment->bisect.probes = 1234;
    experiment->bisect.runs = 12345;
    experiment->calibration = level;
    experiment->release = level;
    experiment->is_recovery_cut = true;
    experiment->level = levels;
    experiment->levels = experiment->planned = 2;
    experiment->backstop.head_room = experiment->backstop.outside = 1;
    memset(experiment->backstop.name, 'n', sizeof experiment->backstop.name - 1);
    struct verdict *verdict = &experiment->verdict;
    verdict->figures = (struct curve_figures){
        .latency = {12345, 12345}, .slowdown = 12345, .retention = 1234, .steepest = 123};
    for (unsigned row = 0; row < VERDICT_ROWS; row++)
        verdict->row[row] = (struct verdict_criterion){
            .is_known = true, .is_asked = true, .value = 99999, .interval = {99998, 99999}};
    verdict->row[VERDICT_IMPROVEMENT].value = -9.99; /* a share */
    verdict->row[VERDICT_IMPROVEMENT].interval = (struct sample_interval){-12.34, -9.87};
    expect_80_columns(experiment);
    plan.load = NULL; /* it ends by itself */
    expect_80_columns(experiment);
    free(experiment);
}

static void a_word_that_no_line_has_room_for_is_broken(void **state)
{
    (void)state;
    static char how[200];
    static char trace[] = "trace";
    static const struct plan plan = {.arguments = built_program, .trace = trace, .how = how};
    struct experiment *experiment = built_experiment(&built_bracket);
    memset(how, 'h', sizeof how - 1);
    experiment->plan = &plan;
    expect_80_columns(experiment);
    free(experiment);
}

/* The program was gone; or nobody waited for it. */
static void a_release_that_never_was_is_null(void **state)
{
    (void)state;
    struct experiment *experiment = built_experiment(&built_bracket);
    json_t *object = output_json(experiment);
    assert_true(json_is_null(json_object_get(object, "release")));
    json_decref(object);
    experiment->release.began = 1;
    object = output_json(experiment);
    assert_true(json_is_object(json_object_get(object, "release")));
    json_decref(object);
    free(experiment);
}

/* -- strategies and time ---------------------------------------------------------------------- */

static char long_name[] = "a strategy whose name is long";
static const struct plan strategic = {.arguments = built_program,
                                      .strategy = {{.name = long_name}, {.name = long_name}},
                                      .strategies = 2};

static struct experiment_strategy make_strategy(double reduction, double overhead)
{
    static const char why_not[] = "it costs more than a tenth of time";
    struct sample_interval interval = {reduction - 1, reduction + 1};
    return (struct experiment_strategy){
        .what = &strategic.strategy[0],
        .is_measured = true,
        .improvement = {.reduction = reduction,
                        .reduction_interval = interval,
                        .overhead = overhead,
                        .objection = why_not},
        .without = built_bracket,
        .with = built_bracket,
        .shift = {.shift = reduction, .interval = interval, .objection = why_not}};
}

static void what_is_not_counted_says_why_in_80_columns(void **state)
{
    (void)state;
    struct experiment *experiment = built_experiment(&built_bracket);
    experiment->plan = &strategic;
    experiment->strategies[0] = make_strategy(-0.123, 12.345);
    experiment->strategies[1] = make_strategy(0.99, 0.2);
    expect_text(experiment, "resident +12.3 % (-87.7..+112.3), time +1234.5 %;\n"
                            "                               not counted: it costs more than a "
                            "tenth of time\n");
    expect_80_columns(experiment);
    experiment->strategies[1].is_measured = false;
    memset(experiment->strategies[1].why, 'x', sizeof experiment->strategies[1].why - 1);
    for (size_t i = 9; i < 95; i += 10)
        experiment->strategies[1].why[i] = ' ';
    expect_80_columns(experiment);
    free(experiment);
}

static void a_shift_that_there_was_no_time_for_is_no_silence(void **state)
{
    (void)state;
    struct experiment *experiment = built_experiment(&built_bracket);
    experiment->plan = &strategic;
    for (unsigned i = 0; i < 2; i++) {
        experiment->strategies[i] = make_strategy(0.1, 0);
        experiment->strategies[i].shift = (struct improvement_shift){.shift = NAN, .is_open = true};
    }
    experiment->strategies[1].without.bad = 0;
    expect_text(experiment, "where it breaks with it: no time was left\n");
    expect_text(experiment, "where it breaks without it: no time was left\n");
    free(experiment);
}

static void what_was_left_out_for_want_of_time_is_said(void **state)
{
    (void)state;
    struct experiment *experiment = built_experiment(&built_bracket);
    schedule_init(&experiment->schedule, 60);
    experiment->total = 58;
    expect_text(experiment, "TIME            58.0 s of at most 60.0 s\n");
    schedule_note(&experiment->schedule, "pressure lasted %d s instead of %d s", 15, 60);
    expect_text(experiment, "58.0 s of at most 60.0 s; to keep that:\n"
                            "                pressure lasted 15 s instead of 60 s\n");
    json_t *object = output_json(experiment);
    assert_int_equal(json_array_size(json_object_get(object, "left_out")), 1);
    assert_true(json_real_value(json_object_get(object, "within_s")) == 60);
    json_decref(object);
    free(experiment);
}

static void a_recovery_that_there_was_no_time_for_is_not_denied(void **state)
{
    (void)state;
    static const struct plan patient = {.arguments = built_program, .recovery = 60};
    struct experiment *experiment = built_experiment(&built_bracket);
    struct curve curve;
    experiment->plan = &patient;
    experiment->release.windows = 1;
    experiment->window = calloc(1, sizeof *experiment->window);
    experiment_make_curve(experiment, &curve);
    assert_true(curve.is_recovery_watched);
    experiment_free_curve(&curve);
    experiment->is_recovery_cut = true;
    experiment_make_curve(experiment, &curve);
    assert_false(curve.is_recovery_watched);
    experiment_free_curve(&curve);
    expect_text(experiment, "RECOVERY        not while there was time, then ");
    free(experiment->window);
    free(experiment);
}

static void a_metric_is_no_time(void **state)
{
    (void)state;
    static const struct plan measuring = {
        .arguments = built_program, .metric = "print", .window = 0.5};
    struct experiment_window windows[] = {{.service = 1250}, {.service = 1250}};
    struct experiment_lap level = {.budget = MIB, .windows = 2};
    struct experiment *experiment = built_experiment(&built_bracket);
    experiment->plan = &measuring;
    experiment->window = windows;
    experiment->baseline = 1250;
    experiment->calibration.windows = 2;
    experiment->level = &level;
    experiment->levels = experiment->planned = 1;
    expect_text(experiment, "2 windows of 1250 (");
    expect_text(experiment, "METRIC   vs base WINDOWS");
    expect_text(experiment, "      1250    1.00 x       2");
    expect_text(experiment, "METRIC OF windows");
    expect_80_columns(experiment);
    assert_true(lap_window_seconds(experiment) == 0.5);
    free(experiment);
}

/* 64 quick windows, and then 136. Of a level that broke, a run more was done. */
static void all_windows_and_each_run_count(void **state)
{
    (void)state;
    enum { QUICK = 64, ALL = 200 };
    struct experiment_window windows[ALL];
    struct experiment_lap level = {.budget = MIB, .windows = ALL, .minor_faults = 150 * ALL};
    struct experiment *experiment = built_experiment(&built_bracket);
    for (size_t i = 0; i < ALL; i++)
        windows[i] = (struct experiment_window){.service = i < QUICK ? 1 : 3};
    experiment->window = windows;
    experiment->baseline = 1;
    experiment->level = &level;
    experiment->levels = experiment->planned = 1;
    expect_text(experiment, "FAULTS/RUN");
    expect_text(experiment, "3.00 x     200        0 B        150   0.0 %\n");
    assert_string_equal(output_rate(experiment, &level, 300).at, "2");
    level.windows = 2;
    level.end = CURVE_FAILED;
    assert_string_equal(output_rate(experiment, &level, 300).at, "100");
    free(experiment);
}

/* Two windows at first, then three, each of a second; between them there was pressure. */
static void a_recovery_that_is_looked_for_again_has_waited_before(void **state)
{
    (void)state;
    static const struct plan patient = {.arguments = built_program, .recovery = 60};
    struct experiment_window windows[] = {{.at = 11, .service = 2},
                                          {.at = 12, .service = 2},
                                          {.at = 41, .service = 1},
                                          {.at = 42, .service = 1},
                                          {.at = 43, .service = 1}};
    struct experiment *experiment = built_experiment(&built_bracket);
    experiment->plan = &patient;
    experiment->window = windows;
    experiment->release = (struct experiment_lap){.began = 10, .lasted = 2, .windows = 2};
    experiment->release_again =
        (struct experiment_lap){.began = 40, .lasted = 3, .first = 2, .windows = 3};
    struct curve curve;
    experiment_make_curve(experiment, &curve);
    assert_int_equal(curve.moments, 5);
    assert_true(curve.recovery[1].at == 2 && curve.recovery[2].at == 3);
    assert_true(curve.recovery[4].at == 5 && curve.recovery[4].service == 1);
    experiment_free_curve(&curve);
    json_t *object = output_json(experiment);
    assert_true(json_is_object(json_object_get(object, "release_again")));
    json_decref(object);
    free(experiment);
}

/* Five of seven levels were taken. */
static void levels_that_there_was_no_time_for_are_none_that_were_lost(void **state)
{
    (void)state;
    struct experiment_lap levels[5] = {{.budget = MIB}};
    struct experiment *experiment = built_experiment(&built_bracket);
    struct curve curve;
    experiment->level = levels;
    experiment->levels = 5;
    experiment->planned = 7;
    experiment_make_curve(experiment, &curve);
    assert_int_equal(curve.planned, 7);
    experiment_free_curve(&curve);
    experiment->left_out = 2;
    experiment_make_curve(experiment, &curve);
    assert_int_equal(curve.planned, 5);
    experiment_free_curve(&curve);
    free(experiment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bracket_is_what_broke_and_what_held),
        cmocka_unit_test(a_middle_is_no_observation),
        cmocka_unit_test(nothing_broke_at_no_budget),
        cmocka_unit_test(time_that_was_short_is_told_from_time_that_was_over),
        cmocka_unit_test(what_counts_and_is_not_there_is_told_apart),
        cmocka_unit_test(no_line_is_longer_than_80_columns),
        cmocka_unit_test(a_word_that_no_line_has_room_for_is_broken),
        cmocka_unit_test(a_release_that_never_was_is_null),
        cmocka_unit_test(what_is_not_counted_says_why_in_80_columns),
        cmocka_unit_test(a_shift_that_there_was_no_time_for_is_no_silence),
        cmocka_unit_test(a_recovery_that_there_was_no_time_for_is_not_denied),
        cmocka_unit_test(a_metric_is_no_time),
        cmocka_unit_test(all_windows_and_each_run_count),
        cmocka_unit_test(a_recovery_that_is_looked_for_again_has_waited_before),
        cmocka_unit_test(levels_that_there_was_no_time_for_are_none_that_were_lost),
        cmocka_unit_test(what_was_left_out_for_want_of_time_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
