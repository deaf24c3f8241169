/* propose.c - the command line: finds bursts, replays, prints. */
#include "tools/propose/propose.h"

#include <getopt.h>

#include "tools/cli.h"
#include "tools/progress.h"

static const char help[] =
    "Usage: mpress propose [OPTION...] T.mpt\n"
    "\n"
    "Where transactions (mpress_txn.h) would pay: functions under which blocks are\n"
    "born and die together, again and again. For each the trace is replayed as it is\n"
    "and with these blocks in transactions, in turns; what does not save 3 % of the\n"
    "time that allocation takes, and surely, is not proposed.\n"
    "\n"
    "      --top N          at most so many (default 3, at most 8)\n"
    "  -n, --runs N         pairs of replays; their median counts (default 9)\n"
    "      --no-replay      find only, measure nothing\n"
    "      --no-color       no colour on a terminal (nor with NO_COLOR set)\n"
    "  -j, --json           everything as JSON (schema: tools/README.md)\n"
    "  -q, --quiet          no progress on the terminal\n"
    "\n"
    "The trace must have call stacks and all events. A burst is a pile of blocks, 8\n"
    "or more, of one thread: half of them or more end without an allocation between.\n"
    "At least 20 such, at most 5 % of the blocks live longer, 80 % of all that is\n"
    "allocated under the function is in bursts, and 2 % of the program's.\n"
    "\n"
    "Exit status: 0, 1 when the trace cannot be read, 2 for a wrong command line.\n";

struct request {
    const char *trace;
    unsigned top, runs;
    bool json, quiet, no_colour, no_replay;
};

enum {
    OPT_TOP = 256,
    OPT_NO_COLOUR,
    OPT_NO_REPLAY,
    OPT_PROPOSE,
    TOP_DEFAULT = 3,
    RUNS_DEFAULT = 9
};
enum { PROGRESS_EVENTS = 1 << 16 };

static const struct option long_options[] = {{"top", required_argument, NULL, OPT_TOP},
                                             {"runs", required_argument, NULL, 'n'},
                                             {"no-replay", no_argument, NULL, OPT_NO_REPLAY},
                                             {"no-color", no_argument, NULL, OPT_NO_COLOUR},
                                             {"no-colour", no_argument, NULL, OPT_NO_COLOUR},
                                             {"json", no_argument, NULL, 'j'},
                                             {"quiet", no_argument, NULL, 'q'},
                                             {"propose", no_argument, NULL, OPT_PROPOSE},
                                             CLI_HELP,
                                             {NULL, 0, NULL, 0}};

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    switch (option) {
    case OPT_TOP:
        return cli_read_number("propose", "--top", PROPOSALS_MOST, &request->top);
    case 'n':
        return cli_read_number("propose", "--runs", GAIN_RUNS_MOST, &request->runs);
    case OPT_NO_REPLAY:
        request->no_replay = true;
        break;
    case OPT_NO_COLOUR:
        request->no_colour = true;
        break;
    case 'j':
        request->json = true;
        break;
    case 'q':
        request->quiet = true;
        break;
    }
    return CLI_GO_ON;
}

static void find(struct proposals *proposals, const struct request *request)
{
    struct burst_scope scopes[PROPOSALS_MOST];
    struct bursts *bursts = bursts_create(proposals->trace, 0, NULL, NULL);
    struct trace_visit *visit = trace_visit_create(proposals->trace);
    struct trace_event event;
    struct progress progress;
    progress_init(&progress, !request->quiet, UINT64_C(300000000));
    for (uint64_t count = 1; trace_visit_next(visit, &event); count++) {
        bursts_note(bursts, &event);
        if (count % PROGRESS_EVENTS == 0 && progress_is_due(&progress))
            progress_show_share(&progress, "reading", (uint64_t)(trace_visit_progress(visit) * 1e6),
                                1000 * 1000, count);
    }
    progress_fini(&progress);
    bursts_finish(bursts);
    proposals->births = bursts_births(bursts);
    proposals->count = bursts_choose(bursts, scopes, request->top);
    for (size_t i = 0; i < proposals->count; i++)
        proposals->all[i] = (struct proposal){.scope = scopes[i], .pays = true};
    trace_visit_destroy(visit);
    bursts_destroy(bursts);
}

static void measure(struct proposals *proposals, const struct request *request)
{
    for (size_t i = 0; i < proposals->count && !request->no_replay; i++) {
        struct proposal *proposal = &proposals->all[i];
        gain_measure(proposals->trace, proposal->scope.node, request->runs, &proposal->gain);
        proposal->is_measured = true;
        proposal->pays = gain_is_worth_it(&proposal->gain);
    }
}

static int propose(const struct request *request, const struct trace *trace)
{
    struct proposals proposals = {.trace = trace};
    struct page page;
    int status = CLI_OK;
    if (trace_facts(trace)->header.has_stacks == 0) {
        cli_say("%s: without call stacks there is nothing to propose; record it in mode full",
                request->trace);
        return CLI_FAILED;
    }
    find(&proposals, request);
    measure(&proposals, request);
    proposals.symbols = symbols_create(trace);
    page_init(&page, stdout, !request->no_colour);
    if (request->json)
        status = proposals_print_json(&proposals);
    else
        proposals_print(&proposals, &page);
    symbols_destroy(proposals.symbols);
    return cli_finish(status);
}

int propose_main(int argc, char **argv)
{
    struct request request = {.top = TOP_DEFAULT, .runs = RUNS_DEFAULT};
    const struct cli_options options = {"propose", help, ":n:jqh", long_options, take_option};
    int status = cli_read_options(&options, argc, argv, &request);
    if (status == CLI_GO_ON)
        status = cli_read_trace("propose", argc, argv, &request.trace);
    if (status != CLI_GO_ON)
        return status;
    struct trace *trace = cli_open_whole_trace(request.trace);
    if (trace == NULL)
        return CLI_FAILED;
    status = propose(&request, trace);
    trace_close(trace);
    return status;
}
