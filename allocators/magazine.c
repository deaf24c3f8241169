/* magazine.c - the pool of empty magazines, and the depot: per class, a list of those with rounds.
 *
 * The depot keeps what the threads exchange. What lay unused from one tick to the next (the least
 * number of magazines seen: Bonwick & Adams 2001, 3.6, "working set") goes back to the slabs. */
#include "allocators/magazine.h"

#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/large.h"
#include "allocators/meta.h"
#include "allocators/size_class.h"
#include "allocators/slab.h"

enum {
    DEPOT_BYTES = 512 * 1024, /* of objects, per class: what bulk patterns were seen to exchange */
};

/* Empty magazines by step. */
static struct {
    struct lock lock;
    struct magazine *first[MAGAZINE_STEPS];
} empties = {.lock = LOCK_INIT(LOCK_RANK_REGISTRY)};

/* Magazines with rounds of one class. */
struct shelf {
    struct lock lock;
    uint32_t count;
    uint32_t least; /* smallest count since the last tick */
    uint32_t spare;
    size_t rounds;
    struct magazine *first;
} __attribute__((aligned(64)));

static struct shelf shelves[SIZE_CLASS_END];

/* -- empty magazines -------------------------------------------------------------------------- */

static size_t magazine_bytes(unsigned step)
{
    return sizeof(struct magazine) + (((size_t)MAGAZINE_FIRST_ROUNDS << step) + 2) * sizeof(void *);
}

static struct magazine *take_empty(unsigned step)
{
    lock_take(&empties.lock);
    struct magazine *magazine = empties.first[step];
    if (magazine != NULL)
        empties.first[step] = magazine->next;
    lock_drop(&empties.lock);
    return magazine;
}

struct magazine *magazine_get(unsigned class, unsigned step)
{
    struct magazine *magazine = take_empty(step);
    if (magazine == NULL)
        magazine = meta_alloc(magazine_bytes(step));
    if (magazine == NULL)
        return NULL;
    uint32_t most = size_tables.classes[class].rounds_max;
    uint32_t rounds = UINT32_C(8) << step;
    magazine->next = NULL;
    magazine->rounds = 0;
    magazine->capacity = (uint16_t)(rounds < most ? rounds : most);
    magazine->class = (uint8_t) class;
    magazine->step = (uint8_t)step;
    magazine->is_hollow = false;
    memset(magazine->slot, 0, (magazine->capacity + 1U) * sizeof(void *)); /* no stale sentinel */
    magazine->slot[magazine->capacity + 1] = MAGAZINE_FULL;
    return magazine;
}

void magazine_put(struct magazine *magazine)
{
    lock_take(&empties.lock);
    magazine->next = empties.first[magazine->step];
    empties.first[magazine->step] = magazine;
    lock_drop(&empties.lock);
}

void magazine_fill_hollow(struct magazine *magazine)
{
    uint32_t kept = 0;
    for (uint32_t slot = 1; slot <= magazine->rounds; slot++) {
        void *round = magazine->slot[slot];
        if (round != NULL)
            magazine->slot[++kept] = round;
    }
    magazine->rounds = kept;
    magazine->is_hollow = false;
}

void magazine_give(unsigned class, void *const *rounds, unsigned count, bool leftovers)
{
    if (class == SIZE_CLASS_MEDIUM)
        large_give(rounds, count, leftovers);
    else if (leftovers)
        slab_give_leftovers(class, rounds, count);
    else
        slab_give(class, rounds, count);
}

bool magazine_can_grow(const struct magazine *magazine)
{
    return magazine->capacity < size_tables.classes[magazine->class].rounds_max &&
           magazine->step + 1 < MAGAZINE_STEPS;
}

/* -- the depot -------------------------------------------------------------------------------- */

void depot_init(void)
{
    for (unsigned class = 0; class < SIZE_CLASS_END; class ++)
        shelves[class].lock.rank = LOCK_RANK_DEPOT;
}

static struct magazine *shelf_take(struct shelf *shelf)
{
    struct magazine *magazine = shelf->first;
    if (magazine == NULL)
        return NULL;
    shelf->first = magazine->next;
    shelf->rounds -= magazine->rounds;
    shelf->count--;
    if (shelf->count < shelf->least)
        shelf->least = shelf->count;
    return magazine;
}

struct magazine *depot_get(unsigned class)
{
    struct shelf *shelf = &shelves[class];
    lock_take(&shelf->lock);
    struct magazine *magazine = shelf_take(shelf);
    lock_drop(&shelf->lock);
    MP_ASSERT(magazine == NULL || magazine->rounds > 0);
    return magazine;
}

bool depot_put(struct magazine *magazine)
{
    MP_ASSERT(magazine->rounds > 0);
    struct shelf *shelf = &shelves[magazine->class];
    size_t bytes = size_tables.classes[magazine->class].bytes;
    lock_take(&shelf->lock);
    bool has_room = (shelf->rounds + magazine->rounds) * bytes <= DEPOT_BYTES;
    if (has_room) {
        shelf->rounds += magazine->rounds;
        shelf->count++;
        magazine->next = shelf->first;
        shelf->first = magazine; /* last: a fork that cuts here loses one, and doubles none */
    }
    lock_drop(&shelf->lock);
    return has_room;
}

size_t depot_rounds(unsigned class)
{
    lock_take(&shelves[class].lock);
    size_t rounds = shelves[class].rounds;
    lock_drop(&shelves[class].lock);
    return rounds;
}

static void return_to_slabs(struct magazine *magazine)
{
    slab_give(magazine->class, magazine->slot + 1, magazine->rounds);
    magazine_put(magazine);
}

/* Takes at most `count` magazines off a shelf and gives them to the slabs. */
static void clear_shelf(unsigned class, uint32_t count)
{
    for (; count > 0; count--) {
        struct magazine *magazine = depot_get(class);
        if (magazine == NULL)
            return;
        return_to_slabs(magazine);
    }
}

static uint32_t read_unused(struct shelf *shelf)
{
    lock_take(&shelf->lock);
    uint32_t unused = shelf->least;
    shelf->least = shelf->count;
    lock_drop(&shelf->lock);
    return unused;
}

void depot_tick(void)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++)
        clear_shelf(class, read_unused(&shelves[class]));
}

void depot_drain(void)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++)
        clear_shelf(class, UINT32_MAX);
}

/* The lists are whole at every moment; only the sums can be cut. */
static void recount(struct shelf *shelf)
{
    shelf->count = 0;
    shelf->rounds = 0;
    for (const struct magazine *at = shelf->first; at != NULL; at = at->next) {
        shelf->count++;
        shelf->rounds += at->rounds;
    }
    shelf->least = 0;
}

void depot_fork_child(void)
{
    lock_reset(&empties.lock); /* its lists are whole at every moment */
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        if (lock_reset(&shelves[class].lock))
            recount(&shelves[class]);
    }
}
