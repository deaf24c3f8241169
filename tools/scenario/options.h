/* options.h - the command line of an experiment, and files of scenarios. */
#ifndef MPRESS_TOOLS_SCENARIO_OPTIONS_H
#define MPRESS_TOOLS_SCENARIO_OPTIONS_H

#include <jansson.h>

#include "tools/scenario/plan.h"

enum { OPTIONS_PLANS = 64 };

struct options {
    struct plan plan[OPTIONS_PLANS]; /* one, or those of the file */
    size_t plans;
    bool is_list;
    json_t *file;                    /* what the plans' texts may point into; NULL */
    char **arguments[OPTIONS_PLANS]; /* of commands that the file names */
};

/* CLI_GO_ON; else the exit status. options_fini in any case. `is_of_trace`: a trace is replayed
 * under pressure (--under). */
int options_read(int argc, char **argv, bool is_of_trace, struct options *options);
void options_fini(struct options *options);

/* The file's scenarios, or the one called `name`; false: `why` says what is wrong. */
bool config_read(const char *path, const char *name, struct options *options,
                 char why[PLAN_WHY_BYTES]);

#endif
