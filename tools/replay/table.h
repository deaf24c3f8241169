/* table.h - the results of a replay, for people and for programs. */
#ifndef MPRESS_TOOLS_REPLAY_TABLE_H
#define MPRESS_TOOLS_REPLAY_TABLE_H

#include <stdio.h>

#include "tools/replay/allocators.h"
#include "tools/replay/compile.h"
#include "tools/replay/options.h"
#include "tools/replay/stats.h"

struct row {
    const struct allocator *allocator;
    struct stats stats;
    bool is_verified;
    bool knows_internal;
    uint64_t overlaps;             /* blocks whose contents another changed */
    char error[RESULT_TEXT_BYTES]; /* "": all its runs were done */
};

struct table {
    const struct options *options;
    const struct source *source;
    const struct compiled *compiled;
    uint64_t overhead_ns; /* wall time of a run whose calls do nothing; 0: it failed */
    size_t rows;
    struct row *row;
};

/* Peak resident memory / most bytes asked - 1 (Johnstone & Wilson 1998). */
double table_fragmentation(const struct table *table, const struct row *row);

/* Of all copies and rounds; the most asked for at a time, of all copies. */
uint64_t table_operations(const struct table *table);
uint64_t table_asked(const struct table *table);

/* The largest resident heap that a trace's samples tell; 0: none does. */
uint64_t table_recorded_heap(const struct table *table);

/* Operations per second. */
double table_rate(const struct table *table, const struct row *row);

void table_print(const struct table *table, FILE *out);

/* json.c: to stdout; CLI_OK, or CLI_FAILED. */
int table_print_json(const struct table *table);
struct json_t *table_value(const struct table *table);
struct json_t *table_figure_value(const struct stats_figure *figure);

#endif
