/* diff.c - `mpress diff`: the command line, and two analyses after each other. */
#include "tools/diff/diff.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

#include "tools/cli.h"
#include "tools/html/html.h"
#include "tools/output.h"
#include "tools/report/criteria.h"

static const char help[] =
    "Usage: mpress diff [OPTION...] BEFORE.mpt AFTER.mpt\n"
    "\n"
    "What changed between two traces: the whole, then the call stacks that hold more\n"
    "and those that hold less. Stacks are matched by the names of their functions, so\n"
    "the two may be of different builds.\n"
    "\n"
    "      --by WHAT      what is compared by call stack: peak (bytes at the peak,\n"
    "                     default), end (bytes not freed), allocations, bytes (asked\n"
    "                     for in all), temporary\n"
    "      --top N        call stacks in each list (default 10)\n"
    "      --all          all of them\n"
    "      --depth N      innermost frames that decide, 1..256 (default 8)\n"
    "      --fail-on CONDITION  exit status 3 if it holds: METRIC>+5%, METRIC>+1M, a\n"
    "                     limit for AFTER as in `mpress report`; can be repeated\n"
    "      --json         as JSON (schema: tools/README.md)\n"
    "      --html         as one page for a browser: a flame graph coloured by the\n"
    "                     change, tables by call stack and size\n"
    "      --no-color     no colour on a terminal (nor with NO_COLOR set)\n"
    "  -o, --output FILE  write there instead of to standard output\n"
    "      --suppressions FILE  losses that are known (or MPRESS_SUPPRESSIONS=FILE)\n"
    "\n"
    "Exit status: 0, 1 when a trace cannot be read, 2 for a wrong command line or\n"
    "a condition that a trace cannot tell, 3 when one of --fail-on holds.\n";

struct request {
    unsigned top, depth;
    bool json, html, no_colour;
    enum measure measure;
    const char *output;       /* NULL: stdout */
    const char *suppressions; /* NULL: what the environment says */
    struct criteria criteria;
};

enum { DEFAULT_TOP = 10, DEFAULT_DEPTH = 8 };

/* -- the command line ------------------------------------------------------------------------- */

enum {
    OPT_BY = 256,
    OPT_TOP,
    OPT_ALL,
    OPT_DEPTH,
    OPT_FAIL_ON,
    OPT_JSON,
    OPT_HTML,
    OPT_NO_COLOUR,
    OPT_SUPPRESSIONS
};

static const struct option long_options[] = {
    {"by", required_argument, NULL, OPT_BY},
    {"top", required_argument, NULL, OPT_TOP},
    {"all", no_argument, NULL, OPT_ALL},
    {"depth", required_argument, NULL, OPT_DEPTH},
    {"fail-on", required_argument, NULL, OPT_FAIL_ON},
    {"json", no_argument, NULL, OPT_JSON},
    {"html", no_argument, NULL, OPT_HTML},
    {"no-color", no_argument, NULL, OPT_NO_COLOUR},
    {"no-colour", no_argument, NULL, OPT_NO_COLOUR},
    {"output", required_argument, NULL, 'o'},
    {"suppressions", required_argument, NULL, OPT_SUPPRESSIONS},
    CLI_HELP,
    {NULL, 0, NULL, 0}};

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    switch (option) {
    case OPT_BY:
        if (!measure_find(optarg, &request->measure))
            return cli_refuse("diff", "--by %s: peak, end, lost, allocations, bytes or temporary",
                              optarg);
        break;
    case OPT_TOP:
        return cli_read_number("diff", "--top", 1000 * 1000, &request->top);
    case OPT_DEPTH:
        return cli_read_number("diff", "--depth", 256, &request->depth);
    case OPT_FAIL_ON:
        return criteria_add(&request->criteria, "diff", true, optarg);
    case OPT_ALL:
        request->top = UINT_MAX;
        break;
    case OPT_JSON:
        request->json = true;
        break;
    case OPT_HTML:
        request->html = true;
        break;
    case OPT_NO_COLOUR:
        request->no_colour = true;
        break;
    case OPT_SUPPRESSIONS:
        request->suppressions = optarg;
        break;
    default:
        request->output = optarg;
    }
    return CLI_GO_ON;
}

static int parse(int argc, char **argv, struct request *request)
{
    const struct cli_options options = {"diff", help, ":o:h", long_options, take_option};
    int status = cli_read_options(&options, argc, argv, request);
    if (status == CLI_GO_ON && optind + 2 != argc)
        return cli_refuse("diff", "which two traces? mpress diff BEFORE.mpt AFTER.mpt");
    return status;
}

/* -- the comparison --------------------------------------------------------------------------- */

/* Samples say nothing of the order of calls, and how sure a count of them is only in bytes. */
static int check_measure(const struct diff *diff)
{
    bool is_estimate =
        analysis_is_estimate(diff->before.analysis) || analysis_is_estimate(diff->after.analysis);
    if (!is_estimate || measure_words[diff->measure].is_bytes)
        return CLI_OK;
    cli_say("a trace of samples can be compared by peak, end or bytes (--by)");
    return CLI_FAILED;
}

static int print(struct diff *diff, const struct request *request)
{
    int status = check_measure(diff);
    if (status != CLI_OK)
        return status;
    diff->store = store_create();
    diff->index.store = diff->store;
    calls_init(&diff->calls, NULL);
    diff_join(diff);
    page_init(&diff->before.page, stdout, !request->no_colour);
    if (request->html)
        status = html_diff(diff);
    else if (request->json)
        status = diff_json(diff, request->top);
    else
        diff_text(diff, request->top);
    calls_fini(&diff->calls);
    store_destroy(diff->store);
    return status;
}

static int compare(struct diff *diff, const struct request *request)
{
    int status = report_suppress(&diff->before, request->suppressions);
    if (status == CLI_GO_ON)
        status = report_suppress(&diff->after, request->suppressions);
    if (status == CLI_GO_ON)
        status = print(diff, request);
    status = output_finish(request->output, status);
    if (status != CLI_OK)
        return status;
    return criteria_check(&request->criteria, diff->after.analysis, diff->before.analysis);
}

int diff_main(int argc, char **argv)
{
    struct request request = {.top = DEFAULT_TOP, .depth = DEFAULT_DEPTH, .measure = MEASURE_PEAK};
    int status = parse(argc, argv, &request);
    if (status == CLI_GO_ON)
        status = output_begin(request.output);
    if (status != CLI_GO_ON)
        return status;
    struct diff diff = {.measure = request.measure, .depth = request.depth};
    status = report_init(&diff.before, argv[optind], true);
    if (status != CLI_OK)
        return status;
    status = report_init(&diff.after, argv[optind + 1], true);
    if (status == CLI_OK) {
        status = compare(&diff, &request);
        report_fini(&diff.after);
    }
    report_fini(&diff.before);
    return status;
}
