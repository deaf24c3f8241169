/* json.c - the whole report as data; the schema is described in tools/README.md. */
#include "tools/report/report.h"

#include <jansson.h>
#include <string.h>

#include "tools/cli.h"

#define REPORT_SCHEMA "mpress-report/1"

enum { STACK_FRAMES_MAX = 512 };

/* JSON numbers of jansson are signed; nothing real is above 2^63. */
static json_t *make_number(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static void put(json_t *object, const char *key, uint64_t n)
{
    json_object_set_new(object, key, make_number(n));
}

/* Texts of a trace may be no UTF-8; JSON must be. */
static json_t *make_text(const char *text)
{
    json_t *made = json_string(text);
    if (made != NULL)
        return made;
    char copy[4096];
    size_t i = 0;
    for (; text[i] != '\0' && i + 1 < sizeof copy; i++)
        copy[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    copy[i] = '\0';
    return json_string(copy);
}

static void put_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, text == NULL ? json_null() : make_text(text));
}

static json_t *make_amount(struct amount amount)
{
    json_t *object = json_object();
    put(object, "bytes", amount.bytes);
    put(object, "blocks", amount.blocks);
    return object;
}

/* -- the process ------------------------------------------------------------------------------ */

static json_t *make_process(const struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct trace_facts *facts = analysis->facts;
    json_t *object = json_object(), *command = json_array();
    for (size_t i = 0; i < facts->arguments; i++)
        json_array_append_new(command, make_text(facts->argument[i]));
    json_object_set_new(object, "command", command);
    put_text(object, "exe", facts->exe);
    put_text(object, "cwd", facts->cwd);
    put(object, "pid", facts->header.pid);
    put(object, "parent_pid", facts->header.parent_pid);
    put(object, "started_wall_ns", facts->header.start_wall_ns);
    put(object, "duration_ns", analysis_since_start(analysis, analysis->last_ns));
    put(object, "threads", analysis->totals.threads);
    json_object_set_new(object, "forked", json_boolean(facts->header.forked != 0));
    put_text(object, "end", report_describe_end(report));
    return object;
}

static json_t *make_trace(const struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct trace_facts *facts = analysis->facts;
    json_t *object = json_object(), *warnings = json_array();
    put_text(object, "path", facts->path);
    put(object, "bytes", facts->file_bytes);
    put_text(object, "library", facts->header.library);
    json_object_set_new(object, "complete", json_boolean(analysis->is_complete));
    put_text(object, "incomplete_why",
             analysis->is_complete ? NULL : analysis->incomplete_why.text);
    for (size_t i = 0; trace_warning(report->trace, i) != NULL; i++)
        json_array_append_new(warnings, make_text(trace_warning(report->trace, i)));
    json_object_set_new(object, "warnings", warnings);
    if (facts->end != NULL)
        put(object, "overhead_ns", facts->end->overhead_ns);
    return object;
}

static json_t *make_events(const struct analysis *analysis)
{
    const struct trace_totals *totals = &analysis->totals;
    json_t *object = json_object();
    put(object, "events", totals->events);
    put(object, "allocs", totals->allocs);
    put(object, "frees", totals->frees);
    put(object, "reallocs", totals->reallocs);
    put(object, "failed", totals->failed);
    put(object, "dropped", totals->dropped);
    put(object, "unknown_frees", totals->unknown_frees);
    put(object, "lost_frees", totals->stale);
    put(object, "allocated_bytes", analysis->allocated_bytes);
    put(object, "temporary", analysis->temporary);
    put(object, "frees_of_other_threads_blocks", analysis->frees_of_others);
    return object;
}

/* -- stacks ----------------------------------------------------------------------------------- */

static void add_frames(json_t *array, struct frames frames)
{
    for (size_t i = 0; i < frames.count; i++) {
        const struct frame *frame = &frames.frame[i];
        json_t *object = json_object();
        put_text(object, "function", frame->function);
        put_text(object, "file", frame->file);
        if (frame->line != 0)
            put(object, "line", frame->line);
        put_text(object, "module", frame->module);
        put(object, "offset", frame->offset);
        if (frame->is_inlined)
            json_object_set_new(object, "inlined", json_true());
        json_array_append_new(array, object);
    }
}

static json_t *make_frames(struct report *report, const struct group *group)
{
    struct trace_node nodes[STACK_FRAMES_MAX];
    size_t count =
        groups_read_stack(report->analysis, group->node, nodes,
                          report->depth < STACK_FRAMES_MAX ? report->depth : STACK_FRAMES_MAX);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        add_frames(array, symbols_find(report->symbols, &nodes[i], report->analysis->last_ns));
    return array;
}

static json_t *make_group(struct report *report, const struct group *group)
{
    uint64_t end_ns = report->analysis->last_ns;
    json_t *object = json_object();
    put(object, "stacks", group->stacks);
    json_object_set_new(object, "not_freed", make_amount(group->end));
    json_object_set_new(object, "at_peak", make_amount(group->peak));
    put(object, "allocations", group->allocations);
    put(object, "allocated_bytes", group->bytes);
    put(object, "temporary", group->temporary);
    if (group->end.blocks != 0) {
        put(object, "oldest_age_ns", end_ns > group->oldest_ns ? end_ns - group->oldest_ns : 0);
        put(object, "youngest_age_ns", end_ns > group->newest_ns ? end_ns - group->newest_ns : 0);
    }
    json_object_set_new(object, "frames", make_frames(report, group));
    return object;
}

