/* mimalloc_heap.c - the dozen functions of libmimalloc.so.2 that a heap needs. */
#include "allocators/mimalloc_heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include <mimalloc.h>

#include "allocators/base/say.h"
#include "allocators/block_table.h"

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

/* Enters a new block where it must be, and restores errno: a successful call leaves it alone. */
static void *take_over(void *p, int error)
{
    if (p == NULL)
        return NULL;
    if (!mimalloc.is_in_heap_region(p) && !block_table_insert(&outside, p, 1, 1)) {
        mimalloc.free(p);
        p = NULL;
    }
    errno = error;
    return p;
}

void *mimalloc_alloc(size_t bytes)
{
    int error = errno;
    return take_over(mimalloc.malloc(bytes <= 8 ? 16 : bytes), error); /* aligned to 16, always */
}

void *mimalloc_alloc_zeroed(size_t bytes)
{
    int error = errno;
    return take_over(mimalloc.zalloc(bytes <= 8 ? 16 : bytes), error);
}

void *mimalloc_alloc_aligned(size_t alignment, size_t bytes)
{
    int error = errno;
    bool is_misaligned = alignment <= bytes && (bytes == 256 || bytes == 512 || bytes == 1024);
    return take_over(mimalloc.malloc_aligned(bytes + is_misaligned, alignment), error);
}

bool mimalloc_owns(const void *p)
{
    return mimalloc.is_loaded &&
           (mimalloc.is_in_heap_region(p) || block_table_find(&outside, p) != 0);
}

void mimalloc_free(void *p)
{
    int error = errno;
    if (!mimalloc.is_in_heap_region(p))
        block_table_remove(&outside, p, NULL);
    mimalloc.free(p);
    errno = error;
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
