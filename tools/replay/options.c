/* options.c - see options.h */
#include "tools/replay/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/replay/workload.h"

enum { RUNS_DEFAULT = 3, COPIES_MOST = 64 };

static const char help[] =
    "Usage: mpress replay [OPTION...] T.mpt                    (or mpress-replay)\n"
    "       mpress replay [OPTION...] --workload NAME [--scale N,...]\n"
    "       mpress replay --fail-nth [OPTION...] -- ./app args\n"
    "                      what it does when memory is refused; help: --fail-nth -h\n"
    "       mpress replay T.mpt --under linear [--with NAME] [OPTION...]\n"
    "                      with ever less memory; help: --under linear -h\n"
    "\n"
    "Runs the allocations of a trace again, under one allocator after another, each\n"
    "run in a process of its own, and compares time and memory. Without a trace: a\n"
    "workload that is made up.\n"
    "\n"
    "  -w, --with LIST      mpress, glibc, mimalloc, jemalloc, tcmalloc, or paths of\n"
    "                       libraries, with commas between\n"
    "                       (default: mpress,glibc,mimalloc);\n"
    "                       behind the last :VARIABLE=value:..., its environment;\n"
    "                       none: calls that do nothing. May be given several times\n"
    "  -p, --profile FILE   one more: mpress with a profile of `mpress tune`\n"
    "  -n, --runs N         runs of each, in turns; medians are shown (default: 3)\n"
    "  -t, --threads HOW    real: the threads of the trace (default); fold: all in\n"
    "                       one thread, in the trace's global order. Of a workload:\n"
    "                       1 to 8\n"
    "  -s, --speed HOW      max: as fast as it goes (default); real: at the times of\n"
    "                       the recording; a number: so many times as fast\n"
    "      --copies N       so many copies of the trace side by side in one process\n"
    "      --repeat N       so many times one after another in one process; what is\n"
    "                       left of each is freed behind it\n"
    "      --touch WHAT     of each block: none, first: its first byte, pages: a byte\n"
    "                       of every page (default), all\n"
    "      --verify         one more run of each that fills every block and checks\n"
    "                       it when it is freed, moved or left over, its alignment,\n"
    "                       and that calloc's are zero\n"
    "      --no-latency     without the run that measures single calls\n"
    "  -j, --json           the results as JSON on stdout\n"
    "  -q, --quiet          no progress on the terminal\n"
    "\n"
    "      --workload NAME  kv, btree, json, queue, fragment or txn\n"
    "      --scale N,...    blocks that are alive in it: 10K, 100K, 1M, 10M ...\n"
    "                       (default: 10K,100K,1M); several: bytes per block, too\n"
    "\n"
    "time: from the first call to the last. mean...max: duration of single calls,\n"
    "from a run of its own in which each call is measured. RSS: resident memory\n"
    "above that of the process before its first call. frag: peak RSS / most bytes\n"
    "asked for - 1. Frees keep behind their allocations whatever thread they are in.\n"
    "In every run the bytes asked for at the recorded peak and along the way are\n"
    "compared with the trace; a difference is an error.\n"
    "\n"
    "Exit status: 0, 1 if the trace or a run failed, 2 for a wrong command line.\n";

enum long_option {
    OPTION_TOUCH = 256,
    OPTION_VERIFY,
    OPTION_NO_LATENCY,
    OPTION_COPIES,
    OPTION_REPEAT,
    OPTION_WORKLOAD,
    OPTION_SCALE
};

/* clang-format off */
#define OF_SOURCE                                      \
    {"threads", required_argument, NULL, 't'},         \
    {"speed", required_argument, NULL, 's'},           \
    {"copies", required_argument, NULL, OPTION_COPIES}, \
    {"repeat", required_argument, NULL, OPTION_REPEAT}, \
    {"touch", required_argument, NULL, OPTION_TOUCH},   \
    {"workload", required_argument, NULL, OPTION_WORKLOAD}, \
    {"scale", required_argument, NULL, OPTION_SCALE}
/* clang-format on */

const struct option *options_of_source(void)
{
    static const struct option options[] = {OF_SOURCE, {NULL, 0, NULL, 0}};
    return options;
}

static const struct option long_options[] = {
    OF_SOURCE,
    {"with", required_argument, NULL, 'w'},
    {"profile", required_argument, NULL, 'p'},
    {"runs", required_argument, NULL, 'n'},
    {"verify", no_argument, NULL, OPTION_VERIFY},
    {"no-latency", no_argument, NULL, OPTION_NO_LATENCY},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    CLI_HELP,
    {NULL, 0, NULL, 0},
};

static int parse_threads(const char *text, struct options *options)
{
    uint64_t number;
    options->is_one_thread = strcmp(text, "fold") == 0;
    options->workload_threads = 0;
    if (options->is_one_thread || strcmp(text, "real") == 0)
        return CLI_GO_ON;
    if (!cli_parse_number(text, 1, WORKLOAD_THREADS_MOST, &number))
        return cli_refuse("replay", "--threads %s: real, fold, or 1 to %d is wanted", text,
                          WORKLOAD_THREADS_MOST);
    options->workload_threads = (unsigned)number;
    return CLI_GO_ON;
}

static int parse_touch(const char *text, enum program_touch *touch)
{
    static const char *const words[] = {"none", "first", "pages", "all"};
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(text, words[i]) == 0) {
            *touch = (enum program_touch)i;
            return CLI_GO_ON;
        }
    }
    return cli_refuse("replay", "--touch %s: none, first, pages or all is wanted", text);
}

