/* live.c - a ring for the young, a hash table with backward-shift deletion for the old (Knuth,
 * TAOCP 3, 6.4, algorithm R): no tombstones, so a table that was once full is not slow for ever. */
#include "tools/analysis/live.h"

#include <string.h>

enum { FIRST_SLOTS = 1 << 12 };

static size_t get_home(const struct live *live, uint64_t object)
{
    return (size_t)((object * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (live->table_slots - 1);
}

static void put_in_table(struct live *live, const struct block *block)
{
    size_t at = get_home(live, block->object);
    while (live->table[at].object != 0)
        at = (at + 1) & (live->table_slots - 1);
    live->table[at] = *block;
}

static void grow_table(struct live *live)
{
    struct block *old = live->table;
    size_t old_slots = live->table_slots;
    live->table_slots *= 2;
    live->table = store_alloc(live->store, live->table_slots, sizeof live->table[0]);
    for (size_t i = 0; i < old_slots; i++) {
        if (old[i].object != 0)
            put_in_table(live, &old[i]);
    }
    store_free(old);
}

static void move_to_table(struct live *live, const struct block *block)
{
    if ((live->table_used + 1) * 3 > live->table_slots * 2)
        grow_table(live);
    live->table_used++;
    put_in_table(live, block);
}

static size_t find_in_table(const struct live *live, uint64_t object)
{
    size_t at = get_home(live, object);
    while (live->table[at].object != object && live->table[at].object != 0)
        at = (at + 1) & (live->table_slots - 1);
    return at;
}

/* Closes the hole at `at`: pulls back every later entry of the run that may stand there. */
static void close_hole(struct live *live, size_t at)
{
    size_t mask = live->table_slots - 1;
    for (size_t next = (at + 1) & mask; live->table[next].object != 0; next = (next + 1) & mask) {
        size_t home = get_home(live, live->table[next].object);
        if (((next - home) & mask) >= ((next - at) & mask)) {
            live->table[at] = live->table[next];
            at = next;
        }
    }
    live->table[at].object = 0;
}

void live_init(struct live *live, struct store *store)
{
    *live = (struct live){.store = store, .table_slots = FIRST_SLOTS};
    live->young = store_alloc(store, LIVE_YOUNG, sizeof live->young[0]);
    live->table = store_alloc(store, FIRST_SLOTS, sizeof live->table[0]);
}

void live_fini(struct live *live)
{
    store_free(live->young);
    store_free(live->table);
}

void live_insert(struct live *live, const struct block *block)
{
    struct block *slot = &live->young[block->object % LIVE_YOUNG];
    if (slot->object != 0)
        move_to_table(live, slot);
    *slot = *block;
}

/* An insert moves out who is in the ring's slot, a removal looks there and then in the table. */
void live_prefetch(const struct live *live, uint64_t object)
{
    uint64_t there = live->young[object % LIVE_YOUNG].object;
    if (there != 0 && there != object)
        __builtin_prefetch(&live->table[get_home(live, there)], 1);
    __builtin_prefetch(&live->table[get_home(live, object)], 1);
}

bool live_remove(struct live *live, uint64_t object, struct block *block)
{
    if (object == 0)
        return false;
    struct block *slot = &live->young[object % LIVE_YOUNG];
    if (slot->object == object) {
        *block = *slot;
        slot->object = 0;
        return true;
    }
    size_t at = find_in_table(live, object);
    if (live->table[at].object == 0)
        return false;
    *block = live->table[at];
    close_hole(live, at);
    live->table_used--;
    return true;
}

const struct block *live_find(const struct live *live, uint64_t object)
{
    const struct block *young = &live->young[object % LIVE_YOUNG];
    if (object == 0 || young->object == object)
        return object == 0 ? NULL : young;
    const struct block *old = &live->table[find_in_table(live, object)];
    return old->object == 0 ? NULL : old;
}

void live_visit(const struct live *live, void (*visit)(const struct block *block, void *context),
                void *context)
{
    for (size_t i = 0; i < LIVE_YOUNG; i++) {
        if (live->young[i].object != 0)
            visit(&live->young[i], context);
    }
    for (size_t i = 0; i < live->table_slots; i++) {
        if (live->table[i].object != 0)
            visit(&live->table[i], context);
    }
}
