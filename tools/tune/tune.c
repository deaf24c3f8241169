/* tune.c - the command line: reads, derives, writes, proves. */
#define _GNU_SOURCE /* strdup */
#include "tools/tune/tune.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/place.h"
#include "tools/replay/replay.h"

const char tune_help[] =
    "Usage: mpress tune [OPTION...] T.mpt\n"
    "\n"
    "Derives from a trace which size classes and magazines would suit the program,\n"
    "writes them as a profile, and tells what that saves.\n"
    "\n"
    "  -o, --output FILE    the profile (default: T.profile beside the trace); none\n"
    "                       is written when nothing would pay\n"
    "      --prove          replay the trace without and with the profile, and print\n"
    "                       what was measured beside what was predicted\n"
    "  -n, --runs N         runs of each for --prove, in turns (default: 5)\n"
    "      --no-color       no colour on a terminal (nor with NO_COLOR set)\n"
    "  -j, --json           everything as JSON (schema: tools/README.md)\n"
    "  -q, --quiet          no progress on the terminal\n"
    "\n"
    "The program then runs with\n"
    "  MPRESS_PROFILE=/path/T.profile LD_PRELOAD=libmpress.so ./app\n"
    "\n"
    "lost: bytes that rounding up to size classes takes. Exact classes are chosen so\n"
    "that the mean of two shares is least: bytes lost over bytes asked for, averaged\n"
    "over time, and summed over all requests; each class must save the 16 KiB slab\n"
    "that it binds. warm: rounds that a thread's magazines begin with.\n"
    "\n"
    "Exit status: 0, 1 when the trace cannot be read, the profile not be written, or\n"
    "a run of --prove failed; 2 for a wrong command line.\n";

struct request {
    const char *trace;
    const char *output; /* NULL: beside the trace */
    unsigned runs;
    bool json, prove, quiet, no_colour, classes;
};

enum { OPT_PROVE = 256, OPT_NO_COLOUR, OPT_CLASSES, RUNS_DEFAULT = 5, RUNS_MOST = 1000 };

/* -- the command line ------------------------------------------------------------------------- */

static const struct option long_options[] = {{"output", required_argument, NULL, 'o'},
                                             {"prove", no_argument, NULL, OPT_PROVE},
                                             {"runs", required_argument, NULL, 'n'},
                                             {"no-color", no_argument, NULL, OPT_NO_COLOUR},
                                             {"no-colour", no_argument, NULL, OPT_NO_COLOUR},
                                             {"json", no_argument, NULL, 'j'},
                                             {"quiet", no_argument, NULL, 'q'},
                                             {"classes", no_argument, NULL, OPT_CLASSES},
                                             {NULL, 0, NULL, 0}};

static int take_runs(struct request *request)
{
    uint64_t runs;
    if (!cli_parse_number(optarg, 1, RUNS_MOST, &runs))
        return cli_refuse("tune", "--runs %s: a number from 1 to %d", optarg, RUNS_MOST);
    request->runs = (unsigned)runs;
    return CLI_OK;
}

static int take_option(struct request *request, int option, char **argv)
{
    switch (option) {
    case 'o':
        request->output = optarg;
        return *optarg != '\0' ? CLI_OK : cli_refuse("tune", "--output: a file is wanted");
    case 'n':
        return take_runs(request);
    case 'j':
        request->json = true;
        return CLI_OK;
    case 'q':
        request->quiet = true;
        return CLI_OK;
    case OPT_PROVE:
        request->prove = true;
        return CLI_OK;
    case OPT_NO_COLOUR:
        request->no_colour = true;
        return CLI_OK;
    case OPT_CLASSES:
        request->classes = true;
        return CLI_OK;
    default:
        return cli_refuse_option("tune", option, argv);
    }
}

static int parse(int argc, char **argv, struct request *request)
{
    int got;
    opterr = 0;
    while ((got = getopt_long(argc, argv, ":o:n:jq", long_options, NULL)) != -1) {
        int status = take_option(request, got, argv);
        if (status != CLI_OK)
            return status;
    }
    if (request->classes)
        return CLI_OK;
    if (optind == argc)
        return cli_refuse("tune", "which trace? mpress tune T.mpt");
    if (optind + 1 < argc)
        return cli_refuse("tune", "%s: one trace at a time", argv[optind + 1]);
    request->trace = argv[optind];
    return CLI_OK;
}

/* -- the work --------------------------------------------------------------------------------- */

