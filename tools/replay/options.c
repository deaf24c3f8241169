/* options.c - see options.h */
#include "tools/replay/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"

enum { RUNS_DEFAULT = 3, RUNS_MOST = 1000 };

static const char help[] =
    "Usage: mpress replay [OPTION...] T.mpt      (or mpress-replay)\n"
    "\n"
    "Runs the allocations of a trace again, under one allocator after another, each\n"
    "run in a process of its own, and compares time and memory.\n"
    "\n"
    "  -w, --with LIST      mpress, glibc, mimalloc, jemalloc, tcmalloc, or paths of\n"
    "                       libraries, with commas between\n"
    "                       (default: mpress,glibc,mimalloc)\n"
    "  -p, --profile FILE   one more: mpress with a profile of `mpress tune`\n"
    "  -n, --runs N         runs of each, in turns; medians are shown (default: 3)\n"
    "  -t, --threads HOW    recorded: the threads of the trace (default);\n"
    "                       one: all in one thread, in the trace's global order\n"
    "      --touch WHAT     of each block: none, pages: a byte of every page\n"
    "                       (default), all\n"
    "      --verify         one more run of each that fills every block and checks\n"
    "                       it when it is freed or moved, its alignment, and that\n"
    "                       calloc's are zero\n"
    "      --no-latency     without the run that measures single calls\n"
    "  -j, --json           the results as JSON on stdout\n"
    "  -q, --quiet          no progress on the terminal\n"
    "\n"
    "time: from the first call to the last. p50...max: duration of single calls,\n"
    "from a run of its own in which each call is measured. RSS: resident memory\n"
    "above that of the process before its first call. frag: peak RSS / most bytes\n"
    "asked for - 1. Frees keep behind their allocations whatever thread they are in.\n"
    "In every run the bytes asked for at the recorded peak and along the way are\n"
    "compared with the trace; a difference is an error.\n"
    "\n"
    "Exit status: 0, 1 if the trace or a run failed, 2 for a wrong command line.\n";

enum long_option { OPTION_TOUCH = 256, OPTION_VERIFY, OPTION_NO_LATENCY };

static const struct option long_options[] = {
    {"with", required_argument, NULL, 'w'},
    {"profile", required_argument, NULL, 'p'},
    {"runs", required_argument, NULL, 'n'},
    {"threads", required_argument, NULL, 't'},
    {"touch", required_argument, NULL, OPTION_TOUCH},
    {"verify", no_argument, NULL, OPTION_VERIFY},
    {"no-latency", no_argument, NULL, OPTION_NO_LATENCY},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    CLI_HELP,
    {NULL, 0, NULL, 0},
};

static int parse_threads(const char *text, bool *is_one_thread)
{
    *is_one_thread = strcmp(text, "one") == 0;
    if (*is_one_thread || strcmp(text, "recorded") == 0)
        return CLI_GO_ON;
    return cli_refuse("replay", "--threads %s: recorded or one is wanted", text);
}

static int parse_touch(const char *text, enum program_touch *touch)
{
    static const char *const words[] = {"none", "pages", "all"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, words[i]) == 0) {
            *touch = (enum program_touch)i;
            return CLI_GO_ON;
        }
    }
    return cli_refuse("replay", "--touch %s: none, pages or all is wanted", text);
}

static int take_option(void *options_, int option)
{
    struct options *options = options_;
    switch (option) {
    case 'w':
        options->with = optarg;
        break;
    case 'p':
        options->profile = optarg;
        break;
    case 'n':
        return cli_read_number("replay", "--runs", RUNS_MOST, &options->runs);
    case 't':
        return parse_threads(optarg, &options->is_one_thread);
    case OPTION_TOUCH:
        return parse_touch(optarg, &options->touch);
    case OPTION_VERIFY:
        options->is_verified = true;
        break;
    case OPTION_NO_LATENCY:
        options->is_timed = false;
        break;
    case 'j':
        options->is_json = true;
        break;
    case 'q':
        options->is_quiet = true;
    }
    return CLI_GO_ON;
}

int options_parse(int argc, char **argv, struct options *options)
{
    const struct cli_options all = {"replay", help, ":w:p:n:t:jqh", long_options, take_option};
    *options = (struct options){.with = "mpress,glibc,mimalloc",
                                .runs = RUNS_DEFAULT,
                                .is_timed = true,
                                .touch = PROGRAM_TOUCH_PAGES};
    int status = cli_read_options(&all, argc, argv, options);
    if (status != CLI_GO_ON)
        return status;
    return cli_read_trace("replay", argc, argv, &options->trace);
}
