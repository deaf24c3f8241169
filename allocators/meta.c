/* meta.c - a bump allocator over chunks that double from 64 KiB to 1 MiB. */
#include "allocators/meta.h"

#include <stdatomic.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"

enum { CHUNK_FIRST = 64 * 1024, CHUNK_LAST = 1024 * 1024, LINE = 64 };

/* At the beginning of each. */
struct chunk {
    struct chunk *next; /* the one before it in time; constant */
    size_t bytes;       /* of all of it; constant */
};

static struct {
    struct lock lock;
    struct chunk *_Atomic newest; /* written under the lock, followed without */
    char *at, *end;               /* rest of the newest chunk */
    size_t next_chunk;
    _Atomic size_t used; /* written under the lock, read without */
} meta = {.lock = LOCK_INIT(LOCK_RANK_META), .next_chunk = CHUNK_FIRST};

static bool add_chunk(size_t least)
{
    least += LINE; /* for struct chunk */
    size_t bytes = round_up(least > meta.next_chunk ? least : meta.next_chunk, os_page_bytes());
    struct chunk *chunk = os_map(bytes);
    if (chunk == NULL)
        return false;
    chunk->next = atomic_load_explicit(&meta.newest, memory_order_relaxed);
    chunk->bytes = bytes;
    /* release: who follows it, or the child of a fork, finds it whole */
    atomic_store_explicit(&meta.newest, chunk, memory_order_release);
    meta.at = (char *)chunk + LINE;
    meta.end = (char *)chunk + bytes;
    if (meta.next_chunk < CHUNK_LAST)
        meta.next_chunk *= 2;
    return true;
}

void *meta_alloc(size_t bytes)
{
    bytes = round_up(bytes, LINE);
    char *p = NULL;
    lock_take(&meta.lock);
    if ((size_t)(meta.end - meta.at) >= bytes || add_chunk(bytes)) {
        p = meta.at;
        meta.at += bytes;
        atomic_fetch_add_explicit(&meta.used, bytes, memory_order_relaxed);
    }
    lock_drop(&meta.lock);
    return p;
}

size_t meta_bytes(void)
{
    return atomic_load_explicit(&meta.used, memory_order_relaxed);
}

MP_RARE void meta_visit(void (*visit)(const void *start, size_t bytes, void *context),
                        void *context)
{
    const struct chunk *chunk = atomic_load_explicit(&meta.newest, memory_order_acquire);
    for (; chunk != NULL; chunk = chunk->next)
        visit(chunk, chunk->bytes, context);
}

void meta_fork_child(void)
{
    if (lock_reset(&meta.lock))
        meta.at = meta.end; /* cut while it was moving: begin a new chunk */
}