/* "app.mpt" -> "app.profile". */
static int name_profile(const struct request *request, char path[PLACE_BYTES])
{
    const char *from = request->output != NULL ? request->output : request->trace;
    size_t length = strlen(from);
    if (request->output == NULL && length > 4 && strcmp(from + length - 4, ".mpt") == 0)
        length -= 4;
    int written = snprintf(path, PLACE_BYTES, "%.*s%s", (int)length, from,
                           request->output == NULL ? ".profile" : "");
    if (written > 0 && written < PLACE_BYTES)
        return CLI_OK;
    cli_say("%s: the name is too long", from);
    return CLI_FAILED;
}

/* What is printed, and when: at the end, or behind the replay. */
struct outcome {
    const struct request *request;
    const struct tuning *tuning;
    const char *profile; /* NULL: none was written */
    struct page page;
};

static int print(const struct outcome *outcome, const struct table *table)
{
    int status = CLI_OK;
    if (outcome->request->json)
        status = tune_print_json(outcome->tuning, outcome->profile, table, stdout);
    else if (table != NULL)
        tune_print_proof(outcome->tuning, &outcome->page, table);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    cli_say("the results could not be written: %s", strerror(errno));
    return CLI_FAILED;
}

static int print_proof(const struct table *table, void *context)
{
    for (size_t i = 0; i < table->rows; i++) {
        if (table->row[i].error[0] != '\0') {
            cli_say("%s: %s", table->row[i].allocator->name, table->row[i].error);
            return CLI_FAILED;
        }
    }
    return print(context, table);
}

static int prove(const struct trace *trace, struct outcome *outcome)
{
    const struct options options = {.trace = outcome->request->trace,
                                    .profile = outcome->profile,
                                    .runs = outcome->request->runs,
                                    .is_quiet = outcome->request->quiet,
                                    .touch = PROGRAM_TOUCH_PAGES};
    struct allocators *allocators = calloc(1, sizeof *allocators);
    if (allocators == NULL)
        return CLI_FAILED;
    int status = allocators_parse("mpress", allocators);
    if (status == CLI_OK)
        status = allocators_add_profile(allocators, outcome->profile);
    if (status == CLI_OK)
        status = replay_trace(&options, trace, allocators, print_proof, outcome);
    free(allocators);
    return status;
}

static void print_end(const struct outcome *outcome)
{
    const struct page *page = &outcome->page;
    if (outcome->profile == NULL) {
        fputs("\nNothing of this would pay: no profile is written.\n", page->out);
        return;
    }
    fprintf(page->out, "\nwritten: %s\n", outcome->profile);
    if (!outcome->request->prove)
        fprintf(page->out, "mpress tune --prove %s   measures what it is worth\n",
                outcome->request->trace);
}

static int tune(const struct request *request, const struct trace *trace, struct tuning *tuning)
{
    char path[PLACE_BYTES];
    int status = name_profile(request, path);
    bool pays = tuning->exacts + tuning->warms > 0;
    if (status == CLI_OK && pays)
        status = tune_write(tuning, path, request->trace);
    if (status != CLI_OK)
        return status;
    struct outcome outcome = {.request = request, .tuning = tuning, .profile = pays ? path : NULL};
    page_init(&outcome.page, stdout, !request->no_colour);
    if (!request->json) {
        tune_print(tuning, &outcome.page, request->trace);
        print_end(&outcome);
    }
    return request->prove && pays ? prove(trace, &outcome) : print(&outcome, NULL);
}

static int tune_trace(const struct request *request, const struct trace *trace)
{
    static struct tuning tuning;
    struct progress progress;
    const char *line;
    for (size_t i = 0; (line = trace_warning(trace, i)) != NULL; i++)
        cli_say("%s", line);
    if (!ladder_read(&tuning.ladder))
        return CLI_FAILED;
    progress_init(&progress, !request->quiet, UINT64_C(300000000));
    tuning_make(&tuning, trace, &progress);
    int status = tune(request, trace, &tuning);
    tuning_fini(&tuning);
    return status;
}

int tune_main(int argc, char **argv)
{
    struct request request = {.runs = RUNS_DEFAULT};
    int status = parse(argc, argv, &request);
    if (status != CLI_OK)
        return status;
    if (request.classes)
        return ladder_print();
    struct trace_error error;
    struct trace *trace = trace_open(request.trace, &error);
    if (trace == NULL) {
        cli_say("%s", error.text);
        return CLI_FAILED;
    }
    status = tune_trace(&request, trace);
    trace_close(trace);
    return status;
}
