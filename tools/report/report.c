/* report.c - `mpress report`: the command line, one pass over the trace, one of three outputs. */
#include "tools/report/report.h"

#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/progress.h"

static const char help[] =
    "Usage: mpress report [OPTION...] T.mpt\n"
    "\n"
    "What a trace tells: a verdict in a few lines, then blocks not freed, what held\n"
    "the memory at the peak, fragmentation, sizes, busy and temporary allocations,\n"
    "lifetimes, threads - by call stack, with file and line where the programs have\n"
    "debug information (or a -dbgsym package is installed).\n"
    "\n"
    "      --top N        call stacks in each list (default 5)\n"
    "      --all          all of them\n"
    "      --depth N      frames shown of each stack, 1..256 (default 8); stacks that\n"
    "                     agree in these are counted as one\n"
    "      --summary      the verdict only, as `mpress record` prints it\n"
    "      --no-color     no colour on a terminal (nor with NO_COLOR set)\n"
    "      --json         everything as JSON (schema: tools/README.md)\n"
    "      --folded[=WHAT]  call stacks for flame graphs, \"a;b;c VALUE\" lines; WHAT:\n"
    "                     end (bytes not freed, default), peak (bytes at the peak),\n"
    "                     allocations, bytes (asked for in all), temporary\n"
    "\n"
    "The trace of a process that was killed is read as far as it is whole.\n"
    "Exit status: 0, 1 when the trace cannot be read, 2 for a wrong command line.\n";

/* What the command line asks for. */
struct request {
    unsigned top, depth;
    bool no_colour, json, summary;
    enum report_folded folded;
    const char *path;
};

enum { DEFAULT_TOP = 5, DEFAULT_DEPTH = 8 };

/* -- the command line ------------------------------------------------------------------------- */

enum { OPT_TOP = 256, OPT_ALL, OPT_DEPTH, OPT_SUMMARY, OPT_NO_COLOUR, OPT_JSON, OPT_FOLDED };

static const struct option long_options[] = {{"top", required_argument, NULL, OPT_TOP},
                                             {"all", no_argument, NULL, OPT_ALL},
                                             {"depth", required_argument, NULL, OPT_DEPTH},
                                             {"summary", no_argument, NULL, OPT_SUMMARY},
                                             {"no-color", no_argument, NULL, OPT_NO_COLOUR},
                                             {"no-colour", no_argument, NULL, OPT_NO_COLOUR},
                                             {"json", no_argument, NULL, OPT_JSON},
                                             {"folded", optional_argument, NULL, OPT_FOLDED},
                                             CLI_HELP,
                                             {NULL, 0, NULL, 0}};

static int take_folded(const char *what, enum report_folded *folded)
{
    static const struct {
        const char *name;
        enum report_folded value;
    } words[] = {{"end", REPORT_FOLDED_END},
                 {"peak", REPORT_FOLDED_PEAK},
                 {"allocations", REPORT_FOLDED_ALLOCATIONS},
                 {"bytes", REPORT_FOLDED_BYTES},
                 {"temporary", REPORT_FOLDED_TEMPORARY}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (what == NULL || strcmp(what, words[i].name) == 0) {
            *folded = words[i].value;
            return CLI_GO_ON;
        }
    }
    return cli_refuse("report", "--folded=%s: end, peak, allocations, bytes or temporary", what);
}

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    switch (option) {
    case OPT_TOP:
        return cli_read_number("report", "--top", 1000 * 1000, &request->top);
    case OPT_DEPTH:
        return cli_read_number("report", "--depth", 256, &request->depth);
    case OPT_FOLDED:
        return take_folded(optarg, &request->folded);
    case OPT_ALL:
        request->top = UINT_MAX;
        break;
    case OPT_SUMMARY:
        request->summary = true;
        break;
    case OPT_NO_COLOUR:
        request->no_colour = true;
        break;
    case OPT_JSON:
        request->json = true;
    }
    return CLI_GO_ON;
}

static int parse(int argc, char **argv, struct request *request)
{
    const struct cli_options options = {"report", help, ":h", long_options, take_option};
    int status = cli_read_options(&options, argc, argv, request);
    if (status == CLI_GO_ON)
        status = cli_read_trace("report", argc, argv, &request->path);
    if (status != CLI_GO_ON)
        return status;
    if (request->json + request->summary + (request->folded != REPORT_FOLDED_NONE) > 1)
        return cli_refuse("report", "--json, --folded and --summary: one of them");
    return CLI_GO_ON;
}

/* -- the report ------------------------------------------------------------------------------- */

int report_init(struct report *report, const char *path, bool wants_progress)
{
    struct trace_error error;
    *report = (struct report){.path = path, .top = DEFAULT_TOP, .depth = DEFAULT_DEPTH};
    report->trace = trace_open(path, &error);
    if (report->trace == NULL) {
        cli_say("%s", error.text);
        return CLI_FAILED;
    }
    struct progress progress;
    progress_init(&progress, wants_progress, UINT64_C(1000000000));
    report->analysis = analysis_run(report->trace, &progress);
    report->symbols = symbols_create(report->trace);
    return CLI_OK;
}

void report_fini(struct report *report)
{
    symbols_destroy(report->symbols);
    analysis_destroy(report->analysis);
    trace_close(report->trace);
}

static void print_summary(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    page_title(&report->page, "SUMMARY");
    report_verdict(report);
    if (!analysis->is_complete)
        page_paragraph(&report->page, 2, "* ", "Whether all of it is there is not proven: %s",
                       report_strip_path(report, analysis->incomplete_why.text));
    fputc('\n', report->page.out);
    page_command(&report->page, 2, "mpress report", report->path, "has the rest");
    if (!analysis_is_estimate(analysis))
        page_command(&report->page, 2, "mpress replay", report->path, "compares allocators");
}

int report_print_summary(const char *path, FILE *out)
{
    struct report report;
    int status = report_init(&report, path, true);
    if (status != CLI_OK)
        return status;
    page_init(&report.page, out, true);
    groups_init(&report.groups, report.analysis, report.depth);
    print_summary(&report);
    report_fini(&report);
    return CLI_OK;
}

static int print(struct report *report, const struct request *request)
{
    if (request->folded != REPORT_FOLDED_NONE)
        report_folded(report, request->folded, stdout);
    else if (request->json)
        return report_json(report);
    else if (request->summary)
        print_summary(report);
    else
        report_text(report);
    return CLI_OK;
}

int report_main(int argc, char **argv)
{
    struct request request = {.top = DEFAULT_TOP, .depth = DEFAULT_DEPTH};
    int status = parse(argc, argv, &request);
    if (status != CLI_GO_ON)
        return status;
    struct report report;
    status = report_init(&report, request.path, true);
    if (status != CLI_OK)
        return status;
    report.top = request.top;
    report.depth = request.depth;
    page_init(&report.page, stdout, !request.no_colour);
    groups_init(&report.groups, report.analysis, report.depth);
    status = print(&report, &request);
    report_fini(&report);
    return cli_finish(status);
}
