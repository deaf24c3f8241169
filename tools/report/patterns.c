/* patterns.c - habits: what an object costs, how long the blocks of a stack live, who frees whose
 * blocks. */
#include <string.h>

#include "tools/analysis/flows.h"
#include "tools/analysis/scaling.h"
#include "tools/report/report.h"

/* -- bytes an object -------------------------------------------------------------------------- */

static struct units describe_each(double bytes)
{
    struct units text;
    if (bytes >= 1024)
        return units_bytes((uint64_t)(bytes + 0.5));
    snprintf(text.at, sizeof text.at, "%.1f B", bytes);
    return text;
}

static struct units describe_fixed(double bytes)
{
    struct units text;
    snprintf(text.at, sizeof text.at, "%s%.40s", bytes < 0 ? "-" : "",
             units_bytes((uint64_t)(bytes < 0 ? -bytes : bytes)).at);
    return text;
}

void report_scaling(struct report *report)
{
    struct scaling scaling;
    const struct page *page = &report->page;
    scaling_read(&scaling, &report->groups);
    if (scaling.points == 0)
        return;
    page_heading(page, "SCALING", "%s with count=, of %s to %s objects",
                 units_plural(scaling.points, "mark").at, units_count((uint64_t)scaling.least).at,
                 units_count((uint64_t)scaling.most).at);
    page_paragraph(page, 2, "", "%s an object, and %s whatever the count; R2 %.3f.",
                   describe_each(scaling.total.each).at, describe_fixed(scaling.total.fixed).at,
                   scaling.total.fit);
    for (size_t i = 0; i < scaling.groups && i < report->top; i++) {
        const struct scaling_group *one = &scaling.group[i];
        fprintf(page->out, "%s%3zu. %s%s an object, and %s; R2 %.3f\n", page_bold(page), i + 1,
                describe_each(one->line.each).at, page_plain(page),
                describe_fixed(one->line.fixed).at, one->line.fit);
        report_stack(report, one->group.node);
    }
}

static void set_line(json_t *object, const struct scaling_line *line)
{
    json_object_set_new(object, "bytes_an_object", json_real(line->each));
    json_object_set_new(object, "fixed_bytes", json_real(line->fixed));
    json_object_set_new(object, "r2", json_real(line->fit));
}

json_t *report_json_scaling(struct report *report)
{
    struct scaling scaling;
    scaling_read(&scaling, &report->groups);
    if (scaling.points == 0)
        return json_null();
    json_t *object = json_object(), *points = json_array(), *stacks = json_array();
    values_set_number(object, "marks", scaling.points);
    set_line(object, &scaling.total);
    for (size_t i = 0; i < scaling.points; i++)
        json_array_append_new(points, json_pack("{s:f,s:f}", "count", scaling.point[i].count,
                                                "bytes", scaling.point[i].bytes));
    json_object_set_new(object, "points", points);
    for (size_t i = 0; i < scaling.groups && i < report->top; i++) {
        json_t *stack = json_object();
        set_line(stack, &scaling.group[i].line);
        json_object_set_new(stack, "frames",
                            report_json_frames(report, scaling.group[i].group.node));
        json_array_append_new(stacks, stack);
    }
    json_object_set_new(object, "stacks", stacks);
    return object;
}

/* -- lives ------------------------------------------------------------------------------------ */

enum { DECADES = 10, SHORTEST = 2 }; /* 100 ns .. 1000 s; what is beyond is in the first and last */

static int find_decade(unsigned life_class)
{
    int at = (int)life_class - SHORTEST;
    return at < 0 ? 0 : at >= DECADES ? DECADES - 1 : at;
}

