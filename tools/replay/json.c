/* json.c - the results of a replay as JSON. */
#include "tools/replay/table.h"

#include "tools/values.h"

json_t *table_figure_value(const struct stats_figure *figure)
{
    json_t *value = json_object();
    values_set_number(value, "median", figure->median);
    values_set_number(value, "least", figure->least);
    values_set_number(value, "most", figure->most);
    return value;
}

static void set_figure(json_t *object, const char *key, const struct stats_figure *figure)
{
    json_object_set_new(object, key, table_figure_value(figure));
}

static json_t *latency_object(const struct stats_latency *latency)
{
    json_t *object = json_object();
    json_object_set_new(object, "mean_ns", json_real(latency->mean));
    values_set_number(object, "p50_ns", latency->p50);
    values_set_number(object, "p99_ns", latency->p99);
    values_set_number(object, "p99_9_ns", latency->p999);
    values_set_number(object, "max_ns", latency->most);
    values_set_number(object, "clock_ns_subtracted", latency->clock_ns);
    return object;
}

static json_t *environment_array(const struct allocator *allocator)
{
    json_t *array = json_array();
    for (size_t i = 0; i < allocator->variables; i++)
        json_array_append_new(array, values_text(allocator->variable[i]));
    return array;
}

static json_t *row_object(const struct table *table, const struct row *row)
{
    json_t *object = json_object();
    values_set_text(object, "allocator", row->allocator->name);
    if (row->allocator->library[0] != '\0')
        values_set_text(object, "library", row->allocator->library);
    if (row->allocator->profile[0] != '\0')
        values_set_text(object, "profile", row->allocator->profile);
    if (row->allocator->variables != 0)
        json_object_set_new(object, "environment", environment_array(row->allocator));
    if (row->overlaps != 0)
        values_set_number(object, "overlaps", row->overlaps);
    if (row->error[0] != '\0') {
        values_set_text(object, "error", row->error);
        return object;
    }
    set_figure(object, "time_ns", &row->stats.wall_ns);
    json_object_set_new(object, "operations_per_second", json_real(table_rate(table, row)));
    set_figure(object, "rss_before_bytes", &row->stats.resident_before);
    set_figure(object, "peak_rss_bytes", &row->stats.resident_peak);
    set_figure(object, "mean_rss_bytes", &row->stats.resident_mean);
    if (row->knows_internal) {
        set_figure(object, "internal_at_peak_bytes", &row->stats.internal_peak);
        set_figure(object, "internal_mean_bytes", &row->stats.internal_mean);
    }
    json_object_set_new(object, "fragmentation", json_real(table_fragmentation(table, row)));
    set_figure(object, "minor_faults", &row->stats.minor_faults);
    set_figure(object, "major_faults", &row->stats.major_faults);
    set_figure(object, "waits_for_other_threads", &row->stats.waits);
    if (row->stats.latency.is_known)
        json_object_set_new(object, "latency", latency_object(&row->stats.latency));
    if (table->options->speed > 0)
        set_figure(object, "behind_ns", &row->stats.behind_ns);
    if (table->options->rounds > 1) {
        set_figure(object, "rss_behind_first_round_bytes", &row->stats.resident_first);
        set_figure(object, "rss_behind_last_round_bytes", &row->stats.resident_last);
    }
    json_object_set_new(object, "verified", json_boolean(row->is_verified));
    if (row->is_verified)
        values_set_number(object, "overlaps", 0);
    return object;
}

json_t *table_value(const struct table *table)
{
    const struct program_header *program = table->compiled->program;
    json_t *object = json_object();
    values_set_text(object, table->source->trace != NULL ? "trace" : "workload",
                    source_name(table->source));
    json_object_set_new(object, "complete", json_boolean(table->compiled->is_complete));
    values_set_number(object, "operations", table_operations(table));
    values_set_number(object, "skipped", program->skipped);
    values_set_number(object, "transactions", program->txns);
    values_set_number(object, "transactions_as_such", program->txns_whole);
    values_set_number(object, "threads", program->threads * (uint64_t)table->options->copies);
    values_set_number(object, "copies", table->options->copies);
    values_set_number(object, "rounds", table->options->rounds);
    json_object_set_new(object, "speed",
                        table->options->speed > 0 ? json_real(table->options->speed)
                                                  : json_string("max"));
    values_set_number(object, "peak_asked_bytes", table_asked(table));
    if (table_recorded_heap(table) != 0)
        values_set_number(object, "recorded_resident_heap_bytes", table_recorded_heap(table));
    values_set_number(object, "end_asked_bytes", program->end_bytes);
    values_set_number(object, "peak_objects", program->peak_objects * table->options->copies);
    values_set_number(object, "runs", table->options->runs);
    if (table->overhead_ns != 0)
        values_set_number(object, "replay_overhead_ns", table->overhead_ns);
    json_t *rows = json_array();
    for (size_t i = 0; i < table->rows; i++)
        json_array_append_new(rows, row_object(table, &table->row[i]));
    json_object_set_new(object, "allocators", rows);
    return object;
}

int table_print_json(const struct table *table)
{
    json_t *object = table_value(table);
    values_set_text(object, "schema", "mpress-replay/1");
    return values_print(object, 6);
}
