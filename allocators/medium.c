/* medium.c - an array in order of age; it has a few rounds, so they are moved up.
 *
 * A signal handler that interrupts free() between its two stores may shed rounds here: the slots
 * they leave are NULL, so that the top which free() writes then covers nothing twice. What the
 * handler freed meanwhile may be lost all the same (README, "Signals"). */
#include "allocators/medium.h"

#include <string.h>

#include "allocators/base/check.h"
#include "allocators/cache.h"

static void drop_rounds(struct magazine *loaded, uint32_t at, uint32_t count)
{
    MP_ASSERT(at > 0 && at + count <= loaded->rounds + 1);
    loaded->rounds -= count;
    memmove(loaded->slot + at, loaded->slot + at + count,
            (loaded->rounds + 1 - at) * sizeof(void *));
    memset(loaded->slot + 1 + loaded->rounds, 0, count * sizeof(void *));
}

static void drop_nulls(struct magazine *loaded)
{
    uint32_t kept = 0;
    for (uint32_t at = 1; at <= loaded->rounds; at++) {
        if (loaded->slot[at] != NULL)
            loaded->slot[++kept] = loaded->slot[at];
    }
    memset(loaded->slot + 1 + kept, 0, (loaded->rounds - kept) * sizeof(void *));
    loaded->rounds = kept;
}

void medium_shed(struct magazine *loaded, uint32_t count)
{
    void *oldest[MAGAZINE_FIRST_ROUNDS];
    drop_nulls(loaded);
    if (count > loaded->rounds)
        count = loaded->rounds;
    memcpy(oldest, loaded->slot + 1, count * sizeof(void *));
    drop_rounds(loaded, 1, count);
    cache_give(SIZE_CLASS_MEDIUM, oldest, count);
}

void *medium_take(struct magazine *loaded, size_t bytes, size_t alignment)
{
    drop_nulls(loaded);
    for (uint32_t at = loaded->rounds; at > 0; at--) {
        void *p = loaded->slot[at];
        if (!large_reuse(p, bytes, alignment))
            continue;
        drop_rounds(loaded, at, 1);
        return p;
    }
    if (loaded->rounds > 0)
        medium_shed(loaded, 1);
    return NULL;
}

/* The block may leave the heap meanwhile and its span be a free run's: then its label is gone too,
 * and what was read of it is dropped. The span is read here and uninstrumented, since those who
 * write it next know of no readers. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
void medium_count(const void *p, struct large_stats *stats)
{
    if (p == NULL || !space_owns(p) || space_ctl_of(p) != SIZE_CLASS_MEDIUM)
        return;
    size_t usable = atomic_load_explicit(&large_at(p)->usable, memory_order_acquire);
    if (space_ctl_of(p) != SIZE_CLASS_MEDIUM || usable > SIZE_MEDIUM_MAX)
        return;
    stats->blocks++;
    stats->bytes += usable;
}
