/* block_table.c - open addressing with linear probing, deletion by shifting back (Knuth, TAOCP 3,
 * 6.4, algorithm R).
 *
 * A fork can cut every change: so an address is written after all that belongs to it, an entry that
 * moves is there twice rather than not at all, and a larger table is published when it is full. */
#include "allocators/block_table.h"

#include <stdatomic.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"

enum { SLOTS_FIRST = 256 };

struct block {
    _Atomic uintptr_t address; /* 0: an empty slot */
    size_t bytes, room;        /* right whenever the address is not 0 */
};

struct block_slots {
    size_t count; /* a power of two; constant */
    size_t spare;
    struct block at[];
};

static uintptr_t address_of(const struct block *block)
{
    return atomic_load_explicit(&block->address, memory_order_relaxed);
}

/* Release: a child that sees the address sees the bytes. */
static void set_block(struct block *block, uintptr_t address, size_t bytes, size_t room)
{
    atomic_store_explicit(&block->address, 0, memory_order_release);
    block->bytes = bytes;
    block->room = room;
    atomic_store_explicit(&block->address, address, memory_order_release);
}

static struct block_slots *slots_of(const struct block_table *table)
{
    return atomic_load_explicit(&table->slots, memory_order_relaxed); /* under the lock */
}

/* Release: a child that sees the slots sees what is in them. */
static void set_slots(struct block_table *table, struct block_slots *slots)
{
    atomic_store_explicit(&table->slots, slots, memory_order_release);
}

/* -- slots ------------------------------------------------------------------------------------ */

static size_t slots_bytes(size_t count)
{
    return round_up(sizeof(struct block_slots) + count * sizeof(struct block), os_page_bytes());
}

static struct block_slots *create_slots(size_t count)
{
    struct block_slots *slots = os_map(slots_bytes(count));
    if (slots != NULL)
        slots->count = count;
    return slots;
}

