/* scenario_built.h - an experiment as if it had been done, and what is said of it. Included behind
 * cmocka.h. */
#ifndef MPRESS_TESTS_UNIT_SCENARIO_BUILT_H
#define MPRESS_TESTS_UNIT_SCENARIO_BUILT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/scenario/output.h"

#define MIB 1048576.0

static char *built_program[] = {NULL};
static const struct pressure_mechanism built_mechanism = {
    .name = "none", .unit = "nothing", .enforces = "nothing"};
static const struct plan built_plan = {.arguments = built_program};

static inline struct experiment *built_experiment(const struct bisect *found)
{
    struct experiment *experiment = calloc(1, sizeof *experiment);
    assert_non_null(experiment);
    experiment->plan = &built_plan;
    experiment->pressure.mechanism = &built_mechanism;
    experiment->peak = 100 * MIB;
    experiment->total = 1;
    experiment->bisect = *found;
    experiment->has_searched = experiment->is_confirmed = true;
    return experiment;
}

/* For free. */
static inline char *built_text(const struct experiment *experiment)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    output_text(experiment, out);
    fclose(out);
    return text;
}

static inline void expect_text(const struct experiment *experiment, const char *wanted)
{
    char *text = built_text(experiment);
    if (strstr(text, wanted) == NULL)
        fail_msg("\"%s\" is not in:\n%s", wanted, text);
    free(text);
}

static const struct bisect built_bracket = {
    .good = 52 * MIB,
    .bad = 51 * MIB,
    .probes = 5,
    .runs = 14,
    .kind = CURVE_KILLED,
    .figures = {.middle = 51.5 * MIB, .low = 50.8 * MIB, .high = 52.2 * MIB, .spread = 3 * MIB}};

static inline void expect_80_columns(const struct experiment *experiment)
{
    char *text = built_text(experiment);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strlen(line) > 80)
            fail_msg("%zu columns: %s", strlen(line), line);
    }
    free(text);
}

#endif
