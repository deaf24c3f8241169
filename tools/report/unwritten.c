/* unwritten.c - which call stacks calloc memory that nobody touches, or writes. */
#include "tools/analysis/unwritten.h"

#include "tools/report/report.h"
#include "tools/units.h"

/* -- text ------------------------------------------------------------------------------------- */

static void print_basis(const struct report *report, const struct unwritten *unwritten)
{
    const struct analysis *analysis = report->analysis;
    const struct page *page = &report->page;
    bool is_estimate = analysis_is_estimate(analysis);
    uint64_t looked = unwritten->all.looked.blocks, blocks = analysis->callocs.blocks;
    page_paragraph(
        page, 2, "", "Blocks of calloc%s, looked at as they ended, or the trace did: %s%s of %s%s",
        is_estimate ? "" : " above 256 KiB", is_estimate ? "about " : "",
        units_count(looked < blocks ? looked : blocks).at, units_count(blocks).at,
        looked < blocks ? "; not those that realloc changed, that were alive when the "
                          "process was killed, or when looking took too much of the time."
                        : ".");
    if (!is_estimate)
        page_paragraph(page, 2, "", "Smaller ones are looked at in traces of samples only.");
    page_paragraph(page, 2, "",
                   "Never touched: nobody wrote or read the page. Zeros: nothing else is in a page "
                   "that was touched, if only by calloc itself; or all of it was cleared again.");
}

static void print_group(struct report *report, size_t number, const struct unwritten_group *group)
{
    const struct page *page = &report->page;
    const struct unwritten_sum *sum = &group->sum;
    fprintf(page->out, "%s%3zu. %s never touched, %s zeros%s, of %s in %s\n", page_bold(page),
            number + 1, units_bytes(sum->untouched.bytes).at, units_bytes(sum->zero.bytes).at,
            page_plain(page), units_bytes(sum->looked.bytes).at,
            units_plural(sum->looked.blocks, "block").at);
    report_stack(report, group->group->node);
}

void report_unwritten(struct report *report)
{
    const struct page *page = &report->page;
    const struct analysis *analysis = report->analysis;
    struct unwritten unwritten;
    if (analysis->callocs.blocks == 0)
        return;
    unwritten_read(&unwritten, &report->groups);
    page_heading(page, "CALLOC", "%s never touched, %s more zeros, of %s",
                 report_describe_bytes(report, &unwritten.all.untouched).at,
                 units_bytes(unwritten.all.zero.bytes).at,
                 units_bytes(unwritten.all.looked.bytes).at);
    print_basis(report, &unwritten);
    for (size_t i = 0; i < unwritten.groups && i < report->top; i++)
        print_group(report, i, &unwritten.group[i]);
    if (unwritten.groups > report->top)
        page_paragraph(page, 2, "", "... and %s; --all shows them",
                       units_plural(unwritten.groups - report->top, "more stack").at);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_sum(const struct unwritten_sum *sum)
{
    json_t *object = json_object();
    values_set_number(object, "looked_at", sum->looked.blocks);
    values_set_number(object, "looked_at_bytes", sum->looked.bytes);
    values_set_number(object, "untouched_bytes", sum->untouched.bytes);
    values_set_number(object, "zero_bytes", sum->zero.bytes);
    return object;
}

json_t *report_json_unwritten(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    struct unwritten unwritten;
    if (analysis->callocs.blocks == 0)
        return json_null();
    unwritten_read(&unwritten, &report->groups);
    json_t *object = make_sum(&unwritten.all), *stacks = json_array();
    values_set_number(object, "above", analysis_is_estimate(analysis) ? 0 : TRACE_UNWRITTEN_ABOVE);
    values_set_number(object, "blocks", analysis->callocs.blocks);
    values_set_number(object, "bytes", analysis->callocs.bytes);
    values_set_number(object, "alive", unwritten.alive_blocks);
    for (size_t i = 0; i < unwritten.groups && i < report->top; i++) {
        json_t *stack = make_sum(&unwritten.group[i].sum);
        json_object_set_new(stack, "frames",
                            report_json_frames(report, unwritten.group[i].group->node));
        json_array_append_new(stacks, stack);
    }
    json_object_set_new(object, "stacks", stacks);
    return object;
}
