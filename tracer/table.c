/* table.c - see table.h. */
#include "tracer/table.h"

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"

enum { TABLE_FIRST_CELLS = 4096 };

/* Keeps neighbours of code close to each other (one function's call sites, one parent's children)
 * in the low bits and spreads the rest. */
static size_t place_of(uint64_t key, uint64_t tag)
{
    uint64_t mixed = (key + tag) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(mixed >> 32 ^ mixed >> 52);
}

uint64_t table_find(const struct table *table, uint64_t key, uint64_t tag)
{
    /* acquire: pairs with the release in grow */
    struct table_cells *cells = atomic_load_explicit(&table->cells, memory_order_acquire);
    if (cells == NULL)
        return 0;
    size_t mask = cells->mask; /* T3: 0 in replaced cells, whose first cell is then empty */
    for (size_t at = place_of(key, tag) & mask;; at = (at + 1) & mask) {
        /* acquire: pairs with the release in put (T2) */
        uint64_t value = atomic_load_explicit(&cells->cell[at].value, memory_order_acquire);
        if (value == 0)
            return 0;
        if (atomic_load_explicit(&cells->cell[at].key, memory_order_relaxed) == key &&
            (value & table->tag_mask) == tag)
            return value;
    }
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
        cells->mask = count - 1;
        cells->bytes = bytes_of(count);
    }
    return cells;
}

/* Returns true when the key was new. */
static bool put(struct table_cells *cells, uint64_t tag_mask, uint64_t key, uint64_t value)
{
    uint64_t tag = value & tag_mask;
    for (size_t at = place_of(key, tag) & cells->mask;; at = (at + 1) & cells->mask) {
        struct table_cell *cell = &cells->cell[at];
        uint64_t there = atomic_load_explicit(&cell->value, memory_order_relaxed);
        bool is_new = there == 0;
        if (!is_new && (atomic_load_explicit(&cell->key, memory_order_relaxed) != key ||
                        (there & tag_mask) != tag))
            continue;
        atomic_store_explicit(&cell->key, key, memory_order_relaxed);
        /* release: T2 */
        atomic_store_explicit(&cell->value, value, memory_order_release);
        return is_new;
    }
}

static bool grow(struct table *table, struct table_cells *old)
{
    size_t old_count = old == NULL ? 0 : old->mask + 1;
    struct table_cells *cells = create_cells(old == NULL ? TABLE_FIRST_CELLS : 2 * old_count);
    if (cells == NULL)
        return false;
    if (old != NULL)
        os_populate(cells, cells->bytes); /* what follows touches every page, in no order */
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

bool table_insert(struct table *table, uint64_t key, uint64_t value)
{
    MP_ASSERT(value != 0);
    struct table_cells *cells = atomic_load_explicit(&table->cells, memory_order_relaxed);
    if (cells == NULL || table->used + 1 > (cells->mask + 1) / 2) {
        if (!grow(table, cells))
            return false;
        cells = atomic_load_explicit(&table->cells, memory_order_relaxed);
    }
    table->used += put(cells, table->tag_mask, key, value);
    MP_ASSERT(table->used <= (cells->mask + 1) / 2); /* T1 */
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