static int parse_speed(const char *text, double *speed)
{
    char *end;
    *speed = strcmp(text, "real") == 0 ? 1 : 0;
    if (*speed > 0 || strcmp(text, "max") == 0)
        return CLI_GO_ON;
    *speed = strtod(text, &end);
    if (end == text || *end != '\0' || !(*speed >= 1e-3 && *speed <= 1e6))
        return cli_refuse("replay", "--speed %s: max, real, or a number is wanted", text);
    return CLI_GO_ON;
}

/* "10K", "2M", "12345"; behind it a comma or the end. False: it is none. */
static bool parse_scale(const char **at, uint64_t *objects)
{
    char *end;
    unsigned long long number = strtoull(*at, &end, 10);
    uint64_t unit = 1;
    if (end == *at || **at == '-' || number > UINT32_MAX)
        return false;
    if (*end == 'K' || *end == 'k')
        unit = 1000;
    else if (*end == 'M' || *end == 'm')
        unit = 1000000;
    end += unit > 1;
    *objects = number * unit;
    *at = end;
    return (*end == '\0' || *end == ',') && *objects >= 100 && *objects <= 100000000;
}

static int parse_scales(const char *text, struct options *options)
{
    options->scales = 0;
    for (const char *at = text;; at++) {
        uint64_t *scale = &options->scale[options->scales];
        bool is_good = options->scales < OPTIONS_SCALES_MOST && parse_scale(&at, scale);
        if (!is_good || (options->scales > 0 && scale[0] <= scale[-1]))
            return cli_refuse(
                "replay", "--scale %s: at most %d ascending numbers from 100 to 100M are wanted",
                text, OPTIONS_SCALES_MOST);
        options->scales++;
        if (*at == '\0')
            return CLI_GO_ON;
    }
}

static int parse_workload(const char *text, unsigned *kind)
{
    *kind = workload_find(text);
    if (*kind < WORKLOAD_KINDS)
        return CLI_GO_ON;
    return cli_refuse("replay", "--workload %s: kv, btree, json, queue, fragment or txn is wanted",
                      text);
}

static int add_with(struct options *options, const char *list)
{
    if (options->withs == OPTIONS_WITH_MOST)
        return cli_refuse("replay", "--with: no more than %d at a time", OPTIONS_WITH_MOST);
    options->with[options->withs++] = list;
    return CLI_GO_ON;
}

/* Those that take a value of their own kind. */
static int take_value(struct options *options, int option)
{
    switch (option) {
    case 'w':
        return add_with(options, optarg);
    case 'n':
        return cli_read_number("replay", "--runs", OPTIONS_RUNS_MOST, &options->runs);
    case 't':
        return parse_threads(optarg, options);
    case 's':
        return parse_speed(optarg, &options->speed);
    case OPTION_COPIES:
        return cli_read_number("replay", "--copies", COPIES_MOST, &options->copies);
    case OPTION_REPEAT:
        return cli_read_number("replay", "--repeat", OPTIONS_RUNS_MOST, &options->rounds);
    case OPTION_TOUCH:
        return parse_touch(optarg, &options->touch);
    case OPTION_WORKLOAD:
        return parse_workload(optarg, &options->workload);
    default:
        return parse_scales(optarg, options);
    }
}

int options_take(void *options_, int option)
{
    struct options *options = options_;
    switch (option) {
    case 'p':
        options->profile = optarg;
        break;
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
        break;
    default:
        return take_value(options, option);
    }
    return CLI_GO_ON;
}

int options_check(struct options *options)
{
    bool is_workload = options->workload < WORKLOAD_KINDS;
    if (is_workload && options->speed > 0)
        return cli_refuse("replay", "--speed: a workload was never recorded, it has no times");
    if (!is_workload && options->scales != 0)
        return cli_refuse("replay", "--scale: that of a workload (--workload)");
    if (!is_workload && options->workload_threads != 0)
        return cli_refuse("replay", "--threads: for a trace real or fold is wanted");
    if (is_workload && options->workload_threads == 0)
        options->workload_threads = 1;
    return CLI_GO_ON;
}

static int check_operands(struct options *options, int argc, char **argv)
{
    if (options->workload == WORKLOAD_KINDS)
        return cli_read_trace("replay", argc, argv, &options->trace);
    if (optind < argc)
        return cli_refuse("replay", "%s: a trace or a workload, not both", argv[optind]);
    return options->scales == 0 ? parse_scales("10K,100K,1M", options) : CLI_GO_ON;
}

void options_init(struct options *options)
{
    *options = (struct options){.workload = WORKLOAD_KINDS,
                                .runs = RUNS_DEFAULT,
                                .copies = 1,
                                .rounds = 1,
                                .is_timed = true,
                                .touch = PROGRAM_TOUCH_PAGES};
}

int options_parse(int argc, char **argv, struct options *options)
{
    const struct cli_options all = {"replay", help, ":w:p:n:t:s:jqh", long_options, options_take};
    options_init(options);
    int status = cli_read_options(&all, argc, argv, options);
    if (status == CLI_GO_ON)
        status = options_check(options);
    if (status != CLI_GO_ON)
        return status;
    if (options->withs == 0)
        options->with[options->withs++] = "mpress,glibc,mimalloc";
    return check_operands(options, argc, argv);
}
