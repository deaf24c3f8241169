/* report.c - the data of a report's page: what --json has, the course of the memory, all call
 * stacks, and what was alive at moments of the run. */
#include <string.h>

#include "tools/cli.h"
#include "tools/html/html.h"
#include "tools/html/stacks.h"
#include "tools/units.h"

/* They bound the page, whatever the trace: about 3 MiB at most beside the stacks. */
enum {
    MOST_GROUPS = 50, /* in each list of call stacks */
    MOST_FRAMES = 32, /* of each */
    MOST_LOOKS = 800, /* points of the course */
    MOST_ROWS = 300,  /* of a table, and of marks */
    TEXT_GROUPS = 10, /* in each list of the text */
    TITLE_COLUMNS = 400,
};

static const char *const columns[STACKS_COLUMNS] = {"end",         "lost",  "peak",
                                                    "allocations", "bytes", "temporary"};
_Static_assert(STACKS_COLUMNS == (int)MEASURES, "a column for each measure");

/* -- call stacks ------------------------------------------------------------------------------ */

/* The branch of each site in `leaf`. */
static void add_sites(struct stacks *stacks, struct calls *calls, uint32_t *leaf)
{
    const struct analysis *analysis = calls->source->analysis;
    for (size_t i = 0; i < analysis->sites; i++) {
        struct call call[CALLS_MAX];
        uint64_t value[STACKS_COLUMNS];
        for (int k = 0; k < STACKS_COLUMNS; k++)
            value[k] = measure_get(analysis, &analysis->site[i], (enum measure)k);
        leaf[i] = stacks_add(stacks, call, calls_read(calls, analysis->site[i].node, call), value);
    }
}

/* -- moments ---------------------------------------------------------------------------------- */

/* "live": branch, bytes, branch, bytes, ... */
static json_t *make_moment(const struct analysis *analysis, const struct stacks *stacks,
                           const uint32_t *leaf, const struct moment *moment)
{
    json_t *object = json_object(), *live = json_array();
    values_set_number(object, "after_ns", analysis_since_start(analysis, moment->time_ns));
    values_set_number(object, "bytes", moment->bytes);
    for (size_t i = 0; i < moment->sites; i++) {
        uint32_t branch = stacks_find_kept(stacks, leaf[moment->site[i].site]);
        json_array_append_new(live, values_number(branch));
        json_array_append_new(live, values_number(moment->site[i].bytes));
    }
    json_object_set_new(object, "live", live);
    return object;
}

static json_t *make_moments(const struct analysis *analysis, const struct stacks *stacks,
                            const uint32_t *leaf)
{
    json_t *array = json_array();
    struct moment *other = store_alloc(analysis->store, 1, sizeof *other);
    for (size_t i = 0; i < analysis->moments.count; i++)
        json_array_append_new(array,
                              make_moment(analysis, stacks, leaf, &analysis->moments.moment[i]));
    moments_read_peak(analysis, other);
    json_t *peak = make_moment(analysis, stacks, leaf, other);
    json_object_set_new(peak, "name", json_string("peak"));
    json_array_append_new(array, peak);
    moments_read_now(analysis, analysis->last_ns, other);
    json_t *end = make_moment(analysis, stacks, leaf, other);
    json_object_set_new(end, "name", json_string("end"));
    json_array_append_new(array, end);
    store_free(other);
    return array;
}

/* -- the course ------------------------------------------------------------------------------- */

static void add_look(json_t *array, const struct analysis *analysis, const struct look *look)
{
    const struct trace_sample *sample = &look->sample;
    const uint64_t row[] = {
        analysis_since_start(analysis, sample->time_ns),
        look->asked,
        look->is_known ? look->internal : 0,
        look->is_known ? sample->external : 0,
        look->is_known ? sample->cached : 0,
        look->is_known ? sample->dirty : 0,
        look->is_known ? sample->meta : 0,
        sample->rss,
        sample->rss_anon,
    };
    json_t *values = json_array();
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        json_array_append_new(values, values_number(row[i]));
    json_array_append_new(array, values);
}

