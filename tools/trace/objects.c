/* objects.c - see objects.h */
#define _GNU_SOURCE
#include "tools/trace/objects.h"

#include <sys/mman.h>
#include <sys/random.h>

#include "tools/trace/memory.h"

enum { FIRST_SHIFT = 64 - 12 };

uint64_t objects_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
        seed = (uintptr_t)&seed * UINT64_C(0x9E3779B97F4A7C15);
    return seed | 1;
}

static size_t bytes_of(size_t slots)
{
    return slots * sizeof(struct object);
}

/* Zeroed. In huge pages: with millions of blocks alive every event would miss the TLB. */
static struct object *map_slots(size_t slots)
{
    void *map =
        mmap(NULL, bytes_of(slots), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return memory_alloc(slots, SIZE_MAX / slots); /* says so and ends */
    madvise(map, bytes_of(slots), MADV_HUGEPAGE);
    return map;
}

static void set_slots(struct objects *objects, unsigned shift)
{
    size_t slots = (size_t)1 << (64 - shift);
    objects->slots = map_slots(slots);
    objects->mask = slots - 1;
    objects->shift = shift;
}

void objects_init(struct objects *objects)
{
    objects->count = 0;
    objects->seed = objects_seed();
    set_slots(objects, FIRST_SHIFT);
}

void objects_fini(struct objects *objects)
{
    munmap(objects->slots, bytes_of(objects->mask + 1));
    objects->slots = NULL;
}

static struct object *place(struct objects *objects, const struct object *object)
{
    size_t slot = objects_slot(objects, object->units);
    while (objects->slots[slot].units != 0)
        slot = (slot + 1) & objects->mask;
    objects->slots[slot] = *object;
    return &objects->slots[slot];
}

static void double_slots(struct objects *objects)
{
    struct object *old = objects->slots;
    size_t count = objects->mask + 1;
    set_slots(objects, objects->shift - 1);
    for (size_t i = 0; i < count; i++) {
        if (old[i].units != 0)
            place(objects, &old[i]);
    }
    munmap(old, bytes_of(count));
}

struct object *objects_insert(struct objects *objects, uint64_t units, uint64_t number,
                              uint64_t size)
{
    if (objects->count * 2 > objects->mask)
        double_slots(objects);
    objects->count++;
    return place(objects, &(struct object){units, number, size, 0, 0});
}

/* Moves those behind the hole up that may not be found otherwise. */
void objects_remove(struct objects *objects, struct object *object)
{
    size_t hole = (size_t)(object - objects->slots);
    size_t slot = hole;
    for (;;) {
        slot = (slot + 1) & objects->mask;
        struct object *next = &objects->slots[slot];
        if (next->units == 0)
            break;
        size_t home = objects_slot(objects, next->units);
        if (((slot - home) & objects->mask) >= ((slot - hole) & objects->mask)) {
            objects->slots[hole] = *next;
            hole = slot;
        }
    }
    objects->slots[hole].units = 0;
    objects->count--;
}
