/* diff.c - the data of a comparison's page: what --json has, the call stacks of both traces in one
 * tree, and the size classes. */
#include "tools/html/html.h"
#include "tools/html/stacks.h"

enum { MOST_PAIRS = 200, TITLE_COLUMNS = 300 };

static const char *const columns[STACKS_COLUMNS] = {"before", "after"};

static void add_trace(struct stacks *stacks, struct diff *diff, const struct report *report,
                      int column)
{
    const struct analysis *analysis = report->analysis;
    const struct export_source source = {report->analysis, report->symbols};
    diff->calls.source = &source;
    for (size_t i = 0; i < analysis->sites; i++) {
        struct call call[CALLS_MAX];
        uint64_t value[STACKS_COLUMNS] = {0};
        value[column] = measure_get(analysis, &analysis->site[i], diff->measure);
        if (value[column] != 0)
            stacks_add(stacks, call, calls_read(&diff->calls, analysis->site[i].node, call), value);
    }
    diff->calls.source = NULL;
}

static json_t *make_size(const struct diff *diff, unsigned class)
{
    const struct analysis *both[] = {diff->before.analysis, diff->after.analysis};
    json_t *object = json_object(), *allocations = json_array(), *peak = json_array();
    uint64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        const struct size_class *size = &both[i]->size[class];
        sum += size->allocations;
        json_array_append_new(allocations, values_number(size->allocations));
        json_array_append_new(
            peak, values_number(held_get_at_peak(&size->held, both[i]->peak_serial).bytes));
    }
    values_set_number(object, "up_to", class >= 63 ? (uint64_t)INT64_MAX : UINT64_C(1) << class);
    json_object_set_new(object, "allocations", allocations);
    json_object_set_new(object, "at_peak", peak);
    if (sum != 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *make_sizes(const struct diff *diff)
{
    json_t *array = json_array();
    for (unsigned class = 0; class < SIZE_CLASSES; class ++)
        json_array_append_new(array, make_size(diff, class)); /* NULL is none */
    return array;
}

static json_t *make_tree(struct diff *diff)
{
    struct stacks stacks;
    stacks_init(&stacks, diff->store);
    add_trace(&stacks, diff, &diff->before, 0);
    add_trace(&stacks, diff, &diff->after, 1);
    stacks_choose(&stacks);
    return stacks_make(&stacks, &diff->calls, columns);
}

int html_diff(struct diff *diff)
{
    json_t *data = json_object(), *titles = json_array();
    const struct report *both[] = {&diff->before, &diff->after};
    for (int i = 0; i < 2; i++)
        json_array_append_new(
            titles,
            values_text(report_describe_command(both[i]->analysis->facts, TITLE_COLUMNS).at));
    json_object_set_new(data, "titles", titles);
    values_set_text(data, "measure", measure_words[diff->measure].title);
    json_object_set_new(data, "is_bytes", json_boolean(measure_words[diff->measure].is_bytes));
    json_object_set_new(data, "tree", make_tree(diff));
    json_object_set_new(data, "sizes", make_sizes(diff));
    json_object_set_new(data, "diff", diff_make_json(diff, MOST_PAIRS));
    return html_page(data);
}
