/* json.c - the whole report as data; the schema is described in tools/README.md. */
#include "tools/report/report.h"

#include <string.h>

#include "tools/values.h"

#define REPORT_SCHEMA "mpress-report/1"

enum { STACK_FRAMES_MAX = 512 };

/* The interval is there where the amount is an estimate. */
static void set_interval(json_t *object, const struct analysis *analysis,
                         const struct amount *amount)
{
    if (!analysis_is_estimate(analysis))
        return;
    struct interval within = analysis_interval(analysis, amount);
    values_set_number(object, "bytes_low", within.low);
    values_set_number(object, "bytes_high", within.high);
}

static json_t *make_amount(const struct analysis *analysis, struct amount amount)
{
    json_t *object = json_object();
    values_set_number(object, "bytes", amount.bytes);
    values_set_number(object, "blocks", amount.blocks);
    set_interval(object, analysis, &amount);
    return object;
}

/* -- the process ------------------------------------------------------------------------------ */

static json_t *make_process(const struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct trace_facts *facts = analysis->facts;
    json_t *object = json_object(), *command = json_array();
    for (size_t i = 0; i < facts->arguments; i++)
        json_array_append_new(command, values_text(facts->argument[i]));
    json_object_set_new(object, "command", command);
    values_set_text(object, "exe", facts->exe);
    values_set_text(object, "cwd", facts->cwd);
    values_set_number(object, "pid", facts->header.pid);
    values_set_number(object, "parent_pid", facts->header.parent_pid);
    values_set_number(object, "started_wall_ns", facts->header.start_wall_ns);
    values_set_number(object, "duration_ns", analysis_since_start(analysis, analysis->last_ns));
    values_set_number(object, "threads", analysis->totals.threads);
    json_object_set_new(object, "forked", json_boolean(facts->header.forked != 0));
    values_set_number(object, "start_ns", facts->header.start_ns);
    if (facts->header.forked_ns != 0)
        values_set_number(object, "forked_ns", facts->header.forked_ns);
    if (facts->header.parent_trace_ns != 0)
        values_set_number(object, "parent_trace_ns", facts->header.parent_trace_ns);
    if (facts->header.previous_trace_ns != 0)
        values_set_number(object, "previous_trace_ns", facts->header.previous_trace_ns);
    values_set_text(object, "end", report_describe_end(report));
    if (facts->signal != NULL)
        values_set_number(object, "signal", (uint64_t)facts->signal->number);
    return object;
}

/* As the text has it; null: no signal ended the process. */
static json_t *make_signal(struct report *report)
{
    const struct trace_signal *signal = report->analysis->facts->signal;
    if (signal == NULL)
        return json_null();
    json_t *object = json_object();
    values_set_number(object, "number", (uint64_t)signal->number);
    json_object_set_new(object, "is_fault", json_boolean(signal->code > 0));
    if (signal->code > 0)
        values_set_number(object, "address", signal->address);
    values_set_number(object, "tid", signal->tid);
    values_set_number(object, "after_ns", analysis_since_start(report->analysis, signal->time_ns));
    json_object_set_new(object, "is_inside_malloc",
                        json_boolean(report->analysis->facts->signal_is_within));
    json_object_set_new(object, "frames", report_json_frames(report, signal->stack));
    return object;
}

static json_t *make_costs(const struct trace_costs *costs)
{
    json_t *object = json_object();
    values_set_number(object, "samples", costs->samples);
    values_set_number(object, "samples_ns", costs->samples_ns);
    values_set_number(object, "tables", costs->tables);
    values_set_number(object, "tables_ns", costs->tables_ns);
    values_set_number(object, "stacks", costs->walks);
    values_set_number(object, "frames_as_before", costs->proven);
    values_set_number(object, "frames_stepped", costs->stepped);
    values_set_number(object, "steps_by_libunwind", costs->by_libunwind);
    values_set_number(object, "rules_learned", costs->learned);
    values_set_number(object, "mappings", costs->mappings);
    return object;
}