/* Of many looks the one with the largest resident set stands for its neighbours. */
static json_t *make_looks(const struct analysis *analysis)
{
    json_t *array = json_array();
    size_t shown = analysis->looks < MOST_LOOKS ? analysis->looks : MOST_LOOKS;
    for (size_t i = 0; i < shown; i++) {
        size_t from = i * analysis->looks / shown, to = (i + 1) * analysis->looks / shown;
        const struct look *most = &analysis->look[from];
        for (size_t k = from + 1; k < to; k++) {
            if (analysis->look[k].sample.rss > most->sample.rss)
                most = &analysis->look[k];
        }
        add_look(array, analysis, most);
    }
    return array;
}

/* The bytes asked for: the most in each of equal parts of the time. */
static json_t *make_asked(const struct analysis *analysis)
{
    const struct timeline *timeline = &analysis->timeline;
    json_t *object = json_object(), *most = json_array();
    for (size_t i = 0; i < timeline->columns; i++)
        json_array_append_new(most, values_number(timeline->most[i]));
    values_set_number(object, "step_ns", timeline->column_ns);
    json_object_set_new(object, "most", most);
    return object;
}

/* -- all -------------------------------------------------------------------------------------- */

static void cut_list(json_t *object, const char *key, size_t most)
{
    json_t *list = json_object_get(object, key);
    size_t count = json_array_size(list);
    if (count <= most)
        return;
    char cut[64];
    snprintf(cut, sizeof cut, "%.50s_cut", key);
    values_set_number(object, cut, count - most);
    while (json_array_size(list) > most)
        json_array_remove(list, json_array_size(list) - 1);
}

/* What --json prints, without what would make the page large. */
static json_t *make_report(struct report *report)
{
    size_t top = report->top, depth = report->depth;
    report->top = top > MOST_GROUPS ? top : MOST_GROUPS;
    report->top = report->top < MOST_ROWS ? report->top : MOST_ROWS;
    report->depth = depth < MOST_FRAMES ? depth : MOST_FRAMES;
    json_t *root = report_make_json(report);
    json_object_del(json_object_get(root, "fragmentation"), "samples");
    cut_list(root, "threads", MOST_ROWS);
    cut_list(root, "marks", MOST_ROWS);
    cut_list(root, "stages", MOST_ROWS);
    cut_list(json_object_get(root, "growth"), "stacks", MOST_GROUPS);
    cut_list(json_object_get(root, "process"), "command", MOST_ROWS);
    report->depth = depth;
    report->top = top;
    return root;
}

static json_t *make_text(struct report *report)
{
    size_t top = report->top;
    report->top = top < TEXT_GROUPS ? top : TEXT_GROUPS;
    json_t *text = html_make_text(report, report_text);
    report->top = top;
    return text;
}

static void add_stacks(struct report *report, json_t *data)
{
    const struct analysis *analysis = report->analysis;
    const struct export_source source = {report->analysis, report->symbols};
    struct calls calls;
    struct stacks stacks;
    calls_init(&calls, &source);
    stacks_init(&stacks, calls.store);
    uint32_t *leaf = store_alloc(calls.store, analysis->sites + 1, sizeof leaf[0]);
    add_sites(&stacks, &calls, leaf);
    stacks_choose(&stacks);
    json_object_set_new(data, "tree", stacks_make(&stacks, &calls, columns));
    json_object_set_new(data, "moments", make_moments(analysis, &stacks, leaf));
    calls_fini(&calls);
}

int html_report(struct report *report)
{
    json_t *data = json_object(), *measures = json_array();
    values_set_text(data, "title",
                    report_describe_command(report->analysis->facts, TITLE_COLUMNS).at);
    json_object_set_new(data, "verdict", html_make_text(report, report_verdict));
    for (int i = 0; i < STACKS_COLUMNS; i++)
        json_array_append_new(measures, json_pack("{s:s,s:s,s:b}", "name", measure_words[i].name,
                                                  "title", measure_words[i].title, "is_bytes",
                                                  (int)measure_words[i].is_bytes));
    json_object_set_new(data, "measures", measures);
    json_object_set_new(data, "asked", make_asked(report->analysis));
    json_object_set_new(data, "looks", make_looks(report->analysis));
    json_object_set_new(data, "maps", html_make_maps(report->analysis));
    add_stacks(report, data);
    json_object_set_new(data, "report", make_report(report));
    json_object_set_new(data, "text", make_text(report));
    return html_page(data);
}
