/* test_forecast_series.c - what the forecaster makes of recorded programs, and how it is scored. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/forecast/forecast.h"

static const char *const recorded[] = {
    "awk_fill",        "gcc_builds",  "git_repack",       "java_start",        "json_batches",
    "lua_fill",        "node_leak",   "node_requests",    "perl_fill",         "pgbench",
    "python_cache",    "python_leak", "python_leak_late", "python_leak_noisy", "redis_fill",
    "redis_overwrite", "redis_lru",   "sqlite_fill"};
enum { RECORDED = sizeof recorded / sizeof recorded[0] };

static void read_one(const char *name, struct series_list *list)
{
    char path[512];
    snprintf(path, sizeof(path), SERIES_FOLDER "/%s.csv.gz", name);
    assert_int_equal(series_read(path, NULL, list), -1 /* CLI_GO_ON */);
}

/* The series of these classes, and one in `part` of the pods. */
static void read_classes(struct forecast_request *request, const char *classes, size_t part)
{
    struct series_list all = {0};
    for (size_t i = 0; i < RECORDED; i++)
        read_one(recorded[i], &all);
    if (part > 0)
        read_one("pods", &all);
    size_t pods = 0, kept = 0;
    for (size_t i = 0; i < all.count; i++) {
        bool is_pod = strcmp(all.series[i].class, "pods") == 0;
        bool is_wanted =
            strstr(classes, all.series[i].class) != NULL && (!is_pod || pods++ % part == 0);
        if (is_wanted)
            all.series[kept++] = all.series[i];
        else
            free(all.series[i].used);
    }
    all.count = kept;
    *request = (struct forecast_request){.list = all, .thresholds = {70, 80, 90, 95}};
}

static void print_score(const char *classes, unsigned rule, const struct score *score)
{
    print_message("%s, %s: %lu events, precision %.2f, recall %.2f, F1 %.2f, lead %.0f, false "
                  "%.2f, errors %.2f %.2f %.2f, within %.2f, Brier %.3f\n",
                  classes, score_name(rule), score->events, score_precision(score),
                  score_recall(score), score_f1(score), score_lead(score, 0.5),
                  score_false_per_1000(score), score_mean_error(score, 0),
                  score_mean_error(score, 1), score_mean_error(score, 2), score_within(score, 1),
                  score_brier(score));
}

static void measure(const char *classes, size_t part, unsigned rule, struct score *score)
{
    struct forecast_request request;
    read_classes(&request, classes, part);
    *score = (struct score){0};
    forecast_score(&request, rule, score);
    print_score(classes, rule, score);
    series_free(&request.list);
}

static void where_memory_trends_warnings_are_right_and_come_in_time(void **state)
{
    (void)state;
    struct score score;
    measure("trend", 0, FORECAST_DEFAULT, &score);
    assert_true(score.events >= 30);
    assert_true(score_precision(&score) >= 0.9);
    assert_true(score_recall(&score) >= 0.8);
    assert_true(score_lead(&score, 0.5) >= 30);
    assert_true(score_within(&score, 1) >= 0.85);
}

static void on_plateaus_and_jumps_they_are_no_worse_than_the_level(void **state)
{
    (void)state;
    static const char *const classes[] = {"plateau", "jump", "pods"};
    struct score score, level, still;
    for (unsigned class = 0; class < 3; class ++) {
        measure(classes[class], 8, FORECAST_DEFAULT, &score);
        measure(classes[class], 8, SCORE_LEVEL, &level);
        measure(classes[class], 8, FORECAST_PERSISTENCE, &still);
        assert_true(score_f1(&score) >= score_f1(&level));
        assert_true(score_false_per_1000(&score) <= 0.35);
        for (unsigned i = 0; i < FORECAST_HORIZONS; i++)
            assert_true(score_mean_error(&score, i) <= 1.1 * score_mean_error(&still, i));
    }
}

/* -- the score itself ------------------------------------------------------------------------- */

