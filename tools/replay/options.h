/* options.h - the command line of `mpress replay`. */
#ifndef MPRESS_TOOLS_REPLAY_OPTIONS_H
#define MPRESS_TOOLS_REPLAY_OPTIONS_H

#include <stdbool.h>

#include "tools/replay/program.h"

enum { OPTIONS_WITH_MOST = 32, OPTIONS_SCALES_MOST = 8 };

struct options {
    const char *trace;                   /* NULL: a workload */
    const char *with[OPTIONS_WITH_MOST]; /* lists of allocators, as allocators_parse takes them */
    unsigned withs;
    const char *profile; /* one more: mpress with this profile; NULL */
    unsigned workload;   /* its kind, if there is no trace */
    unsigned workload_threads;
    uint64_t scale[OPTIONS_SCALES_MOST]; /* objects of the workload, ascending */
    unsigned scales;
    unsigned runs;
    unsigned copies;
    unsigned rounds;
    double speed; /* 0: as fast as it goes; 1: as recorded */
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
