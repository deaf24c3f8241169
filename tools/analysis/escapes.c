/* escapes.c - see escapes.h. */
#include "tools/analysis/escapes.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 64 };

/* -- rings ------------------------------------------------------------------------------------ */

static void begin(struct escapes *escapes, struct store *store)
{
    escapes->store = store;
    objects_init(&escapes->places, sizeof(uint32_t));
    objects_init(&escapes->groups, sizeof(size_t));
    escapes->block_room = FIRST_ROOM;
    escapes->block = store_alloc(store, FIRST_ROOM, sizeof escapes->block[0]);
    escapes->blocks = 1;
}

static uint32_t take_entry(struct escapes *escapes)
{
    uint32_t entry = escapes->unused;
    if (entry != 0) {
        escapes->unused = escapes->block[entry].next;
        return entry;
    }
    if (escapes->blocks == escapes->block_room) {
        escapes->block = store_grow(escapes->store, escapes->block, escapes->block_room,
                                    2 * escapes->block_room, sizeof escapes->block[0]);
        escapes->block_room *= 2;
    }
    return (uint32_t)escapes->blocks++;
}

static void give_entry(struct escapes *escapes, uint32_t entry)
{
    escapes->block[entry].next = escapes->unused;
    escapes->unused = entry;
}

void escapes_born(struct escapes *escapes, struct store *store, uint32_t *ring, uint32_t seat,
                  uint64_t bytes, uint32_t node)
{
    if (escapes->block == NULL)
        begin(escapes, store);
    if (*ring == 0) {
        *ring = take_entry(escapes);
        escapes->block[*ring] = (struct escape_block){.next = *ring, .prev = *ring};
    }
    uint32_t entry = take_entry(escapes), next = escapes->block[*ring].next;
    escapes->block[entry] = (struct escape_block){seat, bytes, node, next, *ring};
    escapes->block[next].prev = entry;
    escapes->block[*ring].next = entry;
    uint32_t place = objects_insert(&escapes->places, seat);
    *(uint32_t *)objects_get(&escapes->places, place) = entry;
    escapes->alive++;
}

/* The entry of the block in that seat; 0: it is in no ring. */
static uint32_t forget(struct escapes *escapes, uint32_t seat)
{
    uint32_t place = objects_remove(&escapes->places, seat);
    escapes->alive -= place != 0;
    return place != 0 ? *(uint32_t *)objects_get(&escapes->places, place) : 0;
}

void escapes_died(struct escapes *escapes, uint32_t seat)
{
    uint32_t entry = escapes->alive != 0 && seat != 0 ? forget(escapes, seat) : 0;
    if (entry == 0)
        return;
    const struct escape_block *block = &escapes->block[entry];
    escapes->block[block->next].prev = block->prev;
    escapes->block[block->prev].next = block->next;
    give_entry(escapes, entry);
}

/* -- groups ----------------------------------------------------------------------------------- */

static struct escape *find_group(struct escapes *escapes, const char *name, uint32_t number,
                                 uint32_t node)
{
    uint64_t key = ((uint64_t)number + 1) << 32 | node;
    uint32_t known = objects_find(&escapes->groups, key);
    if (known != 0)
        return &escapes->all[*(size_t *)objects_get(&escapes->groups, known)];
    if (escapes->count == escapes->room) {
        size_t room = escapes->room != 0 ? 2 * escapes->room : FIRST_ROOM;
        escapes->all =
            store_grow(escapes->store, escapes->all, escapes->room, room, sizeof escapes->all[0]);
        escapes->room = room;
    }
    escapes->all[escapes->count] = (struct escape){.name = name, .node = node};
    uint32_t place = objects_insert(&escapes->groups, key);
    *(size_t *)objects_get(&escapes->groups, place) = escapes->count;
    return &escapes->all[escapes->count++];
}

void escapes_end(struct escapes *escapes, uint32_t ring, const char *name, uint32_t number)
{
    if (ring == 0)
        return;
    for (uint32_t entry = escapes->block[ring].next; entry != ring;) {
        const struct escape_block block = escapes->block[entry];
        struct escape *group = find_group(escapes, name, number, block.node);
        group->blocks++;
        group->bytes += block.bytes;
        forget(escapes, block.seat);
        give_entry(escapes, entry);
        entry = block.next;
    }
    give_entry(escapes, ring);
}

static int compare(const void *a, const void *b)
{
    const struct escape *one = a, *other = b;
    if (one->bytes != other->bytes)
        return one->bytes < other->bytes ? 1 : -1;
    if (one->node != other->node)
        return one->node < other->node ? -1 : 1;
    return strcmp(one->name, other->name);
}

void escapes_finish(struct escapes *escapes)
{
    if (escapes->count != 0)
        qsort(escapes->all, escapes->count, sizeof escapes->all[0], compare);
}

void escapes_fini(struct escapes *escapes)
{
    if (escapes->block == NULL)
        return;
    objects_fini(&escapes->places);
    objects_fini(&escapes->groups);
}