static void score_course(struct score *score, double *used, size_t count, unsigned rule)
{
    const double thresholds[FORECAST_THRESHOLDS] = {90, 1000, 1001, 1002};
    const struct series series = {.tick_s = 1, .count = count, .used = used};
    *score = (struct score){0};
    score_series(score, &series, rule, thresholds, 1000000);
}

static void a_warning_that_stands_before_a_crossing_foresees_it(void **state)
{
    (void)state;
    static double used[400];
    struct score score;
    for (size_t i = 0; i < 400; i++)
        used[i] = i < 100 ? 100000 : i < 120 ? 890000 : i < 200 ? 950000 : 100000;
    score_course(&score, used, 400, SCORE_LEVEL);
    assert_int_equal(score.events, 1);
    assert_int_equal(score.foreseen, 1);
    assert_int_equal(score.right, 1);
    assert_int_equal(score.wrong, 0);
    assert_true(score_lead(&score, 0.5) == 18); /* the third tick there */
    assert_true(score_f1(&score) == 1);
}

static void a_warning_that_nothing_follows_is_false(void **state)
{
    (void)state;
    static double used[400];
    struct score score;
    for (size_t i = 0; i < 400; i++)
        used[i] = i >= 100 && i < 120 ? 890000 : 100000;
    score_course(&score, used, 400, SCORE_LEVEL);
    assert_int_equal(score.events, 0);
    assert_int_equal(score.wrong, 1);
    assert_true(score_precision(&score) == 0);
    assert_true(isnan(score_recall(&score)));
}

static void a_warning_that_comes_true_where_no_event_can_be_is_not_false(void **state)
{
    (void)state;
    static double used[400];
    struct score score;
    for (size_t i = 0; i < 400; i++) /* not below the threshold for 30 ticks */
        used[i] = i < 10 ? 100000 : i < 15 ? 890000 : i < 25 ? 100000 : 950000;
    score_course(&score, used, 400, SCORE_LEVEL);
    assert_int_equal(score.events, 0);
    assert_int_equal(score.wrong + score.right, 0);
    assert_int_equal(score.late, 1);
    assert_int_equal(score.eventless, 1); /* but strictly it is */
    assert_true(score_false_strictly_per_1000(&score) > score_false_per_1000(&score));
}

static void a_jump_is_missed_and_its_warning_late(void **state)
{
    (void)state;
    static double used[400];
    struct score score;
    for (size_t i = 0; i < 400; i++)
        used[i] = i < 100 ? 100000 : 950000;
    score_course(&score, used, 400, SCORE_LEVEL);
    assert_int_equal(score.events, 1);
    assert_int_equal(score.foreseen, 0);
    assert_int_equal(score.late, 1);
    assert_int_equal(score.right + score.wrong, 0);
}

static void errors_of_persistence_on_a_ramp_are_what_it_grows(void **state)
{
    (void)state;
    static double used[300];
    struct score score;
    for (size_t i = 0; i < 300; i++)
        used[i] = (double)i * 1000; /* 0.1 points */
    score_course(&score, used, 300, FORECAST_PERSISTENCE);
    assert_true(fabs(score_mean_error(&score, 0) - 3) < 0.001);
    assert_true(fabs(score_mean_error(&score, 1) - 6) < 0.001);
    assert_true(score_within(&score, 1) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_memory_trends_warnings_are_right_and_come_in_time),
        cmocka_unit_test(on_plateaus_and_jumps_they_are_no_worse_than_the_level),
        cmocka_unit_test(a_warning_that_stands_before_a_crossing_foresees_it),
        cmocka_unit_test(a_warning_that_nothing_follows_is_false),
        cmocka_unit_test(a_warning_that_comes_true_where_no_event_can_be_is_not_false),
        cmocka_unit_test(a_jump_is_missed_and_its_warning_late),
        cmocka_unit_test(errors_of_persistence_on_a_ramp_are_what_it_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
