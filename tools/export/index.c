/* index.c - see index.h. */
#include "tools/export/index.h"

#include "tools/store.h"

enum { INDEX_FIRST_SLOTS = 1024 };

struct index_slot {
    uint64_t hash;
    uint32_t number_and_one; /* 0: free */
};

/* The slot of a thing that is not there yet. */
static struct index_slot *find_free(struct index *index, uint64_t hash)
{
    size_t i = hash & (index->slots - 1);
    while (index->slot[i].number_and_one != 0)
        i = (i + 1) & (index->slots - 1);
    return &index->slot[i];
}

static void grow(struct index *index)
{
    struct index old = *index;
    index->slots = old.slots == 0 ? INDEX_FIRST_SLOTS : 2 * old.slots;
    index->slot = store_alloc(index->store, index->slots, sizeof *index->slot);
    for (size_t i = 0; i < old.slots; i++) {
        if (old.slot[i].number_and_one != 0)
            *find_free(index, old.slot[i].hash) = old.slot[i];
    }
    store_free(old.slot);
}

uint32_t index_get(struct index *index, uint64_t hash, index_matches *matches, const void *wanted,
                   uint32_t next)
{
    hash *= UINT64_C(0x9E3779B97F4A7C15); /* Fibonacci hashing: the low bits must depend on all */
    hash ^= hash >> 32;
    if (2 * index->used >= index->slots)
        grow(index);
    size_t i = hash & (index->slots - 1);
    for (; index->slot[i].number_and_one != 0; i = (i + 1) & (index->slots - 1)) {
        uint32_t number = index->slot[i].number_and_one - 1;
        if (index->slot[i].hash == hash && matches(wanted, number))
            return number;
    }
    index->slot[i] = (struct index_slot){hash, next + 1};
    index->used++;
    return next;
}
