/* options.c - the command line of the sweep. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/sweep/sweep.h"

enum { TOP_DEFAULT = 10, MANY = 1000000 };

static const char help[] =
    "Usage: mpress-replay --fail-nth [OPTION...] [--] ./app args\n"
    "\n"
    "What does the program do when memory is refused? Each of its allocations fails\n"
    "once: the first of every call stack, those with a new caller before the others.\n"
    "Tells which runs crashed or hung, and where memory was refused then. Each is a\n"
    "fork of one run, made where the memory is asked for; where that could be felt\n"
    "outside the program, a run of its own.\n"
    "\n"
    "      --transient      that allocation alone fails\n"
    "      --persistent     all behind it fail too; neither option: once each\n"
    "      --every          every allocation, not the first of a call stack only\n"
    "      --repeats N      the first N of each call stack\n"
    "      --by HOW         auto; runs: a run of its own for each; forks: such as\n"
    "                       write, start and send what they like, for what bears that\n"
    "      --max-runs N     no more runs\n"
    "      --budget TIME    no new run after that: 30s, 5m (default: 5m)\n"
    "      --timeout TIME   a run that takes longer hangs (default: ten times the\n"
    "                       run without failure, and 5 s)\n"
    "      --state FILE     keeps the results there; begun again, goes on behind them\n"
    "      --top N          failures shown with their call stacks (default: 10)\n"
    "  -j, --json           all results as JSON on stdout\n"
    "  -q, --quiet          no progress on the terminal\n"
    "\n"
    "The program reads the same input in every run (none from a terminal), its\n"
    "output is compared, not shown. What it leaves in files stays: let it work on\n"
    "copies. Memory fails in the program itself, not in those it starts.\n"
    "\n"
    "Exit status: 0: no run crashed, aborted or hung; 1: some did; 2: wrong command\n"
    "line, or no room for traces; 3: the program cannot be run like this.\n";

enum long_option {
    OPTION_FAIL_NTH = 256,
    OPTION_TRANSIENT,
    OPTION_PERSISTENT,
    OPTION_EVERY,
    OPTION_REPEATS,
    OPTION_BY,
    OPTION_MAX_RUNS,
    OPTION_BUDGET,
    OPTION_TIMEOUT,
    OPTION_STATE,
    OPTION_TOP
};

static const struct option long_options[] = {
    {"fail-nth", no_argument, NULL, OPTION_FAIL_NTH},
    {"transient", no_argument, NULL, OPTION_TRANSIENT},
    {"persistent", no_argument, NULL, OPTION_PERSISTENT},
    {"every", no_argument, NULL, OPTION_EVERY},
    {"repeats", required_argument, NULL, OPTION_REPEATS},
    {"by", required_argument, NULL, OPTION_BY},
    {"max-runs", required_argument, NULL, OPTION_MAX_RUNS},
    {"budget", required_argument, NULL, OPTION_BUDGET},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"state", required_argument, NULL, OPTION_STATE},
    {"top", required_argument, NULL, OPTION_TOP},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    CLI_HELP,
    {NULL, 0, NULL, 0},
};

static int take_way(struct sweep_options *options)
{
    static const char *const names[] = {"auto", "runs", "forks"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(optarg, names[i]) == 0) {
            options->by = (enum sweep_by)i;
            return CLI_GO_ON;
        }
    }
    return cli_refuse("replay", "--by %s: auto, runs, or forks", optarg);
}

static int take_value(struct sweep_options *options, int option)
{
    switch (option) {
    case OPTION_MAX_RUNS:
        return cli_read_number("replay", "--max-runs", MANY, &options->runs_most);
    case OPTION_REPEATS:
        return cli_read_number("replay", "--repeats", MANY, &options->repeats);
    case OPTION_BY:
        return take_way(options);
    case OPTION_TOP:
        return cli_read_number("replay", "--top", MANY, &options->top);
    case OPTION_BUDGET:
        return cli_read_time("replay", "--budget", &options->budget_ns);
    case OPTION_TIMEOUT:
        return cli_read_time("replay", "--timeout", &options->timeout_ns);
    default:
        options->state = optarg;
        return CLI_GO_ON;
    }
}

static int take_option(void *options_, int option)
{
    struct sweep_options *options = options_;
    switch (option) {
    case OPTION_FAIL_NTH:
        break;
    case OPTION_TRANSIENT:
        options->modes[SWEEP_TRANSIENT] = true;
        break;
    case OPTION_PERSISTENT:
        options->modes[SWEEP_PERSISTENT] = true;
        break;
    case OPTION_EVERY:
        options->repeats = UINT_MAX;
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

int sweep_parse(int argc, char **argv, struct sweep_options *options)
{
    const struct cli_options all = {"replay", help, "+:jqh", long_options, take_option};
    *options = (struct sweep_options){
        .repeats = 1, .top = TOP_DEFAULT, .budget_ns = UINT64_C(300000000000)};
    int status = cli_read_options(&all, argc, argv, options);
    if (status != CLI_GO_ON)
        return status;
    options->arguments = argv + optind;
    if (optind == argc)
        return cli_refuse("replay", "which program? mpress-replay --fail-nth -- ./app args");
    if (!options->modes[SWEEP_TRANSIENT] && !options->modes[SWEEP_PERSISTENT])
        options->modes[SWEEP_TRANSIENT] = options->modes[SWEEP_PERSISTENT] = true;
    return CLI_GO_ON;
}
