/* txn_chunk.c - takes chunks past the slow paths of the heap where it can, and gives them so. */
#include "allocators/txn_chunk.h"

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "allocators/heap.h"
#include "allocators/meta.h"

enum { SPARE_AT_ONCE = 32, QUARANTINED = 256 };

/* What is checked. Only address space: the pages go back at once. */
static struct {
    struct lock lock;
    bool is_on;    /* set while one thread runs */
    uint32_t next; /* the oldest, whose place is the next one's */
    struct {
        uintptr_t start; /* 0: none */
        size_t bytes;
    } given[QUARANTINED];
} quarantine = {.lock = LOCK_INIT(LOCK_RANK_TXN_QUARANTINE)};

size_t txn_chunk_round(size_t bytes)
{
    if (bytes <= TXN_CHUNK_MIN)
        return TXN_CHUNK_MIN;
    if (bytes <= SIZE_SLAB_MAX)
        return size_tables.classes[size_class_of(bytes)].bytes;
    return round_up(bytes, UNIT_BYTES);
}

/* -- descriptions ----------------------------------------------------------------------------- */

_Atomic(struct txn_chunk *) txn_chunk_left;

/* Of chunks that were left and put back, for any thread. Taken all at once. */
static _Atomic(struct txn_chunk *) loose;

static bool make_spare(struct txn_chunk **spare)
{
    *spare = atomic_exchange_explicit(&loose, NULL, memory_order_acquire);
    if (*spare != NULL)
        return true;
    struct txn_chunk *chunks = meta_alloc(SPARE_AT_ONCE * sizeof(*chunks));
    for (int i = 0; chunks != NULL && i < SPARE_AT_ONCE; i++) {
        chunks[i].older = *spare;
        *spare = &chunks[i];
    }
    return chunks != NULL;
}

/* -- quarantine ------------------------------------------------------------------------------- */

void txn_chunk_set_checked(void)
{
    quarantine.is_on = true;
}

bool txn_chunk_is_checked(void)
{
    return quarantine.is_on;
}

/* Keeps the addresses of a mapping from everybody, and gives those of the oldest up. */
static void keep_addresses(uintptr_t start, size_t bytes)
{
    os_unmap((void *)start, bytes);
    if (!os_map_again((void *)start, bytes, false))
        return; /* somebody mapped something there already */
    lock_take(&quarantine.lock);
    uintptr_t old = quarantine.given[quarantine.next].start;
    size_t old_bytes = quarantine.given[quarantine.next].bytes;
    quarantine.given[quarantine.next].bytes = bytes;
    quarantine.given[quarantine.next].start = start;
    quarantine.next = (quarantine.next + 1) % QUARANTINED;
    lock_drop(&quarantine.lock);
    if (old != 0)
        os_unmap((void *)old, old_bytes);
}

/* Without the lock: the thread that asks may hold it. */
MP_RARE bool txn_chunk_was_given(const void *p)
{
    for (int i = 0; i < QUARANTINED; i++) {
        if ((uintptr_t)p - quarantine.given[i].start < quarantine.given[i].bytes)
            return true;
    }
    return false;
}

MP_RARE void txn_chunk_fork_child(void)
{
    lock_reset(&quarantine.lock);
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

/* -- lists ------------------------------------------------------------------------------------ */

/* A fork may cut anywhere: what a vanished thread had taken out of a list is lost to the child. */
static void push(_Atomic(struct txn_chunk *) *list, struct txn_chunk *chunk,
                 struct txn_chunk **link)
{
    *link = atomic_load_explicit(list, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(list, link, chunk, memory_order_release,
                                                  memory_order_relaxed))
        continue;
}

void txn_chunk_leave(struct txn_chunk *newest)
{
    cache_transfer();
    push(&txn_chunk_left, newest, &newest->next);
}

/* The descriptions of a list stay one, which joins the loose ones. */
static void put_list_back(struct txn_chunk *newest)
{
    struct txn_chunk *last = newest;
    for (struct txn_chunk *chunk = newest; chunk != NULL; chunk = chunk->older) {
        give_block((void *)chunk->start);
        last = chunk;
    }
    push(&loose, newest, &last->older);
}

void txn_chunk_put_back(void)
{
    /* acquire: what their transactions wrote is written */
    struct txn_chunk *newest =
        atomic_exchange_explicit(&txn_chunk_left, NULL, memory_order_acquire);
    while (newest != NULL) {
        struct txn_chunk *next = newest->next;
        put_list_back(newest);
        newest = next;
    }
}

MP_RARE void txn_chunk_visit_left(void (*visit)(void *p))
{
    const struct txn_chunk *newest = atomic_load_explicit(&txn_chunk_left, memory_order_relaxed);
    for (; newest != NULL; newest = newest->next) {
        for (const struct txn_chunk *chunk = newest; chunk != NULL; chunk = chunk->older)
            visit((void *)chunk->start);
    }
}

/* -- one -------------------------------------------------------------------------------------- */

struct txn_chunk *txn_chunk_take(struct txn_chunk **spare, size_t bytes)
{
    if (MP_UNLIKELY(txn_chunk_waits()))
        txn_chunk_put_back();
    bytes = quarantine.is_on ? round_up(bytes, os_page_bytes()) : txn_chunk_round(bytes);
    if (MP_UNLIKELY(*spare == NULL) && !make_spare(spare))
        return NULL;
    void *p = MP_UNLIKELY(quarantine.is_on) ? os_map(bytes) : take_block(bytes);
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
    if (MP_UNLIKELY(quarantine.is_on))
        keep_addresses(chunk->start, chunk->bytes);
    else
        give_block((void *)chunk->start);
    chunk->older = *spare;
    *spare = chunk;
}
