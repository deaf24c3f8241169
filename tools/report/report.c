/* report.c - `mpress report`: the command line, one pass over the trace, one of many forms. */
#include "tools/report/report.h"

#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/cli.h"
#include "tools/export/export.h"
#include "tools/html/html.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/report/criteria.h"
#include "tools/symbols/kept.h"

static const char help[] =
    "Usage: mpress report [OPTION...] T.mpt\n"
    "       mpress report --savings [OPTION...] T.mpt  (what would hold less)\n"
    "       mpress report --propose [OPTION...] T.mpt  (mpress propose)\n"
    "       mpress report [--json] FOLDER\n"
    "\n"
    "What a trace tells: a verdict in a few lines, then blocks not freed, what held\n"
    "the memory at the peak, fragmentation, sizes, busy and temporary allocations,\n"
    "lifetimes, threads - by call stack, with file and line where the programs have\n"
    "debug information (or a -dbgsym package is installed). Between marks\n"
    "(mpress_mark, mpress mark) it tells what each stage held and left behind; where\n"
    "a mark comes 8 times or more, \"round 1\", \"round 2\", which stacks hold more\n"
    "from round to round.\n"
    "\n"
    "Of a folder: its traces, and which process came from which.\n"
    "\n"
    "      --top N        call stacks in each list (default 5)\n"
    "      --all          all of them\n"
    "      --depth N      frames shown of each stack, 1..256 (default 8); stacks that\n"
    "                     agree in these are counted as one\n"
    "      --summary      the verdict only, as `mpress record` prints it\n"
    "      --no-color     no colour on a terminal (nor with NO_COLOR set)\n"
    "      --json         everything as JSON (schema: tools/README.md)\n"
    "      --html         one page for a browser that needs nothing else: verdict,\n"
    "                     course of the memory, what was alive at any moment,\n"
    "                     call stacks to zoom and search, tables\n"
    "      --folded[=WHAT]  call stacks as \"a;b;c VALUE\" lines; WHAT: end (bytes not\n"
    "                     freed, default), lost (of these), peak (bytes at the peak),\n"
    "                     allocations, bytes (asked for in all), temporary\n"
    "      --flamegraph[=WHAT]  the same as a picture: SVG for a browser\n"
    "      --pprof        a profile for pprof (compressed)\n"
    "      --speedscope   a profile for speedscope.app (JSON)\n"
    "      --massif       a file for ms_print and massif-visualizer\n"
    "  -o, --output FILE  write there instead of to standard output\n"
    "      --suppressions FILE  losses that are known: leak:PATTERN lines, as\n"
    "                     LeakSanitizer has them (or MPRESS_SUPPRESSIONS=FILE)\n"
    "      --fail-on CONDITION  exit status 3 if it holds, for build servers:\n"
    "                     METRIC>LIMIT or METRIC<LIMIT; can be repeated. METRIC:\n"
    "                     lost, lost_blocks, not_freed, not_freed_blocks, peak, rss,\n"
    "                     resident_heap, fragmentation, allocations, allocated,\n"
    "                     temporary, failed, dropped, duration, p50_malloc,\n"
    "                     p99_malloc, p999_malloc, max_malloc\n"
    "\n"
    "The trace of a process that was killed is read as far as it is whole.\n"
    "Exit status: 0, 1 when the trace cannot be read, 2 for a wrong command line or\n"
    "a condition that the trace cannot tell, 3 when one of --fail-on holds.\n";

/* The report, or one of the forms for other programs. */
enum form { TEXT, SUMMARY, JSON, FOLDED, FLAMEGRAPH, PPROF, SPEEDSCOPE, MASSIF, HTML };

/* What the command line asks for. */
struct request {
    unsigned top, depth;
    bool no_colour;
    enum form form;
    enum measure measure;
    const char *path;
    const char *output;       /* NULL: stdout */
    const char *suppressions; /* NULL: what the environment says */
    struct criteria criteria;
};

enum { DEFAULT_TOP = 5, DEFAULT_DEPTH = 8 };

/* -- the command line ------------------------------------------------------------------------- */

enum {
    OPT_TOP = 256,
    OPT_ALL,
    OPT_DEPTH,
    OPT_FAIL_ON,
    OPT_SUPPRESSIONS,
    OPT_NO_COLOUR,
    OPT_FORM, /* + enum form */
};

static const struct option long_options[] = {
    {"top", required_argument, NULL, OPT_TOP},
    {"all", no_argument, NULL, OPT_ALL},
    {"depth", required_argument, NULL, OPT_DEPTH},
    {"summary", no_argument, NULL, OPT_FORM + SUMMARY},
    {"no-color", no_argument, NULL, OPT_NO_COLOUR},
    {"no-colour", no_argument, NULL, OPT_NO_COLOUR},
    {"json", no_argument, NULL, OPT_FORM + JSON},
    {"folded", optional_argument, NULL, OPT_FORM + FOLDED},
    {"flamegraph", optional_argument, NULL, OPT_FORM + FLAMEGRAPH},
    {"pprof", no_argument, NULL, OPT_FORM + PPROF},
    {"speedscope", no_argument, NULL, OPT_FORM + SPEEDSCOPE},
    {"html", no_argument, NULL, OPT_FORM + HTML},
    {"massif", no_argument, NULL, OPT_FORM + MASSIF},
    {"output", required_argument, NULL, 'o'},
    {"fail-on", required_argument, NULL, OPT_FAIL_ON},
    {"suppressions", required_argument, NULL, OPT_SUPPRESSIONS},
    CLI_HELP,
    {NULL, 0, NULL, 0}};

