/* options.h - the command line of an experiment, and files of scenarios. */
#ifndef MPRESS_TOOLS_SCENARIO_OPTIONS_H
#define MPRESS_TOOLS_SCENARIO_OPTIONS_H

#include <jansson.h>

#include "tools/scenario/plan.h"

enum { OPTIONS_PLANS = 64 };

struct scenario_options {
    struct plan plan[OPTIONS_PLANS]; /* one, or those of the file */
    size_t plans;
    bool is_list;
    json_t *file;                    /* what the plans' texts may point into; NULL */
    char **arguments[OPTIONS_PLANS]; /* of commands that the file names */
};

/* What only a replay under pressure has (--under): options that say what is replayed, and how. */
struct option; /* getopt.h */
struct options_of_replay {
    const struct option *names;                    /* the last one without a name */
    const char *letters;                           /* of these, for getopt_long */
    int (*take)(void *context, int option);        /* as cli_options.take */
    const char *(*find_made)(const void *context); /* what is replayed, if it is no trace; NULL */
    void *context;
};

/* CLI_GO_ON; else the exit status. options_fini in any case. `replay`: of a replay under
 * pressure; NULL: of a program. */
int options_read(int argc, char **argv, const struct options_of_replay *replay,
                 struct scenario_options *options);
void options_fini(struct scenario_options *options);

/* The file's scenarios, or the one called `name`; false: `why` says what is wrong. */
bool config_read(const char *path, const char *name, struct scenario_options *options,
                 char why[PLAN_WHY_BYTES]);

#endif
