/* stacks.c - lists of call stacks, and how one frame is printed. */
#define _GNU_SOURCE /* sigabbrev_np */
#include "tools/report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/symbols/demangle.h"
#include "tools/units.h"

enum { STACK_FRAMES_MAX = 512, FRAME_INDENT = 8 };

/* -- one frame -------------------------------------------------------------------------------- */

/* A source file as people name it: without the directory the program ran in. */
static const char *shorten_file(const struct report *report, const char *file)
{
    const char *cwd = report->analysis->facts->cwd;
    size_t length = strlen(cwd);
    if (length > 1 && strncmp(file, cwd, length) == 0 && file[length] == '/')
        return file + length + 1;
    return strncmp(file, "./", 2) == 0 ? file + 2 : file;
}

static void make_place(const struct report *report, const struct frame *frame, char *out,
                       size_t bytes)
{
    if (frame->file != NULL)
        snprintf(out, bytes, "%s:%u", shorten_file(report, frame->file), frame->line);
    else if (frame->function != NULL)
        snprintf(out, bytes, "(%s)", frame->module);
    else
        *out = '\0';
}

/* What does not fit `width` columns goes without its template arguments. */
static void make_function(const struct frame *frame, size_t width, char out[PAGE_CELL_BYTES])
{
    char text[4096];
    if (frame->function != NULL)
        snprintf(text, sizeof text, "%.*s", (int)sizeof text - 16, frame->function);
    else
        snprintf(text, sizeof text, "%.256s+0x%llx", frame->module,
                 (unsigned long long)frame->offset);
    const char *mark = frame->is_inlined ? " [inlined]" : "";
    if (strlen(text) + strlen(mark) > width)
        demangle_shorten(text);
    strcat(text, mark);
    page_fit(out, text, width, false);
}

/* The place ends at the page's edge; the function may push it together, as file names can be cut.
 */
static void print_frame(const struct report *report, const struct frame *frame)
{
    enum { WIDTH = PAGE_COLUMNS - FRAME_INDENT, PLACE_MIN = 22, PLACE_MAX = 36 };
    char text[4096], place[PAGE_CELL_BYTES], function[PAGE_CELL_BYTES];
    make_place(report, frame, text, sizeof text);
    size_t wanted = strlen(text) < PLACE_MIN ? strlen(text) : PLACE_MIN;
    make_function(frame, WIDTH - 2 - wanted, function);
    size_t left = WIDTH - 2 - strlen(function);
    page_fit(place, text, left < PLACE_MAX ? left : PLACE_MAX, true);
    const struct page *page = &report->page;
    int gap = *place == '\0' ? 0 : (int)(WIDTH - strlen(function) - strlen(place));
    fprintf(page->out, "%*s%s%*s%s%s%s\n", FRAME_INDENT, "", function, gap, "", page_dim(page),
            place, page_plain(page));
}

/* -- one stack -------------------------------------------------------------------------------- */

/* What the C library does before main and before a thread's function says nothing to anybody. */
static bool is_below_program(const struct frame *frame)
{
    static const char *const names[] = {"_start",
                                        "__libc_start_main",
                                        "__libc_start_call_main",
                                        "start_thread",
                                        "clone3",
                                        "clone",
                                        "__clone3",
                                        "__clone"};
    if (frame->function == NULL)
        return false;
    size_t length = strcspn(frame->function, "@");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool same = strncmp(frame->function, names[i], length) == 0 && names[i][length] == '\0';
        if (same || strncmp(frame->function, "__libc_start_main_", 18) == 0)
            return true;
    }
    return false;
}

/* Frames worth printing: all but the C library's at the outer end. */
static size_t trim_outer(struct report *report, const struct trace_node *nodes, size_t count)
{
    size_t kept = count;
    while (kept > 1) {
        struct frames frames = symbols_find(report->symbols, &nodes[kept - 1]);
        if (frames.count != 1 || !is_below_program(&frames.frame[0]))
            break;
        kept--;
    }
    return kept;
}

