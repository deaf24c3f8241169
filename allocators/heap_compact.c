/* heap_compact.c - giving back at once what holds no block: all of it, or what is hardly missed. */
#include "allocators/cache.h"
#include "allocators/depot.h"
#include "allocators/heap.h"
#include "allocators/huge.h"
#include "allocators/melt.h"
#include "allocators/mixed.h"
#include "allocators/reclaim.h"
#include "allocators/scavenge.h"
#include "allocators/slab.h"
#include "allocators/txn_chunk.h"
#include "allocators/unit.h"

size_t heap_compact(void)
{
    if (!heap_enter())
        return 0;
    txn_chunk_put_back();
    cache_flush();
    depot_drain();
#if !defined(__SANITIZE_THREAD__) /* which does not know the system call that orders this */
    scavenge_hold();
    reclaim_all();
    scavenge_release();
#endif
    size_t bytes = slab_purge() + mixed_purge(); /* empty ones become dirty units */
    return bytes + unit_purge() + huge_purge();
}

void heap_squeeze(struct heap_squeezed *squeezed)
{
    *squeezed = (struct heap_squeezed){0};
    if (!heap_enter())
        return;
    squeezed->melted_bytes = melt_all();
    squeezed->slack_bytes = huge_purge_slack();
    squeezed->purged_bytes = heap_compact();
}

size_t heap_trim(void)
{
    if (!heap_enter())
        return 0;
    txn_chunk_put_back();
    scavenge_hold();
    depot_tick();
#if !defined(__SANITIZE_THREAD__)
    reclaim_tick();
#endif
    scavenge_release();
    return unit_purge() + huge_purge();
}
