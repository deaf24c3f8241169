/* test_scenario_output.c - what text and JSON say of a breaking point. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/scenario/output.h"

#define MIB 1048576.0

static char *no_program[] = {NULL};
static const struct pressure_mechanism mechanism = {
    .name = "none", .unit = "nothing", .enforces = "nothing"};
static const struct plan plan = {.arguments = no_program};

static struct experiment *make_experiment(const struct bisect *found)
{
    struct experiment *experiment = calloc(1, sizeof *experiment);
    assert_non_null(experiment);
    experiment->plan = &plan;
    experiment->pressure.mechanism = &mechanism;
    experiment->peak = 100 * MIB;
    experiment->total = 1;
    experiment->bisect = *found;
    experiment->has_searched = experiment->is_confirmed = true;
    return experiment;
}

static void expect_text(const struct experiment *experiment, const char *wanted)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    output_text(experiment, out);
    fclose(out);
    if (strstr(text, wanted) == NULL)
        fail_msg("\"%s\" is not in:\n%s", wanted, text);
    free(text);
}

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

static const struct bisect bracket = {
    .good = 52 * MIB, .bad = 51 * MIB, .probes = 5, .runs = 14, .kind = CURVE_KILLED};

static void a_bracket_is_what_broke_and_what_held(void **state)
{
    (void)state;
    struct experiment *experiment = make_experiment(&bracket);
    expect_text(experiment, "broken at 51.0 MiB, held at 52.0 MiB; 5 probes, 14 runs\n");
    assert_true(json_member(experiment, "broken_at") == 51 * MIB);
    assert_true(json_member(experiment, "held_at") == 52 * MIB);
    assert_true(json_member(experiment, "low") == 51 * MIB);
    assert_true(json_member(experiment, "high") == 52 * MIB);
    free(experiment);
}

/* No run was at either end of it. */
static void a_middle_is_no_observation(void **state)
{
    (void)state;
    struct bisect middle = bracket;
    middle.spread = 3 * MIB;
    struct experiment *experiment = make_experiment(&middle);
    expect_text(experiment, "half of the runs break between 51.0 MiB and 52.0 MiB\n"
                            "                (2 standard errors); 14 runs, whose needs spread by "
                            "3.00 MiB\n");
    assert_true(json_member(experiment, "broken_at") == -1);
    assert_true(json_member(experiment, "held_at") == -1);
    assert_true(json_member(experiment, "low") == 51 * MIB);
    assert_true(json_member(experiment, "high") == 52 * MIB);
    assert_true(json_member(experiment, "bytes") == 51.5 * MIB);
    free(experiment);
}

static void nothing_broke_at_no_budget(void **state)
{
    (void)state;
    struct experiment *experiment = make_experiment(&(struct bisect){.good = MIB, .probes = 3});
    expect_text(experiment, "BREAKING POINT  none down to ");
    assert_true(json_member(experiment, "broken_at") == -1);
    assert_true(json_member(experiment, "held_at") == MIB);
    assert_true(json_member(experiment, "low") == -1 && json_member(experiment, "high") == MIB);
    free(experiment);
}

static void time_that_was_short_is_told_from_time_that_was_over(void **state)
{
    (void)state;
    struct experiment *experiment = make_experiment(&bracket);
    experiment->is_confirmed = false;
    expect_text(experiment, "5 probes, 14 runs, not confirmed\n");
    assert_true(json_member(experiment, "confirmed") == 0);
    assert_true(json_member(experiment, "out_of_time") == 0);
    experiment->is_out_of_time = true;
    expect_text(experiment, "5 probes, 14 runs, out of time\n");
    free(experiment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bracket_is_what_broke_and_what_held),
        cmocka_unit_test(a_middle_is_no_observation),
        cmocka_unit_test(nothing_broke_at_no_budget),
        cmocka_unit_test(time_that_was_short_is_told_from_time_that_was_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