static json_t *make_trace(const struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct trace_facts *facts = analysis->facts;
    json_t *object = json_object(), *warnings = json_array();
    values_set_text(object, "path", facts->path);
    values_set_number(object, "bytes", facts->file_bytes);
    values_set_number(object, "unpacked_bytes", facts->trace_bytes);
    values_set_text(object, "library", facts->header.library);
    if (analysis_is_estimate(analysis))
        values_set_number(object, "sample_period", facts->header.sample_period);
    if (facts->whole_since_ns != 0) {
        values_set_number(object, "older_events", facts->older_events);
        values_set_number(object, "whole_since_ns",
                          analysis_since_start(analysis, facts->whole_since_ns));
    }
    if (facts->timeline_since_ns != 0)
        values_set_number(object, "timeline_since_ns",
                          analysis_since_start(analysis, facts->timeline_since_ns));
    json_object_set_new(object, "complete", json_boolean(analysis->is_complete));
    values_set_text(object, "incomplete_why",
                    analysis->is_complete ? NULL : analysis->incomplete_why.text);
    for (size_t i = 0; trace_warning(report->trace, i) != NULL; i++)
        json_array_append_new(warnings, values_text(trace_warning(report->trace, i)));
    json_object_set_new(object, "warnings", warnings);
    values_set_number(object, "resolution_ns", analysis->totals.resolution_ns);
    if (facts->end != NULL)
        values_set_number(object, "overhead_ns", facts->end->overhead_ns);
    if (facts->costs != NULL)
        json_object_set_new(object, "costs", make_costs(facts->costs));
    return object;
}

