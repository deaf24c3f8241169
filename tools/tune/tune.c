/* tune.c - the command line: reads, derives, writes, proves. */
#define _GNU_SOURCE /* strdup */
#include "tools/tune/tune.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/place.h"
#include "tools/replay/replay.h"

static const char help[] =
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
                                             CLI_HELP,
                                             {NULL, 0, NULL, 0}};

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    switch (option) {
    case 'o':
        request->output = optarg;
        return *optarg != '\0' ? CLI_GO_ON : cli_refuse("tune", "--output: a file is wanted");
    case 'n':
        return cli_read_number("tune", "--runs", RUNS_MOST, &request->runs);
    case 'j':
        request->json = true;
        break;
    case 'q':
        request->quiet = true;
        break;
    case OPT_PROVE:
        request->prove = true;
        break;
    case OPT_NO_COLOUR:
        request->no_colour = true;
        break;
    case OPT_CLASSES:
        request->classes = true;
    }
    return CLI_GO_ON;
}

static int parse(int argc, char **argv, struct request *request)
{
    const struct cli_options options = {"tune", help, ":o:n:jqh", long_options, take_option};
    int status = cli_read_options(&options, argc, argv, request);
    if (status != CLI_GO_ON || request->classes)
        return status;
    return cli_read_trace("tune", argc, argv, &request->trace);
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
        status = tune_print_json(outcome->tuning, outcome->profile, table);
    else if (table != NULL)
        tune_print_proof(outcome->tuning, &outcome->page, table);
    return cli_finish(status);
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
                                    .copies = 1,
                                    .rounds = 1,
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
    allocators_fini(allocators);
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
        page_command(page, 0, "mpress tune --prove", outcome->request->trace,
                     "measures what it is worth");
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
    if (status != CLI_GO_ON)
        return status;
    if (request.classes)
        return ladder_print();
    struct trace *trace = cli_open_whole_trace(request.trace);
    if (trace == NULL)
        return CLI_FAILED;
    status = tune_trace(&request, trace);
    trace_close(trace);
    return status;
}
