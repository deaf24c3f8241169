/* table.h - a hash table in memory of its own: written by one thread at a time, read by all without
 * a lock. Open addressing, linear probing; nothing is ever removed. When half full it
 * grows by a half or by a third, in turns (2^n cells, 3 * 2^(n-1) cells): doubled, it would be up
 * to four times as large as what is in it.
 *
 * A cell is a key and a value of 64 bits; `tag_mask` says which bits of the value belong to the key
 * as well. A value is never 0: that is an empty cell.
 *
 * T1  used <= half of the cells, so every probe ends at an empty cell
 * T2  a cell's value is stored after its key; neither key nor tag changes afterwards
 * T3  cells that were replaced read as zeros: a reader that is still in there finds nothing */
#ifndef MPRESS_TRACER_TABLE_H
#define MPRESS_TRACER_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"

struct table_cell {
    _Atomic uint64_t key;
    _Atomic uint64_t value;
};

struct table_cells {
    size_t count; /* below 2^32 */
    size_t bytes;
    struct table_cell cell[];
};

struct table {
    _Atomic(struct table_cells *) cells; /* NULL: empty; stored by the writer */
    uint64_t tag_mask;                   /* constant */
    size_t used;                         /* T1; the writer's */
};

/* Where a search ended that found nothing: at an empty cell, where the key would be if it had been
 * inserted since. */
struct table_place {
    struct table_cells *cells; /* NULL: there were none */
    size_t at;
};

/* Where a search begins. Spreads neighbours (one function's call sites, one parent's children) over
 * the table: the high half of the product as a fraction of the cells (Lemire 2019). 0 of none.
 */
static inline size_t table_first(uint64_t key, uint64_t tag, size_t count)
{
    uint64_t mixed = (key + tag) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)((mixed >> 32) * count >> 32);
}

static inline size_t table_next(size_t at, size_t count)
{
    return MP_LIKELY(at + 1 < count) ? at + 1 : 0;
}

/* The value under the key and tag; 0: none was seen, and *place is where the search ended. A reader
 * may miss what is just being inserted: it asks again as the writer. */
static inline uint64_t table_find_place(const struct table *table, uint64_t key, uint64_t tag,
                                        struct table_place *place)
{
    /* acquire: pairs with the release in grow */
    struct table_cells *cells = atomic_load_explicit(&table->cells, memory_order_acquire);
    size_t at = 0;
    if (MP_LIKELY(cells != NULL)) {
        size_t count = cells->count; /* T3: 0 in replaced cells, whose first cell is then empty */
        uint64_t value;
        /* acquire: pairs with the release in fill (T2) */
        for (at = table_first(key, tag, count);
             (value = atomic_load_explicit(&cells->cell[at].value, memory_order_acquire)) != 0;
             at = table_next(at, count)) {
            if (atomic_load_explicit(&cells->cell[at].key, memory_order_relaxed) == key &&
                (value & table->tag_mask) == tag)
                return value;
        }
    }
    *place = (struct table_place){cells, at};
    return 0;
}

static inline uint64_t table_find(const struct table *table, uint64_t key, uint64_t tag)
{
    struct table_place place;
    return table_find_place(table, key, tag, &place);
}

/* As the writer: whether what was not found is not there, and its place is free still. */
bool table_is_free(const struct table *table, const struct table_place *place);

/* Adds a value that is not there, or replaces one with the same key and tag. One thread at a time.
 * False: no memory; nothing changed. */
bool table_insert(struct table *table, uint64_t key, uint64_t value);

/* The same, and without looking again for one whose place is free. */
bool table_insert_at(struct table *table, const struct table_place *place, uint64_t key,
                     uint64_t value);

/* Empties it, as the writer; a reader may still find what was there. */
void table_clear(struct table *table);

/* Memory it holds. */
size_t table_bytes(const struct table *table);

#endif