static json_t *make_marks(const struct analysis *analysis)
{
    json_t *array = json_array();
    for (size_t i = 0; i < analysis->facts->marks; i++) {
        const struct trace_mark *mark = &analysis->facts->mark[i];
        json_t *object = json_object();
        values_set_text(object, "label", mark->label);
        values_set_number(object, "after_ns", analysis_since_start(analysis, mark->time_ns));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *make_events(const struct analysis *analysis)
{
    const struct trace_totals *totals = &analysis->totals;
    json_t *object = json_object();
    values_set_number(object, "events", totals->events);
    values_set_number(object, "allocs", totals->allocs);
    values_set_number(object, "frees", totals->frees);
    values_set_number(object, "reallocs", totals->reallocs);
    values_set_number(object, "failed", totals->failed);
    values_set_number(object, "dropped", totals->dropped);
    values_set_number(object, "unknown_frees", totals->unknown_frees);
    values_set_number(object, "lost_frees", totals->stale);
    values_set_number(object, "allocated_bytes", analysis->allocated_bytes);
    values_set_number(object, "temporary", analysis->temporary);
    values_set_number(object, "frees_of_other_threads_blocks", analysis->frees_of_others);
    return object;
}

json_t *report_json_suppressed(const struct report *report)
{
    const struct suppressions *suppressions = &report->suppressions;
    json_t *array = json_array();
    for (size_t i = 0; i < suppressions->count; i++) {
        const struct suppression *one = &suppressions->suppression[i];
        json_t *object = make_amount(report->analysis, one->amount);
        values_set_text(object, "pattern", one->pattern);
        json_array_append_new(array, object);
    }
    return array;
}

/* null: nobody looked. What is in none of the three is reachable. */
static json_t *make_leaks(const struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct trace_leaks *leaks = analysis->facts->leaks;
    if (leaks == NULL)
        return json_null();
    json_t *object = json_object();
    values_set_number(object, "after_ns", analysis_since_start(analysis, leaks->time_ns));
    values_set_number(object, "pause_ns", leaks->pause_ns);
    values_set_number(object, "threads_stopped", leaks->threads_stopped);
    values_set_number(object, "threads_missed", leaks->threads_missed);
    json_object_set_new(object, "lost", make_amount(analysis, analysis->leak.lost));
    json_object_set_new(object, "lost_by_lost", make_amount(analysis, analysis->leak.by_lost));
    json_object_set_new(object, "reachable_inside", make_amount(analysis, analysis->leak.inside));
    json_object_set_new(object, "suppressed", report_json_suppressed(report));
    return object;
}

/* -- stacks ----------------------------------------------------------------------------------- */

static void add_frames(json_t *array, struct frames frames)
{
    for (size_t i = 0; i < frames.count; i++) {
        const struct frame *frame = &frames.frame[i];
        json_t *object = json_object();
        values_set_text(object, "function", frame->function);
        values_set_text(object, "file", frame->file);
        if (frame->line != 0)
            values_set_number(object, "line", frame->line);
        values_set_text(object, "module", frame->module);
        values_set_number(object, "offset", frame->offset);
        if (frame->is_inlined)
            json_object_set_new(object, "inlined", json_true());
        json_array_append_new(array, object);
    }
}

json_t *report_json_frames(struct report *report, uint32_t node)
{
    struct trace_node nodes[STACK_FRAMES_MAX];
    size_t count =
        groups_read_stack(report->analysis, node, nodes,
                          report->depth < STACK_FRAMES_MAX ? report->depth : STACK_FRAMES_MAX);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        add_frames(array, symbols_find(report->symbols, &nodes[i]));
    return array;
}

static json_t *make_group(struct report *report, const struct group *group)
{
    uint64_t end_ns = report->analysis->last_ns;
    json_t *object = json_object();
    values_set_number(object, "stacks", group->stacks);
    json_object_set_new(object, "not_freed", make_amount(report->analysis, group->end));
    if (report->analysis->facts->leaks != NULL) {
        json_object_set_new(object, "lost", make_amount(report->analysis, group->leak.lost));
        json_object_set_new(object, "lost_by_lost",
                            make_amount(report->analysis, group->leak.by_lost));
    }
    json_object_set_new(object, "at_peak", make_amount(report->analysis, group->peak));
    values_set_number(object, "allocations", group->all.blocks);
    values_set_number(object, "allocated_bytes", group->all.bytes);
    set_interval(object, report->analysis, &group->all);
    values_set_number(object, "temporary", group->temporary);
    values_set_number(object, "moved", group->moved);
    values_set_number(object, "copied_bytes_at_most", group->copied);
    json_object_set_new(object, "lives", report_json_lives(group->life));
    if (group->end.blocks != 0) {
        values_set_number(object, "oldest_age_ns",
                          end_ns > group->oldest_ns ? end_ns - group->oldest_ns : 0);
        values_set_number(object, "youngest_age_ns",
                          end_ns > group->newest_ns ? end_ns - group->newest_ns : 0);
    }
    json_object_set_new(object, "frames", report_json_frames(report, group->node));
    return object;
}

json_t *report_json_groups(struct report *report, enum groups_order order)
{
    groups_sort(&report->groups, order);
    json_t *array = json_array();
    for (size_t i = 0; i < report->groups.groups && i < report->top; i++) {
        const struct group *group = &report->groups.group[i];
        if (groups_get_weight(group, order) == 0)
            break;
        json_array_append_new(array, make_group(report, group));
    }
    return array;
}

static json_t *make_stacks(struct report *report)
{
    json_t *object = json_object();
    json_object_set_new(object, "not_freed", report_json_groups(report, GROUPS_BY_END));
    json_object_set_new(object, "lost", report_json_groups(report, GROUPS_BY_LOST));
    json_object_set_new(object, "at_peak", report_json_groups(report, GROUPS_BY_PEAK));
    json_object_set_new(object, "allocations", report_json_groups(report, GROUPS_BY_ALLOCATIONS));
    json_object_set_new(object, "temporary", report_json_groups(report, GROUPS_BY_TEMPORARY));
    json_object_set_new(object, "copied", report_json_groups(report, GROUPS_BY_COPIED));
    return object;
}

/* -- tables ----------------------------------------------------------------------------------- */

static void set_pressure(json_t *object, const char *key, const uint64_t ns[2],
                         const uint32_t percent_100[2])
{
    json_t *pressure = json_object();
    values_set_number(pressure, "some_ns", ns[0]);
    values_set_number(pressure, "full_ns", ns[1]);
    json_object_set_new(pressure, "some_percent", json_real(percent_100[0] / 100.0));
    json_object_set_new(pressure, "full_percent", json_real(percent_100[1] / 100.0));
    json_object_set_new(object, key, pressure);
}

/* What the sample does not know is not there. */
static void set_system(json_t *object, const struct trace_sample *sample)
{
    if (sample->known & TRACE_KNOWS_PARTS) {
        values_set_number(object, "rss_file", sample->rss_file);
        values_set_number(object, "rss_shmem", sample->rss_shmem);
        values_set_number(object, "swap", sample->swap);
    }
    if (sample->known & TRACE_KNOWS_AVAILABLE)
        values_set_number(object, "available", sample->available);
    if (sample->known & TRACE_KNOWS_PRESSURE)
        set_pressure(object, "pressure", (uint64_t[2]){sample->some_ns, sample->full_ns},
                     (uint32_t[2]){sample->some_percent_100, sample->full_percent_100});
    if (sample->known & TRACE_KNOWS_GROUP) {
        values_set_number(object, "group", sample->group);
        if (sample->group_max != 0)
            values_set_number(object, "group_max", sample->group_max);
    }
    if (sample->known & TRACE_KNOWS_GROUP_PRESSURE)
        set_pressure(object, "group_pressure",
                     (uint64_t[2]){sample->group_some_ns, sample->group_full_ns},
                     (uint32_t[2]){sample->group_some_percent_100, sample->group_full_percent_100});
}

static json_t *make_look(const struct analysis *analysis, const struct look *look)
{
    if (look == NULL)
        return json_null();
    const struct trace_sample *sample = &look->sample;
    json_t *object = json_object();
    values_set_number(object, "after_ns", analysis_since_start(analysis, sample->time_ns));
    values_set_number(object, "asked", look->asked);
    if (look->is_known) {
        values_set_number(object, "internal", look->internal);
        values_set_number(object, "external", sample->external);
        values_set_number(object, "cached", sample->cached);
        values_set_number(object, "dirty", sample->dirty);
        values_set_number(object, "meta", sample->meta);
        values_set_number(object, "resident_heap", look->resident_heap);
        values_set_number(object, "live_objects", sample->live_objects);
        values_set_number(object, "largest_free", sample->largest_free);
        values_set_number(object, "total_free", sample->total_free);
        json_object_set_new(object, "scatter", json_real(look->scatter));
        json_object_set_new(object, "fragmentation", json_real(look->fragmentation));
        json_object_set_new(object, "coverage", json_real(look->coverage));
    }
    values_set_number(object, "rss", sample->rss);
    values_set_number(object, "rss_anon", sample->rss_anon);
    values_set_number(object, "tracer", sample->tracer);
    set_system(object, sample);
    return object;
}

static json_t *make_fragmentation(const struct analysis *analysis)
{
    json_t *object = json_object(), *samples = json_array();
    uint64_t most;
    double overhead = analysis_get_overhead(analysis, &most);
    values_set_number(object, "largest_resident_heap", most);
    json_object_set_new(object, "overhead_of_maxima", json_real(overhead));
    json_object_set_new(object, "at_largest_rss",
                        make_look(analysis, analysis_find_rss_peak(analysis)));
    json_object_set_new(object, "at_end", make_look(analysis, analysis_find_last_look(analysis)));
    for (size_t i = 0; i < analysis->looks; i++)
        json_array_append_new(samples, make_look(analysis, &analysis->look[i]));
    json_object_set_new(object, "samples", samples);
    return object;
}

static json_t *make_sizes(const struct analysis *analysis)
{
    json_t *array = json_array();
    for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
        const struct size_class *sizes = &analysis->size[class];
        if (sizes->allocations == 0)
            continue;
        json_t *object = json_object();
        values_set_number(object, "up_to",
                          class >= 63 ? (uint64_t)INT64_MAX : UINT64_C(1) << class);
        values_set_number(object, "allocations", sizes->allocations);
        values_set_number(object, "allocated_bytes", sizes->bytes);
        json_object_set_new(object, "not_freed", make_amount(analysis, sizes->held.now));
        json_object_set_new(
            object, "at_peak",
            make_amount(analysis, held_get_at_peak(&sizes->held, analysis->peak_serial)));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *make_lifetimes(const struct analysis *analysis)
{
    json_t *array = json_array();
    uint64_t below_ns = 10;
    for (size_t i = 0; i < LIFE_CLASSES; i++) {
        if (analysis->life[i].blocks != 0) {
            json_t *object = json_object();
            values_set_number(object, "below_ns", below_ns);
            values_set_number(object, "blocks", analysis->life[i].blocks);
            values_set_number(object, "bytes", analysis->life[i].bytes);
            json_array_append_new(array, object);
        }
        below_ns = below_ns > UINT64_MAX / 10 ? UINT64_MAX : below_ns * 10;
    }
    return array;
}

static json_t *make_threads(const struct analysis *analysis)
{
    json_t *array = json_array();
    for (size_t i = 0; i < analysis->threads; i++) {
        const struct thread *thread = &analysis->thread[i];
        json_t *object = json_object();
        values_set_number(object, "tid", thread->tid);
        values_set_text(object, "name", thread->name);
        values_set_number(object, "allocations", thread->allocations);
        values_set_number(object, "allocated_bytes", thread->bytes);
        values_set_number(object, "frees", thread->frees);
        values_set_number(object, "frees_of_other_threads_blocks", thread->frees_of_others);
        values_set_number(object, "temporary", thread->temporary);
        values_set_number(object, "began_after_ns",
                          analysis_since_start(analysis, thread->began_ns));
        if (thread->ended_ns != 0)
            values_set_number(object, "ended_after_ns",
                              analysis_since_start(analysis, thread->ended_ns));
        json_object_set_new(object, "not_freed", make_amount(analysis, thread->held.now));
        json_object_set_new(
            object, "at_peak",
            make_amount(analysis, held_get_at_peak(&thread->held, analysis->peak_serial)));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *make_reallocs(const struct realloc_facts *facts)
{
    json_t *object = json_object();
    values_set_number(object, "calls", facts->calls);
    values_set_number(object, "in_place", facts->in_place);
    values_set_number(object, "moved", facts->moved);
    values_set_number(object, "grown", facts->grown);
    values_set_number(object, "shrunk", facts->shrunk);
    values_set_number(object, "copied_bytes_at_most", facts->copied_bytes);
    return object;
}

/* -- all -------------------------------------------------------------------------------------- */

static json_t *make_peak(const struct analysis *analysis)
{
    json_t *object =
        make_amount(analysis, held_get_at_peak(&analysis->total, analysis->peak_serial));
    values_set_number(object, "after_ns", analysis_since_start(analysis, analysis->peak_ns));
    return object;
}

static json_t *make_course(const struct analysis *analysis)
{
    enum { COLUMNS = 64 };
    uint64_t whole_ns = analysis_since_start(analysis, analysis->last_ns);
    json_t *object = json_object(), *columns = json_array();
    values_set_number(object, "column_ns", whole_ns / COLUMNS);
    for (size_t i = 0; i < COLUMNS; i++)
        json_array_append_new(columns,
                              values_number(timeline_get(&analysis->timeline, i, COLUMNS)));
    json_object_set_new(object, "asked", columns);
    return object;
}

json_t *report_make_json(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    json_t *root = json_object();
    values_set_text(root, "schema", REPORT_SCHEMA);
    json_object_set_new(root, "process", make_process(report));
    json_object_set_new(root, "trace", make_trace(report));
    json_object_set_new(root, "signal", make_signal(report));
    json_object_set_new(root, "events", make_events(analysis));
    json_object_set_new(root, "marks", make_marks(analysis));
    json_object_set_new(root, "course", make_course(analysis));
    json_object_set_new(root, "stages", report_json_stages(report));
    json_object_set_new(root, "growth", report_json_growth(report));
    json_object_set_new(root, "pressure", report_json_pressure(report));
    json_object_set_new(root, "scaling", report_json_scaling(report));
    json_object_set_new(root, "flows", report_json_flows(report));
    json_object_set_new(root, "not_freed", make_amount(analysis, analysis->total.now));
    json_object_set_new(root, "leaks", make_leaks(report));
    json_object_set_new(root, "peak", make_peak(analysis));
    json_object_set_new(root, "stacks", make_stacks(report));
    json_object_set_new(root, "fragmentation", make_fragmentation(analysis));
    json_object_set_new(root, "resident", report_json_resident(report));
    json_object_set_new(root, "maps", report_json_maps(report));
    json_object_set_new(root, "rate", report_json_rate(report));
    json_object_set_new(root, "latency", report_json_latency(report));
    json_object_set_new(root, "over_allocation", report_json_spares(report));
    json_object_set_new(root, "callocs", report_json_unwritten(report));
    json_object_set_new(root, "sizes", make_sizes(analysis));
    json_object_set_new(root, "lifetimes", make_lifetimes(analysis));
    json_object_set_new(root, "threads", make_threads(analysis));
    json_object_set_new(root, "transactions", report_json_transactions(report));
    json_object_set_new(root, "reallocations", make_reallocs(&analysis->reallocs));
    return root;
}

int report_json(struct report *report)
{
    return values_print(report_make_json(report), 0);
}
