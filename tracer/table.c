/* table.c - see table.h. */
#include "tracer/table.h"

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"

enum { TABLE_FIRST_CELLS = 4096 };

/* Its cells are in use, so they were never wiped under the search, and its cell is the first empty
 * one that the key would have come to. */
bool table_is_free(const struct table *table, const struct table_place *place)
{
    struct table_cells *cells = atomic_load_explicit(&table->cells, memory_order_relaxed);
    return cells != NULL && cells == place->cells &&
           atomic_load_explicit(&cells->cell[place->at].value, memory_order_relaxed) == 0;
}

static size_t bytes_of(size_t cells)
{
    size_t bytes = sizeof(struct table_cells) + cells * sizeof(struct table_cell);
    return round_up(bytes, os_page_bytes());
}

static struct table_cells *create_cells(size_t count)
{
    struct table_cells *cells = os_map(bytes_of(count));
    if (cells != NULL) {
        cells->count = count;
        cells->bytes = bytes_of(count);
    }
    return cells;
}

static void fill(struct table_cell *cell, uint64_t key, uint64_t value)
{
    atomic_store_explicit(&cell->key, key, memory_order_relaxed);
    /* release: T2 */
    atomic_store_explicit(&cell->value, value, memory_order_release);
}

/* Returns true when the key was new. */
static bool put(struct table_cells *cells, uint64_t tag_mask, uint64_t key, uint64_t value)
{
    uint64_t tag = value & tag_mask;
    for (size_t at = table_first(key, tag, cells->count);; at = table_next(at, cells->count)) {
        struct table_cell *cell = &cells->cell[at];
        uint64_t there = atomic_load_explicit(&cell->value, memory_order_relaxed);
        bool is_new = there == 0;
        if (!is_new && (atomic_load_explicit(&cell->key, memory_order_relaxed) != key ||
                        (there & tag_mask) != tag))
            continue;
        fill(cell, key, value);
        return is_new;
    }
}

static size_t count_after(size_t count)
{
    bool is_power = (count & (count - 1)) == 0;
    return is_power ? count + count / 2 : count + count / 3;
}

static bool grow(struct table *table, struct table_cells *old)
{
    size_t old_count = old == NULL ? 0 : old->count;
    struct table_cells *cells =
        create_cells(old == NULL ? TABLE_FIRST_CELLS : count_after(old_count));
    if (cells == NULL)
        return false;
    if (old != NULL)
        os_populate(cells, cells->bytes); /* what follows touches every page */
    for (size_t i = 0; i < old_count; i++) {
        uint64_t value = atomic_load_explicit(&old->cell[i].value, memory_order_relaxed);
        if (value != 0)
            put(cells, table->tag_mask,
                atomic_load_explicit(&old->cell[i].key, memory_order_relaxed), value);
    }
    /* release: pairs with the acquire in table_find */
    atomic_store_explicit(&table->cells, cells, memory_order_release);
    if (old != NULL)
        os_purge(old, old->bytes); /* T3; its addresses are not used again */
    return true;
}

static bool is_full(const struct table *table, const struct table_cells *cells)
{
    return table->used + 1 > cells->count / 2; /* T1 */
}

bool table_insert(struct table *table, uint64_t key, uint64_t value)
{
    MP_ASSERT(value != 0);
    struct table_cells *cells = atomic_load_explicit(&table->cells, memory_order_relaxed);
    if (cells == NULL || is_full(table, cells)) {
        if (!grow(table, cells))
            return false;
        cells = atomic_load_explicit(&table->cells, memory_order_relaxed);
    }
    table->used += put(cells, table->tag_mask, key, value);
    MP_ASSERT(table->used <= cells->count / 2);
    return true;
}

bool table_insert_at(struct table *table, const struct table_place *place, uint64_t key,
                     uint64_t value)
{
    if (!table_is_free(table, place) || is_full(table, place->cells))
        return table_insert(table, key, value);
    MP_ASSERT(value != 0);
    fill(&place->cells->cell[place->at], key, value);
    table->used++;
    return true;
}

void table_clear(struct table *table)
{
    struct table_cells *cells = atomic_load_explicit(&table->cells, memory_order_relaxed);
    atomic_store_explicit(&table->cells, NULL, memory_order_relaxed);
    table->used = 0;
    if (cells != NULL)
        os_purge(cells, cells->bytes); /* T3, as in grow */
}

size_t table_bytes(const struct table *table)
{
    struct table_cells *cells = atomic_load_explicit(&table->cells, memory_order_relaxed);
    return cells == NULL ? 0 : cells->bytes;
}
