/* leaks.c - `mpress leaks`: what nothing in a running process points to any more; if a trace runs
 * there, who allocated it. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/remote.h"
#include "tools/report/report.h"
#include "tools/units.h"
#include "tools/values.h"

static const char help[] =
    "Usage: mpress leaks [OPTION]... PID\n"
    "\n"
    "Looks in a process that runs under libmpress.so for blocks that nothing points\n"
    "to any more, at its next allocation. Its threads stand still meanwhile: about\n"
    "half a second for a million blocks, a second for a gigabyte; how long is told.\n"
    "If a trace runs there (mpress attach), the losses of blocks that it knows are\n"
    "listed by call stack.\n"
    "\n"
    "      --top N        sizes and call stacks in each list (default 5)\n"
    "      --depth N      frames shown of each stack, 1..256 (default 8)\n"
    "      --suppressions FILE  losses that are known: leak:PATTERN lines, as\n"
    "                     LeakSanitizer has them (or MPRESS_SUPPRESSIONS=FILE); takes\n"
    "                     a trace\n"
    "      --json         as JSON (schema: tools/README.md)\n"
    "      --no-color     no colour on a terminal (nor with NO_COLOR set)\n"
    "      --wait TIME    give up when it has not allocated by then: 10s, 1m\n"
    "  -h, --help         this text\n"
    "\n"
    "Sleeping system calls of its other threads may end early, with EINTR.\n"
    "Exit status: 0, 1 on failure, 2 for a wrong command line.\n";

struct request {
    uint64_t wait_ns;
    unsigned top, depth;
    bool json, no_colour;
    const char *suppressions;
};

/* What was found: by the process itself, and, if is_traced, by its trace. */
struct finding {
    pid_t pid;
    struct control_leaks *leaks;
    struct report report; /* its page is there in any case */
};

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    switch (option) {
    case 'j':
        request->json = true;
        break;
    case 'n':
        request->no_colour = true;
        break;
    case 's':
        request->suppressions = optarg;
        break;
    case 't':
        return cli_read_number("leaks", "--top", 1000, &request->top);
    case 'd':
        return cli_read_number("leaks", "--depth", 256, &request->depth);
    default:
        return cli_read_time("leaks", "--wait", &request->wait_ns);
    }
    return CLI_GO_ON;
}

/* -- text ------------------------------------------------------------------------------------- */

static void print_kind(const struct page *page, const char *name, uint64_t bytes, uint64_t blocks,
                       const char *meaning)
{
    char text[128];
    snprintf(text, sizeof text, "%s in %s", units_bytes(bytes).at,
             units_plural(blocks, "block").at);
    fprintf(page->out, "  %-16s%-28s%s%s%s\n", name, text, page_dim(page), meaning,
            page_plain(page));
}

static void print_sum(const struct finding *finding)
{
    const struct mpress_leaks *sum = &finding->leaks->sum;
    const struct page *page = &finding->report.page;
    fprintf(page->out, "%sPROCESS%s  %d: it stood still for %s\n", page_bold(page),
            page_plain(page), (int)finding->pid, units_duration(sum->pause_ns).at);
    print_kind(page, "lost", sum->lost, sum->lost_blocks, "nothing points to them");
    print_kind(page, "lost with them", sum->by_lost, sum->by_lost_blocks,
               "only lost blocks lead there");
    print_kind(page, "inside", sum->inside, sum->inside_blocks, "only by way of their middle");
    print_kind(page, "reachable", sum->reachable, sum->reachable_blocks, "");
    if (sum->threads_missed != 0)
        page_paragraph(page, 2, "",
                       "%s could not be stopped: what only their registers hold counts as lost.",
                       units_plural(sum->threads_missed, "thread").at);
}

static uint64_t count_bytes(const struct leaks_size *size)
{
    return size->bytes * (size->lost + size->by_lost);
}

static int by_bytes(const void *a, const void *b)
{
    uint64_t one = count_bytes(a), other = count_bytes(b);
    return (one < other) - (one > other);
}

