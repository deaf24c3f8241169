/* latency.c - how long the program waited for memory. */
#include "tools/analysis/latency.h"

#include "tools/report/report.h"
#include "tools/units.h"

/* Of so many calls one took longer than the quantile. */
static const struct {
    const char *name, *key;
    double share;
} quantiles[] = {
    {"half of the calls within", "p50_ns", 0.5},
    {"90 %", "p90_ns", 0.9},
    {"99 %", "p99_ns", 0.99},
    {"99.9 %", "p999_ns", 0.999},
    {"99.99 %", "p9999_ns", 0.9999},
    {"all", "max_ns", 1},
};

enum { QUANTILES = sizeof quantiles / sizeof quantiles[0] };

static uint64_t read_quantile(const struct trace_latency *latency, size_t number)
{
    return latency_quantile(latency->calls, latency->most_ns, quantiles[number].share);
}

void report_latency(struct report *report)
{
    const struct trace_latency *latency = report->analysis->facts->latency;
    const struct page *page = &report->page;
    if (latency == NULL)
        return;
    page_heading(page, "LATENCY", "of malloc, calloc, new and aligned: %s",
                 units_plural(latency_count(latency->calls), "call").at);
    page_paragraph(page, 2, "",
                   "The heap's own time, without what recording cost. Timed: all %s that needed "
                   "more than what the thread had at hand, and of the others one in %llu (%s).",
                   units_plural(latency->timed, "call").at, (unsigned long long)latency->one_in,
                   units_count(latency->passes).at);
    for (size_t i = 0; i < QUANTILES; i++)
        fprintf(page->out, "  %26s %10s\n", quantiles[i].name,
                units_duration(read_quantile(latency, i)).at);
}

json_t *report_json_latency(const struct report *report)
{
    const struct trace_latency *latency = report->analysis->facts->latency;
    if (latency == NULL)
        return json_null();
    json_t *object = json_object(), *buckets = json_array();
    values_set_number(object, "calls", latency_count(latency->calls));
    values_set_number(object, "timed", latency->timed);
    values_set_number(object, "passes", latency->passes);
    values_set_number(object, "one_in", latency->one_in);
    for (size_t i = 0; i < QUANTILES; i++)
        values_set_number(object, quantiles[i].key, read_quantile(latency, i));
    for (unsigned i = 0; i < TRACE_LATENCY_BUCKETS; i++) {
        if (latency->calls[i] == 0)
            continue;
        json_t *bucket = json_object();
        values_set_number(bucket, "from_ns", trace_latency_ns(i));
        values_set_number(bucket, "calls", latency->calls[i]);
        json_array_append_new(buckets, bucket);
    }
    json_object_set_new(object, "buckets", buckets);
    return object;
}
