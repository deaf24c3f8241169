/* depot.c - keeps what the threads exchange. What lay unused on a shelf from one tick to the next
 * (the least number of magazines seen: Bonwick & Adams 2001, 3.6, "working set") goes back to the
 * slabs.
 *
 * Which CPU a thread runs on is a hint: a wrong one costs a shared cache line, nothing else. */
#include "allocators/depot.h"

#include <stdatomic.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "allocators/size_class.h"
#include "allocators/strategy.h"

enum {
    DEPOT_BYTES = 512 * 1024, /* of objects, per class: what bulk patterns were seen to exchange */
    SHELF_BYTES = 64 * 1024,  /* a shelf's share of them is at least so many */
};

/* Magazines with rounds of one class. */
struct shelf {
    struct lock lock;
    _Atomic uint32_t count;  /* written under the lock; read without by those who look for one */
    uint32_t least;          /* smallest count since the last tick */
    _Atomic uint32_t rounds; /* as count */
    struct magazine *first;
} __attribute__((aligned(64)));

static struct {
    unsigned shards;    /* a power of two; constant after depot_init, 0 before */
    size_t share_bytes; /* of a shelf, whatever lies on the others */
} depot;

static struct shelf shelves[DEPOT_SHARDS_MAX][SIZE_CLASS_END];

void depot_init(unsigned cpus)
{
    unsigned shards = 1;
    while (shards < cpus && shards < DEPOT_SHARDS_MAX)
        shards *= 2;
    depot.shards = shards;
    depot.share_bytes = DEPOT_BYTES / shards > SHELF_BYTES ? DEPOT_BYTES / shards : SHELF_BYTES;
    for (unsigned shard = 0; shard < shards; shard++) { /* the others are never touched */
        for (unsigned class = 0; class < SIZE_CLASS_END; class ++)
            lock_set_rank(&shelves[shard][class].lock, LOCK_RANK_DEPOT);
    }
}

static unsigned shard_here(void)
{
    return depot.shards == 1 ? 0 : os_cpu() & (depot.shards - 1);
}

static uint32_t count_of(const struct shelf *shelf)
{
    return atomic_load_explicit(&shelf->count, memory_order_relaxed);
}

static void set_count(struct shelf *shelf, uint32_t count)
{
    atomic_store_explicit(&shelf->count, count, memory_order_relaxed);
    if (count < shelf->least)
        shelf->least = count;
}

static uint32_t rounds_of(const struct shelf *shelf)
{
    return atomic_load_explicit(&shelf->rounds, memory_order_relaxed);
}

static void set_rounds(struct shelf *shelf, uint32_t rounds)
{
    atomic_store_explicit(&shelf->rounds, rounds, memory_order_relaxed);
}

/* -- taking and leaving ----------------------------------------------------------------------- */

static struct magazine *shelf_take(struct shelf *shelf)
{
    lock_take(&shelf->lock);
    struct magazine *magazine = shelf->first;
    if (magazine != NULL) {
        shelf->first = magazine->next;
        set_rounds(shelf, rounds_of(shelf) - magazine->rounds);
        set_count(shelf, count_of(shelf) - 1);
    }
    lock_drop(&shelf->lock);
    MP_ASSERT(magazine == NULL || magazine->rounds > 0);
    return magazine;
}

struct magazine *depot_get(unsigned class)
{
    unsigned here = shard_here();
    for (unsigned i = 0; i < depot.shards; i++) {
        struct shelf *shelf = &shelves[here ^ i][class];
        if (count_of(shelf) == 0)
            continue;
        struct magazine *magazine = shelf_take(shelf);
        if (magazine != NULL)
            return magazine;
    }
    return NULL;
}

size_t depot_rounds(unsigned class)
{
    size_t rounds = 0;
    for (unsigned shard = 0; shard < depot.shards; shard++)
        rounds += rounds_of(&shelves[shard][class]);
    return rounds;
}

/* A shelf has its share of the depot, and what the others leave of theirs. Their counts are read
 * only by who needs more than the share: those lines are other CPUs'. */
static bool has_room(const struct shelf *shelf, const struct magazine *magazine)
{
    size_t bytes = size_tables.classes[magazine->class].bytes;
    return (rounds_of(shelf) + magazine->rounds) * bytes <= depot.share_bytes ||
           (depot_rounds(magazine->class) + magazine->rounds) * bytes <= DEPOT_BYTES;
}

bool depot_put(struct magazine *magazine)
{
    MP_ASSERT(magazine->rounds > 0);
    struct shelf *shelf = &shelves[shard_here()][magazine->class];
    lock_take(&shelf->lock);
    bool is_taken = strategy_pools() && has_room(shelf, magazine);
    if (is_taken) {
        set_rounds(shelf, rounds_of(shelf) + magazine->rounds);
        set_count(shelf, count_of(shelf) + 1);
        magazine->next = shelf->first;
        shelf->first = magazine; /* last: a fork that cuts here loses one, and doubles none */
    }
    lock_drop(&shelf->lock);
    return is_taken;
}

/* -- giving back ------------------------------------------------------------------------------ */

/* Takes at most `count` magazines off a shelf and gives them to the slabs. */
static void clear_shelf(struct shelf *shelf, uint32_t count)
{
    for (; count > 0 && count_of(shelf) > 0; count--) {
        struct magazine *magazine = shelf_take(shelf);
        if (magazine == NULL)
            return;
        magazine_unload(magazine);
    }
}

static uint32_t read_unused(struct shelf *shelf)
{
    lock_take(&shelf->lock);
    uint32_t unused = shelf->least;
    shelf->least = count_of(shelf);
    lock_drop(&shelf->lock);
    return unused;
}

void depot_tick(void)
{
    for (unsigned shard = 0; shard < depot.shards; shard++) {
        for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
            struct shelf *shelf = &shelves[shard][class];
            clear_shelf(shelf, read_unused(shelf));
        }
    }
}

void depot_drain(void)
{
    for (unsigned shard = 0; shard < depot.shards; shard++) {
        for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++)
            clear_shelf(&shelves[shard][class], UINT32_MAX);
    }
}

MP_RARE void depot_visit_rounds(void (*visit)(void *p))
{
    for (unsigned shard = 0; shard < depot.shards; shard++) {
        for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
            const struct magazine *at = shelves[shard][class].first;
            for (; at != NULL; at = at->next)
                magazine_visit(at, visit);
        }
    }
}

/* -- fork ------------------------------------------------------------------------------------- */

/* The lists are whole at every moment; only the sums can be cut. */
static void recount(struct shelf *shelf)
{
    uint32_t count = 0, rounds = 0;
    for (const struct magazine *at = shelf->first; at != NULL; at = at->next) {
        count++;
        rounds += at->rounds;
    }
    set_rounds(shelf, rounds);
    set_count(shelf, count);
    shelf->least = 0;
}

MP_RARE void depot_fork_child(void)
{
    for (unsigned shard = 0; shard < depot.shards; shard++) {
        for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
            if (lock_reset(&shelves[shard][class].lock))
                recount(&shelves[shard][class]);
        }
    }
}