static size_t home_of(const struct block_slots *slots, uintptr_t address)
{
    return (size_t)((address >> 12) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (slots->count - 1);
}

static struct block *find(struct block_slots *slots, uintptr_t address)
{
    if (slots == NULL || address == 0)
        return NULL;
    for (size_t i = home_of(slots, address);; i = (i + 1) & (slots->count - 1)) {
        if (address_of(&slots->at[i]) == address)
            return &slots->at[i];
        if (address_of(&slots->at[i]) == 0)
            return NULL;
    }
}

static void place(struct block_slots *slots, uintptr_t address, size_t bytes, size_t room)
{
    size_t i = home_of(slots, address);
    while (address_of(&slots->at[i]) != 0)
        i = (i + 1) & (slots->count - 1);
    set_block(&slots->at[i], address, bytes, room);
}

/* Copies every block that is not there yet. */
static void copy_blocks(struct block_slots *to, const struct block_slots *from)
{
    for (size_t i = 0; i < from->count; i++) {
        uintptr_t address = address_of(&from->at[i]);
        if (address != 0 && find(to, address) == NULL)
            place(to, address, from->at[i].bytes, from->at[i].room);
    }
}

/* Empties a slot and moves back those behind it that had to pass it. */
static void erase(struct block_slots *slots, struct block *block)
{
    size_t mask = slots->count - 1;
    size_t hole = (size_t)(block - slots->at);
    for (size_t i = (hole + 1) & mask; address_of(&slots->at[i]) != 0; i = (i + 1) & mask) {
        uintptr_t address = address_of(&slots->at[i]);
        if (((i - home_of(slots, address)) & mask) < ((i - hole) & mask))
            continue;
        set_block(&slots->at[hole], address, slots->at[i].bytes, slots->at[i].room);
        hole = i;
    }
    atomic_store_explicit(&slots->at[hole].address, 0, memory_order_relaxed);
}

/* -- the table -------------------------------------------------------------------------------- */

static bool make_room(struct block_table *table)
{
    struct block_slots *old = slots_of(table);
    if (old != NULL && table->used * 2 < old->count)
        return true;
    struct block_slots *slots = create_slots(old == NULL ? SLOTS_FIRST : old->count * 2);
    if (slots == NULL) /* B1 is given up before a block is */
        return old != NULL && table->used + 1 < old->count;
    if (old != NULL)
        copy_blocks(slots, old);
    set_slots(table, slots);
    if (old != NULL)
        os_unmap(old, slots_bytes(old->count));
    return true;
}

bool block_table_insert(struct block_table *table, const void *p, size_t bytes, size_t room)
{
    MP_ASSERT(bytes <= room);
    lock_take(&table->lock);
    bool has_room = make_room(table);
    if (has_room) {
        place(slots_of(table), (uintptr_t)p, bytes, room);
        table->used++;
        table->bytes += bytes;
    }
    lock_drop(&table->lock);
    return has_room;
}

size_t block_table_remove(struct block_table *table, const void *p, size_t *room)
{
    lock_take(&table->lock);
    struct block *block = find(slots_of(table), (uintptr_t)p);
    size_t bytes = block != NULL ? block->bytes : 0;
    if (block != NULL && room != NULL)
        *room = block->room;
    if (block != NULL) {
        erase(slots_of(table), block);
        table->used--;
        table->bytes -= bytes;
    }
    lock_drop(&table->lock);
    return bytes;
}

bool block_table_grow(struct block_table *table, const void *p, size_t bytes)
{
    lock_take(&table->lock);
    struct block *block = find(slots_of(table), (uintptr_t)p);
    bool has_room = block != NULL && bytes >= block->bytes && bytes <= block->room;
    if (has_room) {
        table->bytes += bytes - block->bytes;
        block->bytes = bytes;
    }
    lock_drop(&table->lock);
    return has_room;
}

size_t block_table_find(struct block_table *table, const void *p)
{
    lock_take(&table->lock);
    const struct block *block = find(slots_of(table), (uintptr_t)p);
    size_t bytes = block != NULL ? block->bytes : 0;
    lock_drop(&table->lock);
    return bytes;
}

bool block_table_contains(struct block_table *table, const void *p)
{
    bool found = false;
    lock_take(&table->lock);
    size_t count = slots_of(table) != NULL ? slots_of(table)->count : 0;
    for (size_t i = 0; i < count && !found; i++) {
        const struct block *block = &slots_of(table)->at[i];
        uintptr_t address = address_of(block);
        found = address != 0 && (uintptr_t)p - address < block->bytes;
    }
    lock_drop(&table->lock);
    return found;
}

bool block_table_any_within(struct block_table *table, uintptr_t start, uintptr_t end)
{
    bool found = false;
    lock_take(&table->lock);
    size_t count = slots_of(table) != NULL ? slots_of(table)->count : 0;
    for (size_t i = 0; i < count && !found; i++) {
        uintptr_t address = address_of(&slots_of(table)->at[i]);
        found = address != 0 && address >= start && address < end;
    }
    lock_drop(&table->lock);
    return found;
}

void block_table_read_totals(struct block_table *table, size_t *blocks, size_t *bytes)
{
    lock_take(&table->lock);
    *blocks = table->used;
    *bytes = table->bytes;
    lock_drop(&table->lock);
}

/* A table cut in the middle of a change has every block at least once. */
static void rehash(struct block_table *table)
{
    struct block_slots *slots = create_slots(slots_of(table)->count);
    if (slots == NULL)
        return;
    struct block_slots *old = slots_of(table);
    copy_blocks(slots, old);
    set_slots(table, slots);
    os_unmap(old, slots_bytes(old->count));
    table->used = table->bytes = 0;
    for (size_t i = 0; i < slots->count; i++) {
        table->used += address_of(&slots->at[i]) != 0;
        table->bytes += slots->at[i].bytes;
    }
}

void block_table_visit(struct block_table *table,
                       void (*visit)(void *p, size_t bytes, void *context), void *context)
{
    const struct block_slots *slots = slots_of(table);
    for (size_t i = 0; slots != NULL && i < slots->count; i++) {
        uintptr_t address = address_of(&slots->at[i]);
        if (address != 0)
            visit((void *)address, slots->at[i].bytes, context);
    }
}

void block_table_visit_rooms(struct block_table *table,
                             void (*visit)(char *end, size_t behind, void *context), void *context)
{
    lock_take(&table->lock);
    const struct block_slots *slots = slots_of(table);
    for (size_t i = 0; slots != NULL && i < slots->count; i++) {
        const struct block *block = &slots->at[i];
        if (address_of(block) != 0 && block->room > block->bytes)
            visit((char *)address_of(block) + block->bytes, block->room - block->bytes, context);
    }
    lock_drop(&table->lock);
}

const void *block_table_memory(const struct block_table *table, size_t *bytes)
{
    const struct block_slots *slots = slots_of(table);
    *bytes = slots == NULL ? 0 : slots_bytes(slots->count);
    return slots;
}

void block_table_fork_child(struct block_table *table)
{
    if (lock_reset(&table->lock) && slots_of(table) != NULL)
        rehash(table);
}
