/* options.h - the command line of `mpress replay`. */
#ifndef MPRESS_TOOLS_REPLAY_OPTIONS_H
#define MPRESS_TOOLS_REPLAY_OPTIONS_H

#include <stdbool.h>

#include "tools/replay/program.h"

enum { OPTIONS_WITH_MOST = 32, OPTIONS_SCALES_MOST = 8, OPTIONS_RUNS_MOST = 1000 };

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

void options_init(struct options *options);

/* Those that say what is replayed and how, for --under too, the last one without a name; what takes
 * them, as cli_options.take; and whether they suit each other: CLI_GO_ON, or CLI_USAGE after a
 * line. */
struct option; /* getopt.h */
const struct option *options_of_source(void);
int options_take(void *options, int option);
int options_check(struct options *options);

/* CLI_GO_ON; else the exit status: help was printed, or a line of refusal. */
int options_parse(int argc, char **argv, struct options *options);

#endif