static void print_sizes(const struct finding *finding, unsigned top)
{
    struct leaks_sizes *sizes = &finding->leaks->sizes;
    const struct page *page = &finding->report.page;
    if (sizes->count == 0)
        return;
    page_heading(page, "LOST BY SIZE", "usable, which is a little more than what was asked for");
    fprintf(page->out, "  %s%12s%14s%18s%12s%s\n", page_dim(page), "each", "lost", "lost with them",
            "bytes", page_plain(page));
    qsort(sizes->size, sizes->count, sizeof sizes->size[0], by_bytes);
    for (size_t i = 0; i < sizes->count && i < top; i++)
        fprintf(page->out, "  %12s%14s%18s%12s\n", units_bytes(sizes->size[i].bytes).at,
                units_count(sizes->size[i].lost).at, units_count(sizes->size[i].by_lost).at,
                units_bytes(count_bytes(&sizes->size[i])).at);
    if (sizes->count > top)
        page_paragraph(page, 2, "", "... and %s; --top shows more",
                       units_plural(sizes->count - top, "more size").at);
}

static uint64_t count_lost(const struct mpress_leaks *sum)
{
    return sum->lost_blocks + sum->by_lost_blocks;
}

/* What the trace knows nothing of. */
static void print_older(struct finding *finding)
{
    const struct analysis *analysis = finding->report.analysis;
    uint64_t known = analysis->leak.lost.blocks + analysis->leak.by_lost.blocks +
                     finding->report.suppressions.amount.blocks;
    uint64_t lost = count_lost(&finding->leaks->sum);
    if (lost > known && !analysis_is_estimate(analysis))
        page_paragraph(&finding->report.page, 2, "",
                       "%s older than the trace: it does not tell who allocated %s.",
                       units_plural(lost - known, "lost block").at,
                       lost - known == 1 ? "it" : "them");
}

static void print_text(struct finding *finding, const struct request *request)
{
    print_sum(finding);
    print_sizes(finding, request->top);
    if (finding->leaks->is_traced) {
        report_stacks_lost(&finding->report);
        report_suppressed(&finding->report);
        print_older(finding);
    } else if (count_lost(&finding->leaks->sum) != 0) {
        page_paragraph(&finding->report.page, 2, "",
                       "No trace runs there, so who allocated them is not known. Of what it "
                       "allocates from then on, mpress attach %d tells.",
                       (int)finding->pid);
    }
}

/* -- JSON ------------------------------------------------------------------------------------- */

static void set_amount(json_t *object, const char *key, uint64_t bytes, uint64_t blocks)
{
    json_t *amount = json_object();
    values_set_number(amount, "bytes", bytes);
    values_set_number(amount, "blocks", blocks);
    json_object_set_new(object, key, amount);
}

static json_t *make_sizes(const struct leaks_sizes *sizes)
{
    json_t *array = json_array();
    for (size_t i = 0; i < sizes->count; i++) {
        json_t *object = json_object();
        values_set_number(object, "bytes", sizes->size[i].bytes);
        values_set_number(object, "lost", sizes->size[i].lost);
        values_set_number(object, "lost_by_lost", sizes->size[i].by_lost);
        json_array_append_new(array, object);
    }
    return array;
}

static int print_json(struct finding *finding)
{
    const struct mpress_leaks *sum = &finding->leaks->sum;
    json_t *root = json_object();
    values_set_text(root, "schema", "mpress-leaks/1");
    values_set_number(root, "pid", (uint64_t)finding->pid);
    values_set_number(root, "pause_ns", sum->pause_ns);
    values_set_number(root, "threads_stopped", sum->threads_stopped);
    values_set_number(root, "threads_missed", sum->threads_missed);
    set_amount(root, "lost", sum->lost, sum->lost_blocks);
    set_amount(root, "lost_by_lost", sum->by_lost, sum->by_lost_blocks);
    set_amount(root, "reachable_inside", sum->inside, sum->inside_blocks);
    set_amount(root, "reachable", sum->reachable, sum->reachable_blocks);
    json_object_set_new(root, "sizes", make_sizes(&finding->leaks->sizes));
    bool is_traced = finding->leaks->is_traced;
    values_set_text(root, "trace", is_traced ? finding->report.path : NULL);
    json_object_set_new(root, "suppressed",
                        is_traced ? report_json_suppressed(&finding->report) : json_null());
    json_object_set_new(root, "stacks",
                        is_traced ? report_json_groups(&finding->report, GROUPS_BY_LOST)
                                  : json_null());
    return values_print(root, 0);
}

