/* test_scenario_own.c - what text, JSON and the page say of the program's own numbers. */
#define _GNU_SOURCE /* mkstemp, open_memstream */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/scenario_built.h"

static struct experiment *make_measured(struct experiment_lap *level)
{
    struct experiment *experiment = built_experiment(&built_bracket);
    experiment->level = level;
    experiment->levels = experiment->planned = 1;
    experiment->baseline = 1;
    experiment->clock_step = 1e-8;
    return experiment;
}

static double level_member(const struct experiment *experiment, const char *key)
{
    json_t *object = output_json(experiment);
    json_t *level = json_array_get(json_object_get(object, "levels"), 0);
    json_t *value = json_object_get(level, key);
    assert_non_null(value);
    double number = json_is_null(value) ? -1 : json_number_value(value);
    json_decref(object);
    return number;
}

static void fast_calls_are_told_as_far_as_the_clock_can_tell(void **state)
{
    (void)state;
    struct experiment_lap level = {.budget = 60 * MIB,
                                   .slow_calls = 9,
                                   .slow_p50 = 3e-7,
                                   .slow_p99 = 5e-6,
                                   .fast_calls = 1000,
                                   .fast_p50 = 1e-8,
                                   .fast_p99 = 4e-8,
                                   .fast_frees = 7};
    struct experiment *experiment = make_measured(&level);
    experiment->calibration = level;
    experiment->calibration.fast_p99 = 2e-8;
    expect_text(experiment,
                "FAST CALLS      p50 <= 10 ns -> <= 10 ns, p99 20 ns -> 40 ns; 1 in 64\n");
    level.slow_p50 = 4e-9; /* nobody can tell */
    expect_text(experiment, "SLOW CALLS      p50 300 ns -> <= 10 ns, p99");
    assert_true(level_member(experiment, "fast_calls") == 1000);
    assert_true(level_member(experiment, "fast_p50_s") == 1e-8);
    assert_true(level_member(experiment, "fast_p99_s") == 4e-8);
    assert_true(level_member(experiment, "fast_frees") == 7);
    level.fast_calls = 0; /* another build of the library */
    assert_true(level_member(experiment, "fast_p99_s") == -1);
    free(experiment);
}

static void set_nothing(struct pressure *pressure, uint64_t budget)
{
    (void)pressure, (void)budget;
}

static const struct pressure_latency *tell_none(const struct pressure *pressure)
{
    static const struct pressure_latency none;
    (void)pressure;
    return &none;
}

static void what_nobody_timed_is_not_as_long_as_a_step_of_the_clock(void **state)
{
    (void)state;
    static const struct pressure_mechanism mechanism = {.set = set_nothing, .latency = tell_none};
    struct experiment_lap level;
    struct experiment *experiment = make_measured(&level);
    experiment->pressure.mechanism = &mechanism;
    lap_begin(experiment, &level, MIB);
    lap_end(experiment, CURVE_HELD, true, "%s", "");
    assert_true(level.fast_calls == 0 && level.fast_p50 == 0 && level.fast_p99 == 0);
    assert_true(level.fast_frees == 0 && level.free_p50 == 0 && level.free_p99 == 0);
    free(experiment);
}

static void stalls_of_some_and_of_all_are_apart(void **state)
{
    (void)state;
    struct experiment_lap level = {
        .budget = 60 * MIB, .lasted = 10, .costed = 10, .stalls = {true, 2.5, 0.5}};
    struct experiment *experiment = make_measured(&level);
    expect_text(experiment, "STALLS          some 25.0 %, full 5.0 % of the time (its group,");
    assert_true(level_member(experiment, "stalls_some_s") == 2.5);
    assert_true(level_member(experiment, "stalls_full_s") == 0.5);
    level.stalls = (struct experiment_stalls){false, NAN, NAN};
    expect_text(experiment, "STALLS          the kernel does not tell");
    assert_true(level_member(experiment, "stalls_some_s") == -1);
    assert_true(level_member(experiment, "stalls_of") == -1);
    free(experiment);
}

