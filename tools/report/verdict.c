/* verdict.c - the few lines that a reader in a hurry reads. */
#include "tools/report/report.h"

#include <string.h>

#include "tools/units.h"

enum {
    MANY_TEMPORARY_PERCENT = 25, /* below, temporary allocations are not worth a line */
    HALF_STACKS_MAX = 20,        /* "half of it is from n stacks" says little for a larger n */
};

/* How many of the groups, largest first, hold half of `whole`. */
static size_t count_half(const struct groups *groups, enum groups_order order, uint64_t whole)
{
    uint64_t sum = 0;
    size_t i = 0;
    while (i < groups->groups && sum < whole - whole / 2)
        sum += groups_get_weight(&groups->group[i++], order);
    return i;
}

/* " Most, 12 MiB, by list_resize, called by list_append."; nothing if the trace has no stacks. */
static void name_most(struct report *report, enum groups_order order, const char *amount, char *out,
                      size_t bytes)
{
    char name[PAGE_CELL_BYTES];
    const struct group *most = &report->groups.group[0];
    groups_sort(&report->groups, order);
    *out = '\0';
    if (most->node == 0)
        return;
    report_name_group(report, most, name);
    snprintf(out, bytes, " Most%s%s by %s.", amount, *amount == '\0' ? "" : ",", name);
}

/* The same with the first group's weight: as bytes, or as a share of `whole` if that is not 0. */
static void name_most_bytes(struct report *report, enum groups_order order, uint64_t whole,
                            char *out, size_t bytes)
{
    groups_sort(&report->groups, order);
    uint64_t weight = groups_get_weight(&report->groups.group[0], order);
    char amount[64];
    snprintf(amount, sizeof amount, ", %s",
             whole == 0 ? units_bytes(weight).at : units_percent(weight, whole).at);
    name_most(report, order, amount, out, bytes);
}

/* What a look through the program's memory said of the blocks not freed. */
static void say_lost(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct leak *leak = &analysis->leak;
    struct amount lost = leak->lost;
    uint64_t suppressed = report->suppressions.amount.blocks;
    char most[PAGE_CELL_BYTES + 96];
    if (analysis->facts->leaks == NULL || analysis->total.now.blocks == 0)
        return;
    amount_add(&lost, &leak->by_lost);
    if (lost.blocks == 0 && suppressed != 0) {
        page_paragraph(&report->page, 2, "* ", "Lost are only blocks that are suppressed: %s, %s.",
                       units_count(suppressed).at,
                       units_bytes(report->suppressions.amount.bytes).at);
        return;
    }
    if (lost.blocks == 0) {
        page_paragraph(&report->page, 2, "* ",
                       "None of these is lost: the program still has a pointer to each.");
        return;
    }
    name_most_bytes(report, GROUPS_BY_LOST, 0, most, sizeof most);
    page_paragraph(&report->page, 2, "* ",
                   "LEAK: %s of it in %s lost, nothing points to %s any more.%s",
                   report_describe_bytes(report, &lost).at, units_plural(lost.blocks, "block").at,
                   lost.blocks == 1 ? "it" : "them", most);
}

static void say_leaks(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    struct amount end = analysis->total.now;
    const struct trace_end *trace_end = analysis->facts->end;
    bool has_exited = trace_end != NULL && trace_end->reason == TRACE_END_EXIT;
    const char *when = has_exited ? "at exit" : "when the trace ends";
    if (end.blocks == 0 && analysis_is_estimate(analysis)) {
        page_paragraph(&report->page, 2, "* ", "No sampled block is left %s: at most %s are.", when,
                       units_bytes(analysis_interval(analysis, &end).high).at);
        return;
    }
    if (end.blocks == 0) {
        page_paragraph(&report->page, 2, "* ", "Everything was freed %s.", when);
        return;
    }
    char most[PAGE_CELL_BYTES + 96];
    char half[96] = "";
    name_most_bytes(report, GROUPS_BY_END, 0, most, sizeof most);
    size_t stacks = count_half(&report->groups, GROUPS_BY_END, end.bytes);
    if (stacks > 1 && stacks <= HALF_STACKS_MAX)
        snprintf(half, sizeof half, "; half of it by %zu call stacks", stacks);
    page_paragraph(&report->page, 2, "* ", "%s in %s not freed %s (%s of all bytes allocated)%s.%s",
                   report_describe_bytes(report, &end).at, units_plural(end.blocks, "block").at,
                   when, units_percent(end.bytes, analysis->allocated_bytes).at, half, most);
}

