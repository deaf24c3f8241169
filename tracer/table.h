/* table.h - a hash table in memory of its own: written by one thread at a time, read by all without
 * a lock. Open addressing, linear probing, doubled when half full; nothing is ever removed.
 *
 * A cell is a key and a value of 64 bits; `tag_mask` says which bits of the value belong to the key
 * as well. A value is never 0: that is an empty cell.
 *
 * T1  used <= cells / 2, so every probe ends at an empty cell
 * T2  a cell's value is stored after its key; neither key nor tag changes afterwards
 * T3  cells that were replaced read as zeros: a reader that is still in there finds nothing */
#ifndef MPRESS_TRACER_TABLE_H
#define MPRESS_TRACER_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_cell {
    _Atomic uint64_t key;
    _Atomic uint64_t value;
};

struct table_cells {
    size_t mask; /* cells - 1 */
    size_t bytes;
    struct table_cell cell[];
};

struct table {
    _Atomic(struct table_cells *) cells; /* NULL: empty; stored by the writer */
    uint64_t tag_mask;                   /* constant */
    size_t used;                         /* T1; the writer's */
};

/* The value under the key and tag, 0: none was seen. A reader may miss what is just being inserted:
 * it asks again as the writer. */
uint64_t table_find(const struct table *table, uint64_t key, uint64_t tag);

/* Adds a value that is not there, or replaces one with the same key and tag. One thread at a time.
 * False: no memory; nothing changed. */
bool table_insert(struct table *table, uint64_t key, uint64_t value);

/* Empties it, as the writer; a reader may still find what was there. */
void table_clear(struct table *table);

/* Memory it holds. */
size_t table_bytes(const struct table *table);

#endif