/* -- both ------------------------------------------------------------------------------------- */

/* What mpress_leaks_look says there, in words that fit here. */
static const char *describe_error(int error)
{
    switch (error) {
    case EBUSY:
        return "it is just looking by itself, or at a mark; try again";
    case ENOTSUP:
        return "/proc is missing there, or no signal is left to stop its threads";
    case ENOMEM:
        return "no memory there to note what was seen";
    default:
        return strerror(error);
    }
}

static int ask(struct remote *remote, uint64_t wait_ns, struct control_leaks *leaks)
{
    const struct remote_request request = {.operation = CONTROL_LEAKS,
                                           .text = "",
                                           .wait_ns = wait_ns,
                                           .reply = leaks,
                                           .reply_bytes = sizeof *leaks};
    int status = remote_ask(remote, &request);
    if (status != CLI_GO_ON)
        return status;
    if (remote->block.error == 0 && leaks->sizes.count <= LEAKS_SIZES)
        return CLI_GO_ON;
    cli_say("process %d could not look for lost blocks: %s", (int)remote->pid,
            describe_error(remote->block.error));
    return CLI_FAILED;
}

/* The trace goes on while it is read: what was lost stays as it is. */
static int read_trace(struct finding *finding, const char *path, const struct request *request)
{
    struct report *report = &finding->report;
    struct page page = report->page;
    int status = report_init(report, path, true);
    if (status != CLI_OK)
        return status;
    report->page = page;
    report->top = request->top;
    report->depth = request->depth;
    status = report_suppress(report, request->suppressions);
    if (status == CLI_GO_ON)
        groups_init(&report->groups, report->analysis, report->depth);
    else
        report_fini(report);
    return status;
}

static int look(struct remote *remote, const struct request *request, struct finding *finding)
{
    char path[REMOTE_PATH_BYTES];
    bool is_traced;
    page_init(&finding->report.page, stdout, !request->no_colour);
    int status = ask(remote, request->wait_ns, finding->leaks);
    if (status != CLI_GO_ON)
        return status;
    is_traced = finding->leaks->is_traced;
    remote_read_path(remote, path);
    status = is_traced ? read_trace(finding, path, request) : CLI_GO_ON;
    if (status != CLI_GO_ON)
        return status;
    if (request->json) {
        status = print_json(finding);
    } else {
        print_text(finding, request);
        status = cli_finish(CLI_OK);
    }
    if (is_traced)
        report_fini(&finding->report);
    return status;
}

int leaks_main(int argc, char **argv)
{
    static const struct option names[] = {{"json", no_argument, NULL, 'j'},
                                          {"top", required_argument, NULL, 't'},
                                          {"depth", required_argument, NULL, 'd'},
                                          {"suppressions", required_argument, NULL, 's'},
                                          {"no-color", no_argument, NULL, 'n'},
                                          {"no-colour", no_argument, NULL, 'n'},
                                          {"wait", required_argument, NULL, 'w'},
                                          CLI_HELP,
                                          {NULL, 0, NULL, 0}};
    const struct cli_options options = {"leaks", help, ":h", names, take_option};
    struct request request = {.top = 5, .depth = 8};
    struct remote remote;
    struct finding finding = {0};
    int status = cli_read_options(&options, argc, argv, &request);
    if (status == CLI_GO_ON)
        status = cli_read_process("leaks", argc, argv, &finding.pid);
    if (status == CLI_GO_ON)
        status = cli_refuse_more("leaks", argc, argv);
    if (status == CLI_GO_ON)
        status = remote_open(&remote, finding.pid);
    if (status != CLI_GO_ON)
        return status;
    finding.leaks = calloc(1, sizeof *finding.leaks);
    if (finding.leaks == NULL)
        abort();
    status = look(&remote, &request, &finding);
    free(finding.leaks);
    remote_close(&remote);
    return status;
}
