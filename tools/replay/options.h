/* options.h - the command line of `mpress replay`. */
#ifndef MPRESS_TOOLS_REPLAY_OPTIONS_H
#define MPRESS_TOOLS_REPLAY_OPTIONS_H

#include <stdbool.h>

#include "tools/replay/program.h"

struct options {
    const char *trace;
    const char *with;    /* allocators, by commas */
    const char *profile; /* one more: mpress with this profile; NULL */
    unsigned runs;
    bool is_json;
    bool is_one_thread;
    bool is_verified;
    bool is_timed; /* with a run that measures latencies */
    bool is_quiet; /* no progress */
    enum program_touch touch;
};

/* CLI_GO_ON; else the exit status: help was printed, or a line of refusal. */
int options_parse(int argc, char **argv, struct options *options);

#endif