static void say_peak(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    if (analysis->peak_bytes == 0)
        return;
    char most[PAGE_CELL_BYTES + 96];
    name_most_bytes(report, GROUPS_BY_PEAK, analysis->peak_bytes, most, sizeof most);
    uint64_t at = analysis_since_start(analysis, analysis->peak_ns);
    struct amount peak = held_get_at_peak(&analysis->total, analysis->peak_serial);
    page_paragraph(&report->page, 2, "* ", "Peak: %s asked for, after %s (%s of the run).%s",
                   report_describe_bytes(report, &peak).at, units_duration(at).at,
                   units_percent(at, analysis_since_start(analysis, analysis->last_ns)).at, most);
}

/* The part that adds most to what was asked for. */
static const char *find_largest_part(const struct look *look, uint64_t *bytes)
{
    const struct trace_sample *sample = &look->sample;
    const struct {
        const char *name;
        uint64_t bytes;
    } parts[] = {
        {"rounding up to size classes (internal)", look->internal},
        {"free objects in used slabs (external)", sample->external},
        {"objects kept ready for threads (cached)", sample->cached},
        {"free memory kept warm (dirty)", sample->dirty},
        {"the heap's bookkeeping (meta)", sample->meta},
    };
    size_t best = 0;
    for (size_t i = 1; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].bytes > parts[best].bytes)
            best = i;
    }
    *bytes = parts[best].bytes;
    return parts[best].name;
}

/* Of the maxima. Less than was asked for is resident where the samples missed the peak. */
static void say_maxima(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    char ratio[32] = "";
    uint64_t most;
    double overhead = analysis_get_overhead(analysis, &most);
    if (overhead >= 0)
        snprintf(ratio, sizeof ratio, " (%+.1f %%)", 100 * overhead);
    page_paragraph(&report->page, 2, "* ",
                   "The resident heap was at most %s for at most %s asked for%s; no sample fell "
                   "into the time of the peak.",
                   units_bytes(most).at, units_bytes(analysis->peak_bytes).at, ratio);
}

/* A ratio taken when little was in use says nothing about the allocator: then only the maxima. */
static void say_fragmentation(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct look *look = analysis_find_rss_peak(analysis);
    if (look == NULL || !look->is_known)
        return;
    if (look->asked < analysis->peak_bytes / 2) {
        say_maxima(report);
        return;
    }
    uint64_t bytes;
    const char *part = find_largest_part(look, &bytes);
    page_paragraph(&report->page, 2, "* ",
                   "Fragmentation %.1f %% when most was resident: %s of heap for %s asked for; "
                   "most of the difference, %s, is %s.",
                   100 * look->fragmentation, units_bytes(look->resident_heap).at,
                   units_bytes(look->asked).at, units_bytes(bytes).at, part);
}

static void say_temporary(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    if (analysis->temporary * 100 < analysis->allocations * MANY_TEMPORARY_PERCENT ||
        analysis->temporary == 0)
        return;
    char most[PAGE_CELL_BYTES + 96];
    name_most(report, GROUPS_BY_TEMPORARY, "", most, sizeof most);
    page_paragraph(&report->page, 2, "* ",
                   "%s of all allocations are temporary: freed before their thread allocates "
                   "again.%s",
                   units_percent(analysis->temporary, analysis->allocations).at, most);
}

static void say_failures(struct report *report)
{
    uint64_t failed = report->analysis->failed;
    if (failed != 0)
        page_paragraph(&report->page, 2, "* ", "%s failed: the program got NULL.",
                       units_plural(failed, "allocation").at);
}

/* All that follows is of what was recorded. */
static void say_what_is_missing(struct report *report)
{
    const struct trace_end *end = report->analysis->facts->end;
    uint64_t dropped = report->analysis->totals.dropped;
    uint64_t events = report->analysis->totals.events;
    if (end != NULL && end->reason == TRACE_END_DISK)
        page_paragraph(&report->page, 2, "* ",
                       "PART OF THE RUN: the recording ended after %s, when the disk was full or "
                       "a limit was reached; what follows is of that time.",
                       units_duration(analysis_since_start(report->analysis, end->time_ns)).at);
    if (dropped != 0 && (end == NULL || end->reason != TRACE_END_DISK))
        page_paragraph(&report->page, 2, "* ",
                       "EVENTS ARE MISSING: %s of %s (%s) were dropped; blocks whose free is "
                       "missing count as not freed.",
                       units_count(dropped).at, units_count(events + dropped).at,
                       units_percent(dropped, events + dropped).at);
}

void report_verdict(struct report *report)
{
    if (report->analysis->allocations == 0) {
        page_paragraph(&report->page, 2, "* ", "The trace holds no allocation.");
        return;
    }
    say_what_is_missing(report);
    say_leaks(report);
    say_lost(report);
    report_say_growth(report);
    say_peak(report);
    say_fragmentation(report);
    say_temporary(report);
    say_failures(report);
    report_memory(report);
}
