/* output.h - an experiment as a table, as JSON, as a page. */
#ifndef MPRESS_TOOLS_SCENARIO_OUTPUT_H
#define MPRESS_TOOLS_SCENARIO_OUTPUT_H

#include <jansson.h>
#include <stdio.h>

#include "tools/scenario/experiment.h"

void output_text(const struct experiment *experiment, FILE *out);
json_t *output_json(const struct experiment *experiment);
int output_html(const struct experiment *experiment, const char *path); /* 0 or an errno value */

/* What the verdict is in one word: "passed", "failed", "no verdict". */
const char *output_verdict_word(const struct verdict *verdict);
/* A criterion's value or bound as people write it. */
struct output_value {
    char at[48];
};
struct output_value output_share(double share); /* "-" for NAN */
struct output_value output_value(enum verdict_row row, double value);

#endif