static json_t *make_groups(struct report *report, enum groups_order order)
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
    json_object_set_new(object, "not_freed", make_groups(report, GROUPS_BY_END));
    json_object_set_new(object, "at_peak", make_groups(report, GROUPS_BY_PEAK));
    json_object_set_new(object, "allocations", make_groups(report, GROUPS_BY_ALLOCATIONS));
    json_object_set_new(object, "temporary", make_groups(report, GROUPS_BY_TEMPORARY));
    return object;
}

/* -- tables ----------------------------------------------------------------------------------- */

static json_t *make_look(const struct analysis *analysis, const struct look *look)
{
    if (look == NULL)
        return json_null();
    const struct trace_sample *sample = &look->sample;
    json_t *object = json_object();
    put(object, "after_ns", analysis_since_start(analysis, sample->time_ns));
    put(object, "asked", look->asked);
    if (look->is_known) {
        put(object, "internal", look->internal);
        put(object, "external", sample->external);
        put(object, "cached", sample->cached);
        put(object, "dirty", sample->dirty);
        put(object, "meta", sample->meta);
        put(object, "resident_heap", look->resident_heap);
        put(object, "live_objects", sample->live_objects);
        put(object, "largest_free", sample->largest_free);
        put(object, "total_free", sample->total_free);
        json_object_set_new(object, "scatter", json_real(look->scatter));
        json_object_set_new(object, "fragmentation", json_real(look->fragmentation));
        json_object_set_new(object, "coverage", json_real(look->coverage));
    }
    put(object, "rss", sample->rss);
    put(object, "rss_anon", sample->rss_anon);
    put(object, "tracer", sample->tracer);
    return object;
}

static json_t *make_fragmentation(const struct analysis *analysis)
{
    json_t *object = json_object(), *samples = json_array();
    uint64_t most;
    double overhead = analysis_get_overhead(analysis, &most);
    put(object, "largest_resident_heap", most);
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
        put(object, "up_to", class >= 63 ? (uint64_t)INT64_MAX : UINT64_C(1) << class);
        put(object, "allocations", sizes->allocations);
        put(object, "allocated_bytes", sizes->bytes);
        json_object_set_new(object, "not_freed", make_amount(sizes->held.now));
        json_object_set_new(object, "at_peak",
                            make_amount(held_get_at_peak(&sizes->held, analysis->peak_serial)));
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
            put(object, "below_ns", below_ns);
            put(object, "blocks", analysis->life[i].blocks);
            put(object, "bytes", analysis->life[i].bytes);
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
        put(object, "tid", thread->tid);
        put_text(object, "name", thread->name);
        put(object, "allocations", thread->allocations);
        put(object, "allocated_bytes", thread->bytes);
        put(object, "frees", thread->frees);
        put(object, "frees_of_other_threads_blocks", thread->frees_of_others);
        put(object, "temporary", thread->temporary);
        json_object_set_new(object, "not_freed", make_amount(thread->held.now));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *make_reallocs(const struct realloc_facts *facts)
{
    json_t *object = json_object();
    put(object, "calls", facts->calls);
    put(object, "in_place", facts->in_place);
    put(object, "moved", facts->moved);
    put(object, "grown", facts->grown);
    put(object, "shrunk", facts->shrunk);
    put(object, "copied_bytes_at_most", facts->copied_bytes);
    return object;
}

/* -- all -------------------------------------------------------------------------------------- */

static json_t *make_peak(const struct analysis *analysis)
{
    json_t *object = make_amount(held_get_at_peak(&analysis->total, analysis->peak_serial));
    put(object, "after_ns", analysis_since_start(analysis, analysis->peak_ns));
    return object;
}

int report_json(struct report *report, FILE *out)
{
    const struct analysis *analysis = report->analysis;
    json_t *root = json_object();
    put_text(root, "schema", REPORT_SCHEMA);
    json_object_set_new(root, "process", make_process(report));
    json_object_set_new(root, "trace", make_trace(report));
    json_object_set_new(root, "events", make_events(analysis));
    json_object_set_new(root, "not_freed", make_amount(analysis->total.now));
    json_object_set_new(root, "peak", make_peak(analysis));
    json_object_set_new(root, "stacks", make_stacks(report));
    json_object_set_new(root, "fragmentation", make_fragmentation(analysis));
    json_object_set_new(root, "sizes", make_sizes(analysis));
    json_object_set_new(root, "lifetimes", make_lifetimes(analysis));
    json_object_set_new(root, "threads", make_threads(analysis));
    json_object_set_new(root, "reallocations", make_reallocs(&analysis->reallocs));
    int failed = json_dumpf(root, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(root);
    return failed != 0 ? CLI_FAILED : CLI_OK;
}
