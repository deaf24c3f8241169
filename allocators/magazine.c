/* magazine.c - magazines and the pool of those that hold nothing. */
#include "allocators/magazine.h"

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/large.h"
#include "allocators/meta.h"
#include "allocators/size_class.h"
#include "allocators/strategy.h"
#include "allocators/slab.h"

/* Empty magazines of one step. */
struct empties {
    struct lock lock;
    struct magazine *first;
} __attribute__((aligned(64)));

#define EMPTIES                                                                                    \
    {                                                                                              \
        .lock = LOCK_INIT(LOCK_RANK_REGISTRY)                                                      \
    }
static struct empties empties[MAGAZINE_STEPS] = {EMPTIES, EMPTIES, EMPTIES,
                                                 EMPTIES, EMPTIES, EMPTIES};

static size_t magazine_bytes(unsigned step)
{
    return sizeof(struct magazine) + (((size_t)MAGAZINE_FIRST_ROUNDS << step) + 2) * sizeof(void *);
}

static struct magazine *take_empty(unsigned step)
{
    struct empties *of = &empties[step];
    lock_take(&of->lock);
    struct magazine *magazine = of->first;
    if (magazine != NULL)
        of->first = magazine->next;
    lock_drop(&of->lock);
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
    uint32_t rounds = (uint32_t)MAGAZINE_FIRST_ROUNDS << step;
    magazine->slot[magazine->capacity + 1] = NULL; /* the sentinel of its last use */
    magazine->next = NULL;
    magazine->rounds = 0;
    magazine->capacity = (uint16_t)(rounds < most ? rounds : most);
    magazine->class = (uint8_t) class;
    magazine->step = (uint8_t)step;
    magazine->is_hollow = false;
    magazine->slot[magazine->capacity + 1] = MAGAZINE_FULL;
    return magazine;
}

void magazine_put(struct magazine *magazine)
{
    struct empties *of = &empties[magazine->step];
    lock_take(&of->lock);
    magazine->next = of->first;
    of->first = magazine;
    lock_drop(&of->lock);
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

MP_RARE void magazine_visit(const struct magazine *magazine, void (*visit)(void *p))
{
    for (uint32_t slot = 1; slot <= magazine->rounds; slot++) {
        if (magazine->slot[slot] != NULL)
            visit(magazine->slot[slot]);
    }
}

unsigned magazine_unload(struct magazine *magazine)
{
    unsigned rounds = magazine->rounds;
    if (rounds > 0)
        magazine_give(magazine->class, magazine->slot + 1, rounds, false);
    magazine_put(magazine);
    return rounds;
}

bool magazine_can_grow(const struct magazine *magazine)
{
    return strategy_pools() &&
           magazine->capacity < size_tables.classes[magazine->class].rounds_max &&
           magazine->step + 1 < MAGAZINE_STEPS;
}

MP_RARE void magazine_fork_child(void)
{
    for (unsigned step = 0; step < MAGAZINE_STEPS; step++)
        lock_reset(&empties[step].lock); /* the lists are whole at every moment */
}
