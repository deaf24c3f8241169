/* scales.c - a workload at one scale after another, and how memory grows with the blocks alive. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/replay/fit.h"
#include "tools/replay/replay.h"
#include "tools/units.h"
#include "tools/values.h"

enum { LABEL_COLUMNS = 12 };

/* What the tables of all scales have to say together. */
struct growth {
    const struct options *options;
    const struct allocators *allocators;
    size_t points;
    double blocks[OPTIONS_SCALES_MOST];
    double asked[OPTIONS_SCALES_MOST];
    double resident[ALLOCATORS_MOST][OPTIONS_SCALES_MOST];
    bool failed[ALLOCATORS_MOST];
    json_t *tables;
};

static void note_point(struct growth *growth, const struct table *table)
{
    size_t point = growth->points++;
    const struct options *options = growth->options;
    growth->blocks[point] = (double)table->compiled->program->peak_objects * options->copies;
    growth->asked[point] = (double)table_asked(table);
    for (size_t i = 0; i < table->rows; i++) {
        growth->resident[i][point] = (double)table->row[i].stats.resident_peak.median;
        growth->failed[i] = growth->failed[i] || table->row[i].error[0] != '\0';
    }
}

static int take_table(const struct table *table, void *context)
{
    struct growth *growth = context;
    int status = replay_say_failures(table);
    note_point(growth, table);
    if (growth->tables != NULL) {
        json_array_append_new(growth->tables, table_value(table));
        return status;
    }
    if (growth->points > 1)
        fputc('\n', stdout);
    table_print(table, stdout);
    fflush(stdout);
    return status;
}

/* -- the line --------------------------------------------------------------------------------- */

static bool has_line(const struct growth *growth, size_t allocator)
{
    return growth->points > 1 && !growth->failed[allocator] &&
           !growth->allocators->all[allocator].is_none;
}

static void print_growth(const struct growth *growth)
{
    printf("\nMemory by number of blocks: bytes a block + fixed (R\xc2\xb2 of the line)\n\n");
    struct fit asked = fit_line(growth->blocks, growth->asked, growth->points);
    printf("%-*s %8.1f\n", LABEL_COLUMNS, "asked for", asked.slope);
    for (size_t i = 0; i < growth->allocators->count; i++) {
        if (!has_line(growth, i))
            continue;
        struct fit fit = fit_line(growth->blocks, growth->resident[i], growth->points);
        const char *name = growth->allocators->all[i].name;
        bool is_long = strlen(name) > LABEL_COLUMNS;
        printf("%s%s%-*s %8.1f + %s%s (%.4f)\n", is_long ? name : "", is_long ? "\n" : "",
               LABEL_COLUMNS, is_long ? "" : name, fit.slope, fit.fixed < 0 ? "-" : "",
               units_bytes((uint64_t)(fit.fixed < 0 ? -fit.fixed : fit.fixed)).at, fit.quality);
    }
}

static json_t *growth_value(const struct growth *growth)
{
    json_t *array = json_array();
    for (size_t i = 0; i < growth->allocators->count; i++) {
        if (!has_line(growth, i))
            continue;
        struct fit fit = fit_line(growth->blocks, growth->resident[i], growth->points);
        json_t *object = json_object();
        values_set_text(object, "allocator", growth->allocators->all[i].name);
        json_object_set_new(object, "bytes_per_block", json_real(fit.slope));
        json_object_set_new(object, "fixed_bytes", json_real(fit.fixed));
        json_object_set_new(object, "r_squared", json_real(fit.quality));
        json_array_append_new(array, object);
    }
    return array;
}

static int print_all(struct growth *growth)
{
    if (growth->tables == NULL) {
        if (growth->points > 1)
            print_growth(growth);
        return CLI_OK;
    }
    json_t *root = json_object();
    values_set_text(root, "schema", "mpress-replay-workload/1");
    values_set_text(root, "workload", workload_name(growth->options->workload));
    json_object_set_new(root, "scales", growth->tables);
    json_object_set_new(root, "growth", growth_value(growth));
    return values_print(root, 6);
}

int replay_scales(const struct options *options, const struct allocators *allocators)
{
    struct growth growth = {.options = options,
                            .allocators = allocators,
                            .tables = options->is_json ? json_array() : NULL};
    int status = CLI_OK;
    for (unsigned i = 0; i < options->scales; i++) {
        struct workload workload = {.kind = options->workload,
                                    .threads = options->workload_threads,
                                    .objects = options->scale[i]};
        struct source source = {.workload = &workload};
        int worst = replay_source(options, &source, allocators, take_table, &growth);
        status = worst != CLI_OK ? worst : status;
    }
    if (print_all(&growth) != CLI_OK)
        status = CLI_FAILED;
    return cli_finish(status);
}
