/* json.c - schema mpress-tune/1; tools/README.md describes it. */
#include "tools/tune/tune.h"
#include "tools/values.h"

static json_t *loss_object(const struct loss *loss)
{
    return json_pack("{s:f,s:f,s:f,s:f,s:f,s:f}", "mean", loss->mean, "mean_asked",
                     loss->mean_asked, "peak", loss->peak, "peak_asked", loss->peak_asked,
                     "requests", loss->requests, "requests_asked", loss->requests_asked);
}

static json_t *exact_array(const struct tuning *tuning)
{
    json_t *array = json_array();
    for (size_t i = 0; i < tuning->exacts; i++) {
        const struct exact *exact = &tuning->exact[i];
        json_array_append_new(array, json_pack("{s:i,s:i,s:o,s:o,s:o}", "bytes", (int)exact->bytes,
                                               "from", (int)exact->from + 1, "requests",
                                               values_number(exact->requests), "before",
                                               loss_object(&exact->before), "after",
                                               loss_object(&exact->after)));
    }
    return array;
}

static json_t *warm_array(const struct tuning *tuning)
{
    json_t *array = json_array();
    for (size_t i = 0; i < tuning->warms; i++) {
        const struct warm *warm = &tuning->warm[i];
        json_array_append_new(array, json_pack("{s:i,s:i,s:o,s:o,s:o}", "bytes", (int)warm->bytes,
                                               "rounds", (int)warm->rounds, "calls",
                                               values_number(warm->calls), "doors_before",
                                               values_number(warm->doors_before), "doors_after",
                                               values_number(warm->doors_after)));
    }
    return array;
}

static json_t *class_array(const struct tuning *tuning)
{
    json_t *array = json_array();
    uint32_t from = 0;
    for (size_t i = 0; i < tuning->ladder.rungs; i++) {
        uint32_t bytes = tuning->ladder.rung[i].bytes;
        struct loss loss = demand_lose(&tuning->demand, &tuning->ladder, from, bytes);
        const struct traffic *traffic = &tuning->demand.traffic[i];
        json_array_append_new(array, json_pack("{s:i,s:o,s:o,s:o}", "bytes", (int)bytes, "calls",
                                               values_number(traffic->calls), "doors",
                                               values_number(traffic->doors[0]), "lost",
                                               loss_object(&loss)));
        from = bytes;
    }
    return array;
}

static json_t *size_array(const struct tuning *tuning)
{
    json_t *array = json_array();
    for (size_t size = 0; size <= LADDER_BYTES_MOST; size++) {
        const struct size_use *use = &tuning->demand.use[size];
        if (use->requests != 0)
            json_array_append_new(array, json_pack("{s:i,s:o}", "bytes", (int)size, "requests",
                                                   values_number(use->requests)));
    }
    return array;
}

static json_t *measured_object(const struct row *row)
{
    const struct stats *stats = &row->stats;
    return json_pack(
        "{s:o,s:o,s:o,s:o,s:o,s:o}", "peak_rss_bytes", table_figure_value(&stats->resident_peak),
        "mean_rss_bytes", table_figure_value(&stats->resident_mean), "internal_at_peak_bytes",
        table_figure_value(&stats->internal_peak), "internal_mean_bytes",
        table_figure_value(&stats->internal_mean), "minor_faults",
        table_figure_value(&stats->minor_faults), "time_ns", table_figure_value(&stats->wall_ns));
}

int tune_print_json(const struct tuning *tuning, const char *profile, const struct table *table)
{
    const struct demand *demand = &tuning->demand;
    json_t *root = json_pack("{s:s,s:b,s:o,s:o,s:o}", "schema", "mpress-tune/1", "complete",
                             demand->is_complete, "requests", values_number(demand->requests),
                             "requests_outside", values_number(demand->outside), "peak_asked_bytes",
                             values_number(demand->peak_bytes));
    values_set_text(root, "profile", profile);
    json_object_set_new(root, "before", loss_object(&tuning->before));
    json_object_set_new(root, "after", loss_object(&tuning->after));
    json_object_set_new(root, "exact", exact_array(tuning));
    json_object_set_new(root, "warm", warm_array(tuning));
    json_object_set_new(root, "classes", class_array(tuning));
    json_object_set_new(root, "sizes", size_array(tuning));
    if (table != NULL)
        json_object_set_new(root, "measured",
                            json_pack("{s:o,s:o}", "without", measured_object(&table->row[0]),
                                      "with", measured_object(&table->row[1])));
    return values_print(root, 8);
}