static void what_is_injected_is_told_by_its_parts(void **state)
{
    (void)state;
    struct experiment_lap level = {.budget = 60 * MIB,
                                   .lasted = 10,
                                   .costed = 10,
                                   .is_injected_known = true,
                                   .injected = {1, 0.5, 0.2},
                                   .injected_p99 = 5e-3,
                                   .run_wait = 3,
                                   .minor_faults = 1234,
                                   .parts = {32 * MIB, 8 * MIB, MIB, 2 * MIB}};
    static char load[] = "load";
    static const struct plan service = {.arguments = built_program, .load = load};
    struct experiment *experiment = make_measured(&level);
    experiment->plan = &service;
    expect_text(experiment,
                "INJECTED        10.0 % of the time asleep, 5.0 % held, 2.0 % for packed "
                "memory;\n                p99 of a call 5.00 ms\n");
    expect_text(experiment, "1.00 MiB shared, 2.00 MiB\n                swapped\n");
    expect_text(experiment,
                "WAITING         for a processor 30.0 % of the time; 0.0 % without pressure "
                "(the\n                first threads of its processes, added up)\n");
    expect_text(experiment, "FAULTS          123 minor, 0 major a second; 0, 0 without");
    expect_80_columns(experiment);
    assert_true(level_member(experiment, "slept_s") == 1);
    assert_true(level_member(experiment, "held_s") == 0.5);
    assert_true(level_member(experiment, "fetched_s") == 0.2);
    assert_true(level_member(experiment, "resident_file") == 8 * MIB);
    assert_true(level_member(experiment, "swapped") == 2 * MIB);
    free(experiment);
}

/* 200 windows of 1 to 200 ms; of 30 no 99th percentile can be told, of 5 no 95th. */
static void quantiles_of_times_need_enough_of_them(void **state)
{
    (void)state;
    struct experiment_window window[200];
    struct experiment_lap level = {.budget = 60 * MIB, .windows = 200};
    struct experiment *experiment = make_measured(&level);
    for (unsigned i = 0; i < 200; i++)
        window[i] = (struct experiment_window){.service = (i + 1) * 1e-3};
    experiment->window = window;
    experiment->calibration = level;
    struct experiment_times times;
    lap_read_times(experiment, &level, &times);
    assert_true(!times.is_of_units && times.count == 200 && times.most == 0.2);
    assert_true(fabs(times.p50 - 0.1005) < 1e-9 && fabs(times.p95 - 0.19005) < 1e-9);
    assert_true(fabs(times.p99 - 0.19801) < 1e-9);
    expect_text(experiment,
                "60.0 MiB            200      100 ms      190 ms      198 ms      200 ms");
    level.windows = 30;
    lap_read_times(experiment, &level, &times);
    assert_true(isnan(times.p99) && !isnan(times.p95));
    level.windows = 5;
    lap_read_times(experiment, &level, &times);
    assert_true(isnan(times.p99) && isnan(times.p95) && times.most == 5e-3);
    free(experiment);
}

/* 99 that came at once, and one that took long. */
static void units_count_each_for_itself(void **state)
{
    (void)state;
    struct sample_weighted batch[] = {{0.001, 60}, {0.5, 1}, {0.002, 39}};
    struct experiment_lap level = {.budget = 60 * MIB, .batches = 3};
    struct experiment *experiment = make_measured(&level);
    struct experiment_times times;
    experiment->batch = batch;
    lap_read_times(experiment, &level, &times);
    assert_true(times.is_of_units && times.count == 100 && times.most == 0.5);
    assert_true(times.p50 == 0.001 && times.p95 == 0.002 && times.p99 == 0.002);
    batch[1].weight = 2;
    lap_read_times(experiment, &level, &times);
    assert_true(times.p99 == 0.5);
    free(experiment);
}

static void each_phase_is_marked_however_many_there_are(void **state)
{
    (void)state;
    struct experiment *experiment = built_experiment(&built_bracket);
    for (unsigned i = 0; i < 50; i++)
        watch_enter(experiment, i % 2 == 0 ? "breaking point" : "above it");
    watch_enter(experiment, "shifts");
    assert_int_equal(experiment->marks, 51);
    assert_string_equal(experiment->mark[0].phase, "breaking point");
    assert_string_equal(experiment->mark[50].phase, "shifts");
    experiment_fini(experiment);
    free(experiment);
}

/* -- the page --------------------------------------------------------------------------------- */

static char *make_page(const struct experiment *experiment)
{
    char path[] = "page.XXXXXX";
    close(mkstemp(path));
    assert_int_equal(output_html(experiment, path), 0);
    FILE *file = fopen(path, "re");
    char *text = calloc(1, 1 << 20);
    size_t length = fread(text, 1, (1 << 20) - 1, file);
    assert_true(length > 0 && length < (1 << 20) - 1);
    fclose(file);
    unlink(path);
    return text;
}

static const char *expect_in(const char *text, const char *wanted)
{
    const char *at = strstr(text, wanted);
    if (at == NULL)
        fail_msg("\"%s\" is not in:\n%s", wanted, text);
    return at;
}

static size_t count_in(const char *text, const char *end, const char *wanted)
{
    size_t count = 0;
    for (; (text = strstr(text, wanted)) != NULL && text < end; text++)
        count++;
    return count;
}