static void print_stack(struct report *report, const struct group *group)
{
    struct trace_node nodes[STACK_FRAMES_MAX];
    size_t count = groups_read_stack(report->analysis, group->node, nodes, STACK_FRAMES_MAX);
    if (count == 0) {
        fprintf(report->page.out, "%*s(no call stack was recorded)\n", FRAME_INDENT, "");
        return;
    }
    size_t kept = trim_outer(report, nodes, count);
    size_t shown = kept < report->depth ? kept : report->depth;
    for (size_t i = 0; i < shown; i++) {
        struct frames frames = symbols_find(report->symbols, &nodes[i]);
        for (size_t k = 0; k < frames.count; k++)
            print_frame(report, &frames.frame[k]);
    }
    if (shown < kept || group->stacks > 1) {
        char more[64] = "";
        if (shown < kept)
            snprintf(more, sizeof more, "%s further out", units_plural(kept - shown, "frame").at);
        const struct page *page = &report->page;
        fprintf(page->out, "%*s%s... %s%s", FRAME_INDENT, "", page_dim(page), more,
                *more != '\0' && group->stacks > 1 ? "; " : "");
        if (group->stacks > 1)
            fprintf(page->out, "%s like this", units_plural(group->stacks, "stack").at);
        fprintf(page->out, "%s\n", page_plain(page));
    }
}

void report_stack(struct report *report, uint32_t node)
{
    print_stack(report, &(struct group){.node = node, .stacks = 1});
}

/* The function that holds the code at a node, without what is inlined there; NULL: has no name. */
static const struct frame *find_function(struct report *report, const struct trace_node *node)
{
    struct frames frames = symbols_find(report->symbols, node);
    return &frames.frame[frames.count - 1];
}

/* Code without symbols is best described by the first function above it that has a name. */
void report_name_group(struct report *report, const struct group *group, char out[PAGE_CELL_BYTES])
{
    struct trace_node nodes[STACK_FRAMES_MAX];
    size_t count = groups_read_stack(report->analysis, group->node, nodes, STACK_FRAMES_MAX);
    snprintf(out, PAGE_CELL_BYTES, "(no call stack)");
    if (count == 0)
        return;
    char name[PAGE_CELL_BYTES], caller[PAGE_CELL_BYTES];
    const struct frame *innermost = find_function(report, &nodes[0]), *other = NULL;
    size_t i = 1;
    for (; i < count && (other == NULL || other->function == NULL); i++)
        other = find_function(report, &nodes[i]);
    make_function(innermost, 60, name);
    if (other == NULL || is_below_program(other)) {
        snprintf(out, PAGE_CELL_BYTES, "%.60s", name);
        return;
    }
    make_function(other, 60, caller);
    snprintf(out, PAGE_CELL_BYTES, "%.60s, %s %.60s", name, i == 2 ? "called by" : "under", caller);
}

/* The innermost frame is that of the signal. */
void report_signal(struct report *report)
{
    const struct trace_signal *signal = report->analysis->facts->signal;
    bool is_within = report->analysis->facts->signal_is_within;
    char text[240];
    if (signal == NULL)
        return;
    page_title(&report->page, "SIGNAL");
    const char *name = sigabbrev_np(signal->number);
    int used =
        snprintf(text, sizeof text, "SIG%.16s (%d)", name != NULL ? name : "?", signal->number);
    if (signal->code > 0)
        used += snprintf(text + used, sizeof text - (size_t)used, " at address 0x%llx",
                         (unsigned long long)signal->address);
    snprintf(text + used, sizeof text - (size_t)used, ", in thread %u, after %s%s", signal->tid,
             units_duration(analysis_since_start(report->analysis, signal->time_ns)).at,
             is_within ? ", inside malloc or free; the stack is that of a call shortly before"
                       : "");
    page_paragraph(&report->page, 2, "", "%s", text);
    print_stack(report, &(struct group){.node = signal->stack, .stacks = 1});
}

/* -- lists ------------------------------------------------------------------------------------ */

struct list {
    enum groups_order order;
    uint64_t whole; /* of which the shares are */
    bool is_bytes;  /* the weight is bytes, else a count */
    const char *what;
    void (*describe)(const struct report *report, const struct group *group, char *out,
                     size_t bytes);
};

struct units report_describe_bytes(const struct report *report, const struct amount *amount)
{
    struct units text = units_bytes(amount->bytes);
    if (!analysis_is_estimate(report->analysis))
        return text;
    struct interval within = analysis_interval(report->analysis, amount);
    struct units all;
    snprintf(all.at, sizeof all.at, "%.12s (%.12s to %.12s)", text.at, units_bytes(within.low).at,
             units_bytes(within.high).at);
    return all;
}

