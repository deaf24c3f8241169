/* txn_chunk.c - takes chunks past the slow paths of the heap where it can, and gives them so. */
#include "allocators/txn_chunk.h"

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/heap.h"
#include "allocators/meta.h"

enum { SPARE_AT_ONCE = 32 };

size_t txn_chunk_round(size_t bytes)
{
    if (bytes <= TXN_CHUNK_MIN)
        return TXN_CHUNK_MIN;
    if (bytes <= SIZE_SLAB_MAX)
        return size_tables.classes[size_class_of(bytes)].bytes;
    return round_up(bytes, UNIT_BYTES);
}

/* -- descriptions ----------------------------------------------------------------------------- */

static bool make_spare(struct txn_chunk **spare)
{
    struct txn_chunk *chunks = meta_alloc(SPARE_AT_ONCE * sizeof(*chunks));
    for (int i = 0; chunks != NULL && i < SPARE_AT_ONCE; i++) {
        chunks[i].older = *spare;
        *spare = &chunks[i];
    }
    return chunks != NULL;
}

/* -- memory ----------------------------------------------------------------------------------- */

static void *take_block(size_t bytes)
{
    void *p = bytes <= SIZE_SLAB_MAX ? heap_pop(size_class_of(bytes)) : heap_alloc_parked(bytes);
    return MP_LIKELY(p != NULL) ? p : heap_alloc(bytes);
}

/* As heap_free, which may stop to give memory back to the system: for a large block this does not.
 */
static void give_block(void *p)
{
    if (space_owns(p) && space_ctl_of(p) == CTL_LARGE) {
        cache_transfer();
        large_free(p);
    } else if (MP_UNLIKELY(!space_owns(p)) || MP_UNLIKELY(!heap_push(p))) {
        heap_free(p);
    }
}

struct txn_chunk *txn_chunk_take(struct txn_chunk **spare, size_t bytes)
{
    bytes = txn_chunk_round(bytes);
    if (MP_UNLIKELY(*spare == NULL) && !make_spare(spare))
        return NULL;
    void *p = take_block(bytes);
    if (MP_UNLIKELY(p == NULL))
        return NULL;
    struct txn_chunk *chunk = *spare;
    *spare = chunk->older;
    chunk->start = (uintptr_t)p;
    chunk->bytes = bytes;
    return chunk;
}

void txn_chunk_give(struct txn_chunk **spare, struct txn_chunk *chunk)
{
    give_block((void *)chunk->start);
    chunk->older = *spare;
    *spare = chunk;
}
