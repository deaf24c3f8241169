/* emergency.c - a bump pointer in static memory, each block behind a word with its size. When the
 * last block is freed the arena begins anew. */
#include "preload/emergency.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "allocators/base/bits.h"

enum { ARENA_BYTES = 256 * 1024, HEADER = 16 };

/* Live blocks and bytes used, moved together: live << 32 | used. */
#define LIVE_ONE (UINT64_C(1) << 32)

static struct {
    _Alignas(4096) char bytes[ARENA_BYTES]; /* untouched until needed: costs no memory */
    _Atomic uint64_t state;
} arena;

void *emergency_alloc(size_t bytes, size_t alignment)
{
    if (alignment < HEADER)
        alignment = HEADER;
    if (bytes > ARENA_BYTES || alignment > 4096)
        return NULL;
    bytes = round_up(bytes == 0 ? 1 : bytes, HEADER);
    uint64_t state = atomic_load_explicit(&arena.state, memory_order_relaxed);
    size_t at;
    uint64_t next;
    do {
        at = round_up((size_t)(uint32_t)state + HEADER, alignment);
        if (at + bytes > ARENA_BYTES)
            return NULL;
        next = ((state >> 32) + 1) << 32 | (at + bytes);
    } while (!atomic_compare_exchange_weak_explicit(&arena.state, &state, next,
                                                    memory_order_acq_rel, memory_order_relaxed));
    *(size_t *)(void *)(arena.bytes + at - sizeof(size_t)) = bytes;
    return memset(arena.bytes + at, 0, bytes);
}

void emergency_free(void)
{
    uint64_t state = atomic_load_explicit(&arena.state, memory_order_relaxed);
    uint64_t next;
    do {
        next = state >> 32 == 1 ? 0 : state - LIVE_ONE;
    } while (!atomic_compare_exchange_weak_explicit(&arena.state, &state, next,
                                                    memory_order_acq_rel, memory_order_relaxed));
}

bool emergency_owns(const void *p)
{
    return (uintptr_t)p - (uintptr_t)arena.bytes < ARENA_BYTES;
}

size_t emergency_usable(const void *p)
{
    return *(const size_t *)(const void *)((const char *)p - sizeof(size_t));
}