static struct units show_group(const struct report *report, const struct list *list,
                               const struct group *group)
{
    switch (list->order) {
    case GROUPS_BY_END:
        return report_describe_bytes(report, &group->end);
    case GROUPS_BY_LOST: {
        struct amount lost = group->leak.lost;
        amount_add(&lost, &group->leak.by_lost);
        return report_describe_bytes(report, &lost);
    }
    case GROUPS_BY_PEAK:
        return report_describe_bytes(report, &group->peak);
    case GROUPS_BY_COPIED:
        return units_bytes(group->copied);
    default:
        return units_count(groups_get_weight(group, list->order));
    }
}

static struct units show_weight(const struct list *list, uint64_t weight)
{
    return list->is_bytes ? units_bytes(weight) : units_count(weight);
}

static void print_rest(struct report *report, const struct list *list, size_t from)
{
    uint64_t weight = 0;
    size_t stacks = 0;
    for (size_t i = from; i < report->groups.groups; i++) {
        uint64_t one = groups_get_weight(&report->groups.group[i], list->order);
        weight += one;
        stacks += one != 0;
    }
    if (stacks != 0)
        page_paragraph(&report->page, 2, "", "... and %s with %s %s (%s); --all shows them",
                       units_plural(stacks, "more stack").at, show_weight(list, weight).at,
                       list->what, units_percent(weight, list->whole).at);
}

static void print_list(struct report *report, const struct list *list)
{
    if (report->groups.groups == 1 && report->groups.group[0].node == 0) {
        page_paragraph(&report->page, 2, "", "The trace has no call stacks.");
        return;
    }
    groups_sort(&report->groups, list->order);
    size_t i = 0;
    for (; i < report->groups.groups && i < report->top; i++) {
        const struct group *group = &report->groups.group[i];
        uint64_t weight = groups_get_weight(group, list->order);
        if (weight == 0)
            break;
        char text[256];
        list->describe(report, group, text, sizeof text);
        const struct page *page = &report->page;
        fprintf(page->out, "%s%3zu. %s%s (%s) %s\n", page_bold(page), i + 1,
                show_group(report, list, group).at, page_plain(page),
                units_percent(weight, list->whole).at, text);
        print_stack(report, group);
    }
    print_rest(report, list, i);
}

static void describe_end(const struct report *report, const struct group *group, char *out,
                         size_t bytes)
{
    uint64_t end_ns = report->analysis->last_ns;
    uint64_t youngest = end_ns > group->newest_ns ? end_ns - group->newest_ns : 0;
    uint64_t oldest = end_ns > group->oldest_ns ? end_ns - group->oldest_ns : 0;
    struct units from = units_duration(youngest), to = units_duration(oldest);
    if (group->end.blocks == 1 || strcmp(from.at, to.at) == 0)
        snprintf(out, bytes, "in %s, %s old", units_plural(group->end.blocks, "block").at, to.at);
    else
        snprintf(out, bytes, "in %s, %s to %s old", units_plural(group->end.blocks, "block").at,
                 from.at, to.at);
}

static void describe_peak(const struct report *report, const struct group *group, char *out,
                          size_t bytes)
{
    (void)report;
    snprintf(out, bytes, "in %s", units_plural(group->peak.blocks, "block").at);
}

static void describe_hot(const struct report *report, const struct group *group, char *out,
                         size_t bytes)
{
    uint64_t each = group->all.blocks == 0 ? 0 : group->all.bytes / group->all.blocks;
    if (analysis_is_estimate(report->analysis)) {
        snprintf(out, bytes, "of %s", report_describe_bytes(report, &group->all).at);
        return;
    }
    snprintf(out, bytes, "of %s each, %s temporary", units_bytes(each).at,
             units_percent(group->temporary, group->all.blocks).at);
}

static void describe_temporary(const struct report *report, const struct group *group, char *out,
                               size_t bytes)
{
    (void)report;
    snprintf(out, bytes, "of its %s", units_plural(group->all.blocks, "allocation").at);
}

void report_stacks_at_end(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    struct amount end = analysis->total.now;
    const char *title = analysis->facts->end != NULL ? "NOT FREED AT EXIT" : "NOT FREED SO FAR";
    page_heading(&report->page, title, "%s in %s", report_describe_bytes(report, &end).at,
                 units_plural(end.blocks, "block").at);
    if (end.blocks == 0)
        return;
    if (analysis->facts->leaks == NULL)
        page_paragraph(&report->page, 2, "",
                       "Nobody looked which of these the program still has a pointer to: a cache "
                       "kept on purpose is listed like a leak.");
    print_list(report, &(struct list){.order = GROUPS_BY_END,
                                      .whole = end.bytes,
                                      .is_bytes = true,
                                      .what = "not freed",
                                      .describe = describe_end});
}