/* 30 s; in the second half there are no allocations. Nothing was done in the release. */
static void charts_have_phases_levels_and_allocations_on_one_axis(void **state)
{
    (void)state;
    static char program[] = "a <program>", *words[] = {program, NULL};
    static const struct plan named = {.arguments = words, .shape = {.name = "linear"}};
    struct experiment_window window = {.at = 5, .service = 1};
    struct experiment_lap level[2] = {{.budget = 60 * MIB, .began = 10, .windows = 1},
                                      {.budget = 50 * MIB, .began = 15, .windows = 1}};
    struct experiment_sample sample[300] = {{0}};
    struct experiment *experiment = make_measured(level);
    for (unsigned i = 0; i < 300; i++) {
        sample[i] = (struct experiment_sample){.at = 0.1 * i, .used = MIB};
        sample[i].slow_p99 = i < 150 ? 2e-5 : 0;
        sample[i].fast_p99 = i < 150 ? 3e-8 : 0;
    }
    experiment->plan = &named;
    experiment->levels = experiment->planned = 2;
    experiment->window = &window;
    experiment->sample = sample;
    experiment->samples = 300;
    experiment->total = 30;
    struct experiment_mark marks[4];
    experiment->mark = marks;
    experiment->mark[0] = (struct experiment_mark){0, "calibration"};
    experiment->mark[1] = (struct experiment_mark){10, "pressure"};
    experiment->mark[2] = (struct experiment_mark){25, "release"};
    experiment->mark[3] = (struct experiment_mark){25.001, "breaking point"};
    experiment->marks = 4;
    char *text = make_page(experiment);
    expect_in(text, "a &#60;program&#62;");
    const char *memory = expect_in(text, "Memory over time");
    const char *latency = expect_in(memory, "Allocation latency over time");
    const char *service = expect_in(latency, "Service time over time");
    const char *from[] = {memory, latency, service}, *to[] = {latency, service, text + (1 << 20)};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(count_in(from[i], to[i], "class=\"mark thin\""), 2);
        assert_int_equal(count_in(from[i], to[i], "class=\"mark\""), 3);
        assert_int_equal(count_in(from[i], to[i], ">pressure</text>"), 1);
        assert_int_equal(count_in(from[i], to[i], ">release</text>"), 0);
    }
    assert_in_range(count_in(latency, service, "class=\"dot k0\""), 148, 152);
    assert_int_equal(count_in(latency, service, "class=\"dot k2\""), 0); /* none was told */
    expect_in(latency, ">100 us</text>"); /* of the axis: 10 ns to 100 us */
    free(text);
    free(experiment);
}

static void the_page_has_each_level_with_its_costs(void **state)
{
    (void)state;
    static char program[] = "program", *words[] = {program, NULL};
    static const struct plan named = {.arguments = words, .shape = {.name = "linear"}};
    struct experiment_window window[100];
    struct experiment_lap level = {.budget = 60 * MIB,
                                   .windows = 100,
                                   .lasted = 10,
                                   .costed = 10,
                                   .run_wait = 3,
                                   .stalls = {true, 2, 1},
                                   .is_injected_known = true,
                                   .stalled = 4,
                                   .minor_faults = 12345,
                                   .parts = {.anon = 32 * MIB},
                                   .slow_p99 = 5e-6,
                                   .fast_p99 = 4e-8};
    struct experiment *experiment = make_measured(&level);
    for (unsigned i = 0; i < 100; i++)
        window[i] = (struct experiment_window){.service = (1 + i) * 1e-3};
    experiment->plan = &named;
    experiment->window = window;
    char *text = make_page(experiment);
    expect_in(text, "<tr><td>60.0 MiB</td><td>held</td><td>100</td><td>50.5 ms</td><td>95.0 ms</td>"
                    "<td>99.0 ms</td><td>100 ms</td><td>32.0 MiB</td><td>0 B</td>"
                    "<td>123</td><td>30 %</td><td>20 %</td><td>10 %</td><td>40 %</td>"
                    "<td>5.00 us</td><td>40 ns</td></tr>");
    free(text);
    free(experiment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_calls_are_told_as_far_as_the_clock_can_tell),
        cmocka_unit_test(what_nobody_timed_is_not_as_long_as_a_step_of_the_clock),
        cmocka_unit_test(stalls_of_some_and_of_all_are_apart),
        cmocka_unit_test(what_is_injected_is_told_by_its_parts),
        cmocka_unit_test(quantiles_of_times_need_enough_of_them),
        cmocka_unit_test(units_count_each_for_itself),
        cmocka_unit_test(each_phase_is_marked_however_many_there_are),
        cmocka_unit_test(charts_have_phases_levels_and_allocations_on_one_axis),
        cmocka_unit_test(the_page_has_each_level_with_its_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