static int take_form(struct request *request, enum form form)
{
    if (request->form != TEXT && request->form != form)
        return cli_refuse("report", "one form at a time: %s",
                          "--summary, --json, --html, --folded, --pprof...");
    request->form = form;
    bool has_measure = form == FOLDED || form == FLAMEGRAPH;
    if (!has_measure || measure_find(optarg, &request->measure))
        return CLI_GO_ON;
    return cli_refuse("report", "--%s=%s: end, lost, peak, allocations, bytes or temporary",
                      form == FOLDED ? "folded" : "flamegraph", optarg);
}

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    switch (option) {
    case OPT_TOP:
        return cli_read_number("report", "--top", 1000 * 1000, &request->top);
    case OPT_DEPTH:
        return cli_read_number("report", "--depth", 256, &request->depth);
    case OPT_ALL:
        request->top = UINT_MAX;
        break;
    case OPT_NO_COLOUR:
        request->no_colour = true;
        break;
    case OPT_FAIL_ON:
        return criteria_add(&request->criteria, "report", false, optarg);
    case OPT_SUPPRESSIONS:
        request->suppressions = optarg;
        break;
    case 'o':
        request->output = optarg;
        break;
    default:
        return take_form(request, (enum form)(option - OPT_FORM));
    }
    return CLI_GO_ON;
}

static int parse(int argc, char **argv, struct request *request)
{
    const struct cli_options options = {"report", help, ":o:h", long_options, take_option};
    int status = cli_read_options(&options, argc, argv, request);
    return status == CLI_GO_ON ? cli_read_trace("report", argc, argv, &request->path) : status;
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
    report->resident = resident_read(report->analysis);
    report->symbols = symbols_create(report->trace);
    kept_read(report->symbols, report->trace);
    return CLI_OK;
}

void report_fini(struct report *report)
{
    symbols_destroy(report->symbols);
    analysis_destroy(report->analysis);
    trace_close(report->trace);
}

int report_suppress(struct report *report, const char *path)
{
    return suppress(&report->suppressions, path, report->analysis, report->symbols);
}

void report_group(struct report *report)
{
    groups_init(&report->groups, report->analysis, report->depth);
    growth_read(&report->growth, &report->groups);
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
    status = report_suppress(&report, NULL);
    if (status == CLI_GO_ON) {
        page_init(&report.page, out, true);
        report_group(&report);
        print_summary(&report);
        status = CLI_OK;
    }
    report_fini(&report);
    return status;
}

static int print(struct report *report, const struct request *request)
{
    const struct export_source source = {report->analysis, report->symbols};
    switch (request->form) {
    case TEXT:
        report_text(report);
        break;
    case SUMMARY:
        print_summary(report);
        break;
    case JSON:
        return report_json(report);
    case FOLDED:
        export_folded(&source, request->measure);
        break;
    case FLAMEGRAPH:
        export_flame(&source, request->measure);
        break;
    case PPROF:
        return export_pprof(&source);
    case SPEEDSCOPE:
        export_speedscope(&source);
        break;
    case MASSIF:
        export_massif(&source);
        break;
    case HTML:
        return html_report(report);
    }
    return CLI_OK;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Of a folder there is a list and nothing else. */
static int report_folder(const struct request *request)
{
    if (request->form != TEXT && request->form != JSON)
        return cli_refuse("report", "%s: a folder has no such form: text or --json", request->path);
    int status = output_begin(request->output);
    if (status != CLI_GO_ON)
        return status;
    status = report_tree(request->path, !request->no_colour, request->form == JSON);
    return output_finish(request->output, status);
}

int report_main(int argc, char **argv)
{
    struct request request = {.top = DEFAULT_TOP, .depth = DEFAULT_DEPTH};
    int status = parse(argc, argv, &request);
    if (status != CLI_GO_ON)
        return status;
    if (is_folder(request.path))
        return report_folder(&request);
    status = output_begin(request.output);
    if (status != CLI_GO_ON)
        return status;
    struct report report;
    status = report_init(&report, request.path, true);
    if (status != CLI_OK)
        return status;
    report.top = request.top;
    report.depth = request.depth;
    page_init(&report.page, stdout, !request.no_colour);
    status = report_suppress(&report, request.suppressions);
    if (status == CLI_GO_ON) {
        report_group(&report);
        status = print(&report, &request);
    }
    status = output_finish(request.output, status);
    if (status == CLI_OK)
        status = criteria_check(&request.criteria, report.analysis, NULL);
    report_fini(&report);
    return status;
}