/* A digit is a share in tenths, '.' less than that, ' ' nothing, '<' shorter than can be told. */
static void draw_lives(const struct group *group, unsigned shortest, char text[DECADES + 1])
{
    uint64_t decade[DECADES] = {0}, all = 0;
    for (unsigned i = 0; i < LIFE_CLASSES; i++) {
        decade[find_decade(i)] += group->life[i];
        all += group->life[i];
    }
    for (int i = 0; i < DECADES; i++) {
        uint64_t tenths = all == 0 ? 0 : decade[i] * 10 / all;
        text[i] = decade[i] == 0 ? (i < find_decade(shortest) ? '<' : ' ')
                  : tenths == 0  ? '.'
                  : tenths > 9   ? '#'
                                 : (char)('0' + tenths);
    }
    text[DECADES] = '\0';
}

void report_lives(struct report *report)
{
    const struct page *page = &report->page;
    groups_sort(&report->groups, GROUPS_BY_ALLOCATIONS);
    if (report->groups.groups < 2)
        return;
    fprintf(page->out, "  %s%14s  [ u  m  s  ]  tenths by life: u from 1 us, m 1 ms, s 1 s%s\n",
            page_dim(page), "allocations", page_plain(page));
    for (size_t i = 0; i < report->groups.groups && i < report->top; i++) {
        const struct group *group = &report->groups.group[i];
        char lives[DECADES + 1], name[PAGE_CELL_BYTES], cell[PAGE_CELL_BYTES];
        draw_lives(group, report->analysis->shortest_life, lives);
        report_name_group(report, group, name);
        page_fit(cell, name, 46, false);
        fprintf(page->out, "  %14s  [%s]  %s\n", units_count(group->all.blocks).at, lives, cell);
    }
}

json_t *report_json_lives(const uint64_t life[LIFE_CLASSES])
{
    json_t *array = json_array();
    uint64_t below_ns = 10;
    for (size_t i = 0; i < LIFE_CLASSES; i++) {
        if (life[i] != 0)
            json_array_append_new(array, json_pack("{s:o,s:o}", "below_ns", values_number(below_ns),
                                                   "blocks", values_number(life[i])));
        below_ns = below_ns > UINT64_MAX / 10 ? UINT64_MAX : below_ns * 10;
    }
    return array;
}

/* -- who frees whose blocks ------------------------------------------------------------------- */

static void name_thread(const struct analysis *analysis, uint32_t number, char out[32])
{
    const struct thread *thread = &analysis->thread[number];
    char name[PAGE_CELL_BYTES];
    page_fit(name, thread->name == NULL ? "" : thread->name, 15, false);
    snprintf(out, 32, "%u %.15s", thread->tid, name);
}

void report_flows(struct report *report)
{
    struct analysis *analysis = report->analysis;
    const struct page *page = &report->page;
    size_t count = flows_sort(&analysis->flows);
    if (count == 0)
        return;
    fprintf(page->out, "  %s%-26s%-26s%12s%12s%s\n", page_dim(page), "allocated by", "freed by",
            "blocks", "bytes", page_plain(page));
    for (size_t i = 0; i < count && i < report->top; i++) {
        const struct flow *flow = &analysis->flows.flow[i];
        char from[32], to[32];
        name_thread(analysis, flow->from, from);
        name_thread(analysis, flow->to, to);
        fprintf(page->out, "  %-26s%-26s%12s%12s\n", from, to, units_count(flow->amount.blocks).at,
                units_bytes(flow->amount.bytes).at);
    }
    if (count > report->top)
        page_paragraph(page, 2, "", "... and %s of threads; --all shows them",
                       units_plural(count - report->top, "more pair").at);
}

json_t *report_json_flows(const struct report *report)
{
    struct analysis *analysis = report->analysis;
    json_t *array = json_array();
    size_t count = flows_sort(&analysis->flows);
    for (size_t i = 0; i < count && i < report->top; i++) {
        const struct flow *flow = &analysis->flows.flow[i];
        json_t *object = json_object();
        values_set_number(object, "allocated_by", analysis->thread[flow->from].tid);
        values_set_number(object, "freed_by", analysis->thread[flow->to].tid);
        values_set_number(object, "blocks", flow->amount.blocks);
        values_set_number(object, "bytes", flow->amount.bytes);
        json_array_append_new(array, object);
    }
    return array;
}
