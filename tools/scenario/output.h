/* output.h - an experiment as a table, as JSON, as a page. */
#ifndef MPRESS_TOOLS_SCENARIO_OUTPUT_H
#define MPRESS_TOOLS_SCENARIO_OUTPUT_H

#include <jansson.h>
#include <stdio.h>

#include "tools/scenario/experiment.h"
#include "tools/units.h"

void output_text(const struct experiment *experiment, FILE *out);
/* The part of it that is about the program itself, not about the verdict. */
void output_own(const struct experiment *experiment, FILE *out);
json_t *output_json(const struct experiment *experiment);
void output_timelines(const struct experiment *experiment, FILE *out);  /* charts of a page */
int output_html(const struct experiment *experiment, const char *path); /* 0 or an errno value */

/* What the verdict is in one word: "passed", "failed", "no verdict". */
const char *output_verdict_word(const struct verdict *verdict);
/* The same with how many criteria were measured, where not all were. */
struct output_verdict {
    char at[96];
};
struct output_verdict output_verdict(const struct verdict *verdict);
/* What is to be known of a verdict that was not reached, a line each; to `out`. */
void output_verdict_reasons(const struct experiment *experiment, FILE *out);
/* A criterion's value or bound as people write it. */
struct output_value {
    char at[48];
};
struct output_value output_share(double share); /* "-" for NAN */
struct output_value output_value(enum verdict_row row, double value);

/* In lines of 80 columns; `used` of the first are taken, `indent` of the others. */
void output_wrapped(const char *text, size_t used, size_t indent, FILE *out);

struct units output_time(double seconds); /* "-" for NAN */
struct units output_bytes(double bytes);
/* What a window has: a time, or a number that only the user knows the unit of. */
struct units output_service(const struct experiment *experiment, double value);
double output_median(const struct experiment *experiment, const struct experiment_lap *lap);
/* That to the baseline's. */
double output_factor(const struct experiment *experiment, const struct experiment_lap *lap);
/* How many of each run, or a second of a service, as far as costs were counted. */
struct units output_rate(const struct experiment *experiment, const struct experiment_lap *lap,
                         uint64_t count);
/* What times are of, in the plural: "units", "runs", "loads", "windows". */
const char *output_times_of(const struct experiment *experiment,
                            const struct experiment_times *times);
/* The lowest level held; NULL: none was. */
const struct experiment_lap *output_lowest(const struct experiment *experiment);

#endif
