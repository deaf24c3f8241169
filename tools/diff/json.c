/* json.c - the comparison as data; the schema is described in tools/README.md. */
#include <math.h>

#include "tools/diff/diff.h"
#include "tools/report/metrics.h"
#include "tools/values.h"

static json_t *make_value(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

static const char *const metric_kinds[] = {
    [METRIC_BYTES] = "bytes",
    [METRIC_COUNT] = "count",
    [METRIC_TIME] = "ns",
    [METRIC_SHARE] = "share",
};

static json_t *make_metrics(const struct diff *diff)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < METRICS; i++) {
        double before = metrics[i].get(diff->before.analysis);
        double after = metrics[i].get(diff->after.analysis);
        json_t *row = json_object();
        values_set_text(row, "kind", metric_kinds[metrics[i].kind]);
        json_object_set_new(row, "before", make_value(before));
        json_object_set_new(row, "after", make_value(after));
        json_object_set_new(row, "change", make_value(after - before));
        json_object_set_new(object, metrics[i].name, row);
    }
    return object;
}

static json_t *make_amount(const struct amount *amount)
{
    json_t *object = json_object();
    values_set_number(object, "value", amount->bytes);
    values_set_number(object, "blocks", amount->blocks);
    return object;
}

static json_t *make_pair(const struct diff *diff, const struct pair *pair)
{
    json_t *object = json_object(), *frames = json_array();
    json_object_set_new(object, "change", json_integer((json_int_t)diff_change(pair)));
    json_object_set_new(object, "before", make_amount(&pair->before));
    json_object_set_new(object, "after", make_amount(&pair->after));
    json_object_set_new(object, "certain", json_boolean(diff_is_certain(pair)));
    for (uint32_t i = 0; i < pair->frames; i++)
        json_array_append_new(
            frames, values_text(calls_get_name(&diff->calls, diff->function[pair->first + i])));
    json_object_set_new(object, "frames", frames);
    return object;
}

static json_t *make_list(const struct diff *diff, int sign, size_t top)
{
    json_t *array = json_array();
    for (size_t i = 0; i < diff->pairs && i < top; i++) {
        const struct pair *pair = &diff->pair[sign > 0 ? i : diff->pairs - 1 - i];
        if (diff_change(pair) * sign <= 0)
            break;
        json_array_append_new(array, make_pair(diff, pair));
    }
    return array;
}

json_t *diff_make_json(const struct diff *diff, size_t top)
{
    json_t *root = json_object(), *stacks = json_object();
    values_set_text(root, "schema", "mpress-diff/1");
    values_set_text(root, "before", diff->before.path);
    values_set_text(root, "after", diff->after.path);
    json_object_set_new(root, "metrics", make_metrics(diff));
    values_set_text(stacks, "measure", measure_words[diff->measure].name);
    json_object_set_new(stacks, "more", make_list(diff, 1, top));
    json_object_set_new(stacks, "less", make_list(diff, -1, top));
    json_object_set_new(root, "stacks", stacks);
    return root;
}

int diff_json(const struct diff *diff, size_t top)
{
    return values_print(diff_make_json(diff, top), 6);
}
