/* route.c - joins the heaps. */
#define _GNU_SOURCE
#include "preload/route.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/arena.h"
#include "allocators/heap.h"
#include "allocators/large.h"
#include "allocators/mimalloc_heap.h"
#include "allocators/mixed.h"
#include "preload/emergency.h"

extern void __libc_free(void *p); /* libc's own, whoever else is called free */

typedef struct mallinfo2 (*info_function)(void);
typedef size_t (*usable_function)(void *);

size_t route_mimalloc_from = SIZE_MAX;

static struct {
    info_function libc_info;
    usable_function libc_usable;
} route;

void route_init(enum conf_heap heap)
{
    void *info = dlsym(RTLD_NEXT, "mallinfo2");
    void *usable = dlsym(RTLD_NEXT, "malloc_usable_size");
    memcpy(&route.libc_info, &info, sizeof(info));
    memcpy(&route.libc_usable, &usable, sizeof(usable));
    if (heap == CONF_HEAP_MPRESS || !mimalloc_load())
        return;
    route_mimalloc_from = heap == CONF_HEAP_MIXED ? SIZE_SLAB_MAX + 1 : 0;
    if (heap == CONF_HEAP_MIMALLOC)
        cache_close_hands(); /* the hot path would serve from our magazines */
}

/* -- allocating ------------------------------------------------------------------------------- */

/* So is what comes out of a transaction. */
static bool is_ours(size_t bytes)
{
    return bytes < route_mimalloc_from || (hand.arena != NULL && bytes <= ARENA_BYTES_MAX);
}

void *route_alloc(size_t bytes)
{
    if (MP_LIKELY(is_ours(bytes)))
        return heap_alloc(bytes);
    return mimalloc_alloc(bytes);
}

void *route_alloc_zeroed(size_t bytes)
{
    if (MP_LIKELY(is_ours(bytes)))
        return heap_alloc_zeroed(bytes);
    return mimalloc_alloc_zeroed(bytes);
}

void *route_alloc_aligned(size_t alignment, size_t bytes)
{
    if (is_ours(bytes) || alignment > MIMALLOC_ALIGNMENT_MAX)
        return heap_alloc_aligned(alignment, bytes);
    return mimalloc_alloc_aligned(alignment, bytes);
}

/* -- blocks of libc --------------------------------------------------------------------------- */

/* True when libc handed out memory of its own and this address could be in it: without both, the
 * pointer is garbage, and libc would read around it. */
static bool libc_may_own(const void *p)
{
    if (route.libc_info == NULL || !os_is_mapped((const char *)p - sizeof(size_t), sizeof(size_t)))
        return false;
    struct mallinfo2 info = route.libc_info();
    return info.arena + info.hblkhd != 0;
}

static void libc_free(void *p)
{
    MP_CHECK(libc_may_own(p), FAULT_UNKNOWN_POINTER, p);
    int error = errno;
    __libc_free(p);
    errno = error;
}

/* 0 for a block of an allocator that nobody told us about: the harmless answer. */
static size_t libc_usable(const void *p)
{
    if (!libc_may_own(p) || route.libc_usable == NULL)
        return 0;
    return route.libc_usable((void *)(uintptr_t)p);
}

/* -- any block -------------------------------------------------------------------------------- */

enum owner { OWNER_HEAP, OWNER_MIMALLOC, OWNER_EMERGENCY, OWNER_LIBC };

static enum owner owner_of(const void *p)
{
    if (space_owns(p))
        return OWNER_HEAP;
    if (emergency_owns(p))
        return OWNER_EMERGENCY;
    if (mimalloc_owns(p))
        return OWNER_MIMALLOC;
    return heap_owner_of(p) == HEAP_FOREIGN ? OWNER_LIBC : OWNER_HEAP;
}

void route_free(void *p)
{
    switch (owner_of(p)) {
    case OWNER_HEAP:
        heap_free(p);
        break;
    case OWNER_MIMALLOC:
        mimalloc_free(p);
        break;
    case OWNER_EMERGENCY:
        emergency_free();
        break;
    case OWNER_LIBC:
        libc_free(p);
    }
}

size_t route_usable(const void *p)
{
    switch (owner_of(p)) {
    case OWNER_HEAP:
        return heap_usable(p);
    case OWNER_MIMALLOC:
        return mimalloc_usable(p);
    case OWNER_EMERGENCY:
        return emergency_usable(p);
    case OWNER_LIBC:
        break;
    }
    return libc_usable(p);
}

bool route_resize(void *p, size_t bytes)
{
    bool is_for_mimalloc = bytes >= route_mimalloc_from;
    switch (owner_of(p)) {
    case OWNER_HEAP:
        return !is_for_mimalloc && heap_resize(p, bytes);
    case OWNER_MIMALLOC:
        return is_for_mimalloc && mimalloc_resize(p, bytes);
    case OWNER_EMERGENCY:
        return bytes <= emergency_usable(p);
    case OWNER_LIBC:
        break;
    }
    return false;
}

static bool stays_ours(const void *p, size_t bytes)
{
    return owner_of(p) == OWNER_HEAP && bytes < route_mimalloc_from;
}

bool route_remaps(const void *p, size_t bytes)
{
    return stays_ours(p, bytes) && heap_remaps(p, bytes);
}

void *route_alloc_instead(const void *p, size_t bytes)
{
    return stays_ours(p, bytes) ? heap_alloc_instead(p, bytes) : route_alloc(bytes);
}

void *route_realloc(void *p, size_t bytes)
{
    if (stays_ours(p, bytes))
        return heap_realloc(p, bytes);
    if (route_resize(p, bytes))
        return p;
    size_t usable = route_usable(p);
    void *moved = route_alloc(bytes);
    if (moved == NULL)
        return bytes <= usable ? p : NULL; /* shrinking never fails */
    memcpy(moved, p, usable < bytes ? usable : bytes);
    route_free(p);
    return moved;
}

void route_squeeze(struct heap_squeezed *squeezed)
{
    if (mimalloc_is_loaded())
        mimalloc_trim();
    heap_squeeze(squeezed);
}

size_t route_compact(void)
{
    if (mimalloc_is_loaded())
        mimalloc_trim();
    return heap_compact();
}