static void describe_lost(const struct report *report, const struct group *group, char *out,
                          size_t bytes)
{
    (void)report;
    uint64_t with = group->leak.by_lost.blocks, blocks = group->leak.lost.blocks + with;
    int length = snprintf(out, bytes, "in %s", units_plural(blocks, "block").at);
    if (with != 0 && with < blocks)
        snprintf(out + length, bytes - (size_t)length, ", %s only by way of lost ones",
                 units_count(with).at);
    else if (with != 0)
        snprintf(out + length, bytes - (size_t)length, ", only by way of lost ones");
}

void report_stacks_lost(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    struct amount lost = analysis->leak.lost;
    amount_add(&lost, &analysis->leak.by_lost);
    if (lost.blocks == 0)
        return;
    page_heading(&report->page, "LOST", "%s in %s that nothing points to any more",
                 report_describe_bytes(report, &lost).at, units_plural(lost.blocks, "block").at);
    print_list(report, &(struct list){.order = GROUPS_BY_LOST,
                                      .whole = lost.bytes,
                                      .is_bytes = true,
                                      .what = "lost",
                                      .describe = describe_lost});
}

void report_suppressed(struct report *report)
{
    const struct suppressions *suppressions = &report->suppressions;
    const struct page *page = &report->page;
    if (suppressions->amount.blocks == 0)
        return;
    page_heading(page, "SUPPRESSED", "%s in %s, lost but known",
                 units_bytes(suppressions->amount.bytes).at,
                 units_plural(suppressions->amount.blocks, "block").at);
    for (size_t i = 0; i < suppressions->count; i++) {
        const struct suppression *one = &suppressions->suppression[i];
        char pattern[PAGE_CELL_BYTES];
        page_fit(pattern, one->pattern, 40, false);
        if (one->amount.blocks != 0)
            fprintf(page->out, "  %10s in %-16s leak:%s\n", units_bytes(one->amount.bytes).at,
                    units_plural(one->amount.blocks, "block").at, pattern);
    }
}

void report_stacks_at_peak(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    struct amount peak = held_get_at_peak(&analysis->total, analysis->peak_serial);
    page_heading(&report->page, "PEAK", "%s in %s, after %s",
                 report_describe_bytes(report, &peak).at, units_plural(peak.blocks, "block").at,
                 units_duration(analysis_since_start(analysis, analysis->peak_ns)).at);
    print_list(report, &(struct list){.order = GROUPS_BY_PEAK,
                                      .whole = peak.bytes,
                                      .is_bytes = true,
                                      .what = "at the peak",
                                      .describe = describe_peak});
}

void report_stacks_hot(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    page_heading(&report->page, "MOST ALLOCATIONS", "%s of %s in all",
                 units_plural(analysis->allocations, "allocation").at,
                 units_bytes(analysis->allocated_bytes).at);
    print_list(report, &(struct list){.order = GROUPS_BY_ALLOCATIONS,
                                      .whole = analysis->allocations,
                                      .what = "allocations",
                                      .describe = describe_hot});
}

void report_stacks_temporary(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    page_heading(&report->page, "TEMPORARY", "%s of %s (%s)", units_count(analysis->temporary).at,
                 units_plural(analysis->allocations, "allocation").at,
                 units_percent(analysis->temporary, analysis->allocations).at);
    if (analysis->temporary == 0)
        return;
    page_paragraph(&report->page, 2, "",
                   "Freed by the thread that made them before it allocated anything else: a buffer "
                   "on the stack, or one that is kept, would do.");
    print_list(report, &(struct list){.order = GROUPS_BY_TEMPORARY,
                                      .whole = analysis->temporary,
                                      .what = "temporary",
                                      .describe = describe_temporary});
}

static void describe_copied(const struct report *report, const struct group *group, char *out,
                            size_t bytes)
{
    (void)report;
    snprintf(out, bytes, "copied by %s that moved, %s each",
             units_plural(group->moved, "realloc").at,
             units_bytes(group->moved == 0 ? 0 : group->copied / group->moved).at);
}

void report_stacks_copied(struct report *report)
{
    const struct realloc_facts *facts = &report->analysis->reallocs;
    if (facts->copied_bytes == 0)
        return;
    print_list(report, &(struct list){.order = GROUPS_BY_COPIED,
                                      .whole = facts->copied_bytes,
                                      .is_bytes = true,
                                      .what = "copied",
                                      .describe = describe_copied});
}
