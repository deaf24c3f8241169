/* objects.c - see objects.h */
#define _GNU_SOURCE
#include "tools/trace/objects.h"

#include <sys/random.h>

#include "tools/trace/memory.h"

enum { FIRST_SHIFT = 64 - 12, LAST_SHIFT = 32, FIRST_ROOM = 1 << 11 };

uint64_t objects_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
        seed = (uintptr_t)&seed * UINT64_C(0x9E3779B97F4A7C15);
    return seed | 1;
}

static size_t bytes_of(size_t slots)
{
    return slots * sizeof(struct objects_slot);
}

static void set_slots(struct objects *objects, unsigned shift)
{
    size_t slots = (size_t)1 << (64 - shift);
    objects->slots = memory_map(bytes_of(slots));
    objects->mask = slots - 1;
    objects->shift = shift;
}

void objects_init(struct objects *objects)
{
    *objects = (struct objects){.seed = objects_seed(), .room = FIRST_ROOM};
    objects->object = memory_map(FIRST_ROOM * sizeof(struct object));
    set_slots(objects, FIRST_SHIFT);
}

void objects_fini(struct objects *objects)
{
    memory_unmap(objects->slots, bytes_of(objects->mask + 1));
    memory_unmap(objects->object, objects->room * sizeof(struct object));
    seats_fini(&objects->seats);
    *objects = (struct objects){0};
}

/* -- slots ------------------------------------------------------------------------------------ */

static size_t home_of(const struct objects *objects, struct objects_slot slot)
{
    return (size_t)(slot.tag >> (objects->shift - LAST_SHIFT));
}

static void place(struct objects *objects, struct objects_slot slot)
{
    size_t at = home_of(objects, slot);
    while (objects->slots[at].seat != 0)
        at = (at + 1) & objects->mask;
    objects->slots[at] = slot;
}

static void double_slots(struct objects *objects)
{
    struct objects_slot *old = objects->slots;
    size_t count = objects->mask + 1;
    if (objects->shift == LAST_SHIFT)
        memory_fail(2 * count, sizeof(*old));
    set_slots(objects, objects->shift - 1);
    for (size_t i = 0; i < count; i++) {
        if (old[i].seat != 0)
            place(objects, old[i]);
    }
    memory_unmap(old, bytes_of(count));
}

/* Moves those behind the hole up that may not be found otherwise. */
static void clear_slot(struct objects *objects, size_t hole)
{
    for (size_t at = (hole + 1) & objects->mask; objects->slots[at].seat != 0;
         at = (at + 1) & objects->mask) {
        size_t home = home_of(objects, objects->slots[at]);
        if (((at - home) & objects->mask) >= ((at - hole) & objects->mask)) {
            objects->slots[hole] = objects->slots[at];
            hole = at;
        }
    }
    objects->slots[hole].seat = 0;
}

/* -- objects ---------------------------------------------------------------------------------- */

uint32_t objects_insert(struct objects *objects, uint64_t units, uint64_t number, uint64_t size)
{
    if (8 * objects->count >= 5 * objects->mask)
        double_slots(objects);
    uint32_t seat = seats_take(&objects->seats);
    while (seat >= objects->room) {
        objects->object = memory_map_more(objects->object, objects->room * sizeof(struct object));
        objects->room *= 2;
    }
    objects->object[seat] = (struct object){units, number, size};
    objects->count++;
    place(objects, (struct objects_slot){(uint32_t)(objects_hash(objects, units) >> 32), seat});
    return seat;
}

void objects_remove(struct objects *objects, uint32_t seat)
{
    struct object *object = &objects->object[seat];
    size_t at = (size_t)(objects_hash(objects, object->units) >> objects->shift);
    while (objects->slots[at].seat != seat)
        at = (at + 1) & objects->mask;
    clear_slot(objects, at);
    object->units = 0;
    objects->count--;
    seats_give(&objects->seats, seat);
}
