/* pending.c - see pending.h */
#include "tools/trace/pending.h"

#include <stdlib.h>

#include "tools/trace/memory.h"
#include "tools/trace/objects.h"

enum { FIRST_SHIFT = 64 - 10 };

static uint32_t *find_head(const struct pending *pending, uint64_t units)
{
    return &pending->heads[(units * pending->seed) >> pending->shift];
}

void pending_init(struct pending *pending)
{
    *pending = (struct pending){.shift = FIRST_SHIFT, .entry_count = 1, .seed = objects_seed()};
    pending->heads = memory_alloc((size_t)1 << (64 - FIRST_SHIFT), sizeof(*pending->heads));
    pending->entries = memory_grow(NULL, 0, &pending->entry_capacity, sizeof(*pending->entries));
}

void pending_fini(struct pending *pending)
{
    free(pending->heads);
    free(pending->entries);
}

static void double_heads(struct pending *pending)
{
    free(pending->heads);
    pending->shift--;
    pending->heads = memory_alloc((size_t)1 << (64 - pending->shift), sizeof(*pending->heads));
    for (uint32_t i = 1; i < pending->entry_count; i++) {
        struct pending_entry *entry = &pending->entries[i];
        if (entry->remaining == 0)
            continue;
        uint32_t *head = find_head(pending, entry->units);
        entry->next = *head;
        *head = i;
    }
}

static uint32_t take_free_entry(struct pending *pending)
{
    uint32_t index = pending->free;
    if (index != 0) {
        pending->free = pending->entries[index].next;
        return index;
    }
    pending->entries = memory_grow(pending->entries, pending->entry_count, &pending->entry_capacity,
                                   sizeof(*pending->entries));
    return (uint32_t)pending->entry_count++;
}

static void insert(struct pending *pending, uint64_t units, uint32_t lane, bool is_death)
{
    if (pending->used > (size_t)1 << (64 - pending->shift))
        double_heads(pending);
    uint32_t index = take_free_entry(pending);
    uint32_t *head = find_head(pending, units);
    pending->entries[index] = (struct pending_entry){.units = units,
                                                     .lane = lane,
                                                     .next = *head,
                                                     .remaining = 1,
                                                     .next_is_death = is_death,
                                                     .last_is_death = is_death};
    *head = index;
    pending->used++;
}

void pending_add(struct pending *pending, uint64_t units, uint32_t lane, bool is_death)
{
    for (uint32_t i = *find_head(pending, units); i != 0; i = pending->entries[i].next) {
        struct pending_entry *entry = &pending->entries[i];
        if (entry->units == units && entry->lane == lane) {
            entry->remaining++;
            entry->last_is_death = is_death;
            return;
        }
    }
    insert(pending, units, lane, is_death);
}

void pending_take(struct pending *pending, uint64_t units, uint32_t lane, bool is_death)
{
    for (uint32_t *link = find_head(pending, units); *link != 0;) {
        uint32_t index = *link;
        struct pending_entry *entry = &pending->entries[index];
        if (entry->units != units || entry->lane != lane) {
            link = &entry->next;
            continue;
        }
        entry->next_is_death = !is_death;
        if (--entry->remaining != 0)
            return;
        *link = entry->next;
        entry->next = pending->free;
        pending->free = index;
        pending->used--;
        return;
    }
}

const struct pending_entry *pending_visit(const struct pending *pending, uint64_t units,
                                          const struct pending_entry *entry)
{
    uint32_t index = entry == NULL ? *find_head(pending, units) : entry->next;
    while (index != 0 && pending->entries[index].units != units)
        index = pending->entries[index].next;
    return index == 0 ? NULL : &pending->entries[index];
}

const struct pending_entry *pending_find(const struct pending *pending, uint64_t units,
                                         uint32_t lane)
{
    const struct pending_entry *entry = pending_visit(pending, units, NULL);
    while (entry != NULL && entry->lane != lane)
        entry = pending_visit(pending, units, entry);
    return entry;
}
