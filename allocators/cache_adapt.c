/* cache_adapt.c - makes a working thread's magazines as small as its use of late allows.
 *
 * A magazine grows while the slow paths are met often. Here is the way back: four times a second a
 * thread looks at the magazines of each class.
 *
 *     unchanged             all but the eight newest rounds leave
 *     seldom empty or full  the older half leaves
 *
 * In either case the previous magazine leaves whole. The loaded one stays, and its newest rounds:
 * whoever looks may be a signal handler, and the call that it interrupted has loaded the top,
 * stores it later, and goes on from there. What left leaves holes, as in reclaim.c.
 *
 * So a class ends where it meets an empty or full magazine a few times per look, which is far too
 * seldom to cost anything. (bench_memory, "churn": 7 MiB in the magazines of 8 threads, not 19.) */
#include "allocators/base/check.h"
#include "allocators/cache_inside.h"

enum { FEW_TURNS = 4, THIN_ROUNDS = 32 };
static const uint64_t LOOK_NS = 250 * UINT64_C(1000000);

/* Gives the oldest rounds of the loaded magazine away, all but `keep`; a few at a time, as the
 * stack may be a signal handler's. */
static void thin(struct cache *cache, unsigned class, uint32_t keep)
{
    struct magazine *loaded = cache->loaded[class];
    uint32_t rounds = magazine_rounds_below(loaded, cache_tops(cache)[class]);
    void *old[THIN_ROUNDS];
    unsigned count = 0;
    if (rounds > loaded->capacity)
        return;
    for (uint32_t slot = 1; slot + keep <= rounds; slot++) {
        void *round = loaded->slot[slot];
        loaded->slot[slot] = NULL; /* first: a fork that cuts here loses some, and doubles none */
        loaded->is_hollow = true;
        if (round != NULL)
            old[count++] = round;
        if (count == THIN_ROUNDS) {
            magazine_give(class, old, count, false);
            count = 0;
        }
    }
    if (count > 0)
        magazine_give(class, old, count, false);
}

static void let_previous_leave(struct cache *cache, unsigned class)
{
    struct magazine *previous = cache->previous[class];
    cache->previous[class] = NULL;
    cache_lose(cache, previous);
    cache_leave(previous);
}

static void look_at(struct cache *cache, unsigned class)
{
    if (cache->loaded[class] == NULL)
        return;
    void **top = cache_tops(cache)[class];
    uint32_t turns = cache->turns[class];
    bool is_unchanged = turns == 0 && top == cache->last_tops[class];
    if (turns < FEW_TURNS) {
        let_previous_leave(cache, class);
        uint32_t half = (magazine_rounds_below(cache->loaded[class], top) + 1) / 2;
        /* Who takes a medium block is inside meanwhile: no handler looks then. */
        uint32_t least = class == SIZE_CLASS_MEDIUM ? 0 : MAGAZINE_FIRST_ROUNDS;
        thin(cache, class, is_unchanged || half < least ? least : half);
    }
    cache->turns[class] = 0;
    cache->last_tops[class] = top;
}

void cache_adapt(uint64_t now_ns)
{
    struct cache *cache = hand.cache;
    if (cache == NULL || now_ns < cache->adapt_ns)
        return;
    bool is_new = cache->adapt_ns == 0;
    cache->adapt_ns = now_ns + LOOK_NS;
    if (is_new)
        return;
    cache_transfer();
    for (; cache != NULL; cache = cache->batches) {
        cache_come_to(cache);
        cache->entries--; /* the call that looks counts once: when it comes to its own class */
        for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
            look_at(cache, class);
        cache_go_out(cache);
    }
}
