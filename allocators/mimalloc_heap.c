/* mimalloc_heap.c - the dozen functions of libmimalloc.so.2 that a heap needs. */
#include "allocators/mimalloc_heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <mimalloc.h>

#include "allocators/base/check.h"
#include "allocators/base/say.h"
#include "allocators/block_table.h"
#include "allocators/heap.h"

#define MIMALLOC_SONAME "libmimalloc.so.2"

/* The functions taken from the library: field = name without mi_. */
#define MIMALLOC_FUNCTIONS(X)                                                                      \
    X(malloc)                                                                                      \
    X(zalloc)                                                                                      \
    X(malloc_aligned)                                                                              \
    X(free)                                                                                        \
    X(usable_size)                                                                                 \
    X(expand)                                                                                      \
    X(is_in_heap_region)                                                                           \
    X(option_set)                                                                                  \
    X(collect)

static struct {
#define FIELD(name) __typeof__(&mi_##name) name;
    MIMALLOC_FUNCTIONS(FIELD)
#undef FIELD
    bool is_loaded; /* set while one thread runs */
} mimalloc;

/* Blocks that mi_is_in_heap_region does not know: 2.0.9 tracks addresses below 20 TiB only, and the
 * kernel maps what does not fit its arenas far above. */
static struct block_table outside = BLOCK_TABLE_INIT;

static void *find_function(void *library, const char *name, bool *all)
{
    void *function = dlsym(library, name);
    *all = *all && function != NULL;
    return function;
}

bool mimalloc_load(void)
{
    void *library = dlopen(MIMALLOC_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        say("%s cannot be loaded (%s); the heap of mpress is used. Debian: apt-get install "
            "libmimalloc2.0",
            MIMALLOC_SONAME, dlerror());
        return false;
    }
    bool all = true;
#define FIND(name)                                                                                 \
    void *name##_function = find_function(library, "mi_" #name, &all);                             \
    memcpy(&mimalloc.name, &name##_function, sizeof(mimalloc.name));
    MIMALLOC_FUNCTIONS(FIND)
#undef FIND
    if (!all) {
        say("%s is another version than ours (2.x); the heap of mpress is used", MIMALLOC_SONAME);
        return false;
    }
    mimalloc.option_set(mi_option_show_errors, 0);
    mimalloc.option_set(mi_option_show_stats, 0);
    mimalloc.option_set(mi_option_verbose, 0);
    mimalloc.is_loaded = true;
    return true;
}

bool mimalloc_is_loaded(void)
{
    return mimalloc.is_loaded;
}

/* mimalloc knows its memory by stretches of 32 MiB or more: whether it knows one depends on its
 * address alone. The last that the thread had a block of. */
enum { REGION_SHIFT = 25 };
static _Thread_local uintptr_t known_region __attribute__((tls_model("initial-exec")));

static uintptr_t region_of(const void *p)
{
    return ((uintptr_t)p >> REGION_SHIFT) + 1;
}

static bool is_known(const void *p)
{
    if (MP_LIKELY(region_of(p) == known_region))
        return true;
    if (!mimalloc.is_in_heap_region(p))
        return false;
    known_region = region_of(p);
    return true;
}

static inline void count(ptrdiff_t bytes, int blocks)
{
    if (MP_UNLIKELY(!cache_count_own_other(bytes, blocks)))
        heap_count_other(bytes, blocks);
}

/* Usable bytes of blocks that so many were asked for, once known: the same for each of them, if not
 * aligned. */
enum { SMALL_MAX = 1024 };
static _Atomic uint16_t usable_of_small[SMALL_MAX + 1] __attribute__((aligned(64)));

static inline size_t usable_of_new(const void *p, size_t bytes)
{
    if (MP_UNLIKELY(bytes > SMALL_MAX))
        return mimalloc.usable_size(p);
    size_t usable = atomic_load_explicit(&usable_of_small[bytes], memory_order_relaxed);
    if (MP_UNLIKELY(usable == 0)) {
        usable = mimalloc.usable_size(p);
        atomic_store_explicit(&usable_of_small[bytes], (uint16_t)usable, memory_order_relaxed);
    }
    return usable;
}

/* Counts a new block, enters it where it must be, and restores errno: a successful call leaves it
 * alone. */
static inline void *take_over(void *p, size_t usable, int error)
{
    if (MP_UNLIKELY(!is_known(p)) && !block_table_insert(&outside, p, 1, 1)) {
        mimalloc.free(p);
        p = NULL;
    } else {
        count((ptrdiff_t)usable, 1);
    }
    errno = error;
    return p;
}

/* 16 bytes at least: smaller blocks are not aligned to as many. */
static size_t room_for(size_t bytes)
{
    return bytes <= 8 ? 16 : bytes;
}

void *mimalloc_alloc(size_t bytes)
{
    int error = errno;
    void *p = mimalloc.malloc(room_for(bytes));
    return p != NULL ? take_over(p, usable_of_new(p, room_for(bytes)), error) : NULL;
}

void *mimalloc_alloc_zeroed(size_t bytes)
{
    int error = errno;
    void *p = mimalloc.zalloc(room_for(bytes));
    return p != NULL ? take_over(p, usable_of_new(p, room_for(bytes)), error) : NULL;
}

void *mimalloc_alloc_aligned(size_t alignment, size_t bytes)
{
    int error = errno;
    bool is_misaligned = alignment <= bytes && (bytes == 256 || bytes == 512 || bytes == 1024);
    void *p = mimalloc.malloc_aligned(bytes + is_misaligned, alignment);
    return p != NULL ? take_over(p, mimalloc.usable_size(p), error) : NULL;
}

bool mimalloc_owns(const void *p)
{
    return mimalloc.is_loaded &&
           (mimalloc.is_in_heap_region(p) || block_table_find(&outside, p) != 0);
}

bool mimalloc_free(void *p)
{
    if (MP_UNLIKELY(!mimalloc.is_loaded))
        return false;
    if (MP_UNLIKELY(!mimalloc.is_in_heap_region(p)) && block_table_remove(&outside, p, NULL) == 0)
        return false;
    int error = errno;
    count(-(ptrdiff_t)mimalloc.usable_size(p), -1);
    mimalloc.free(p);
    errno = error;
    return true;
}

void mimalloc_fork_child(void)
{
    block_table_fork_child(&outside);
}

size_t mimalloc_usable(const void *p)
{
    return mimalloc.usable_size(p);
}

bool mimalloc_resize(void *p, size_t bytes)
{
    size_t usable = mimalloc.usable_size(p);
    return bytes <= usable && bytes >= usable / 2 && mimalloc.expand(p, bytes) != NULL;
}

void mimalloc_trim(void)
{
    mimalloc.collect(true);
}
