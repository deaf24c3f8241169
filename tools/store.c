/* store.c - mi_heap_t behind a name that says what it is used for. */
#define _GNU_SOURCE /* madvise */
#include "tools/store.h"

#include <mimalloc.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 4096, LARGE_BYTES = 8 << 20 };

/* Never defined: a struct store * is a mi_heap_t *. */
static mi_heap_t *get_heap(struct store *store)
{
    return (mi_heap_t *)(void *)store;
}

static void *check(void *p)
{
    if (p == NULL) {
        fputs("mpress: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

struct store *store_create(void)
{
    return check(mi_heap_new());
}

void store_destroy(struct store *store)
{
    mi_heap_destroy(get_heap(store));
}

/* Large tables are read at random: huge pages took the trace of analysis.c from 3.6 to 2.9 s. */
static void *make_huge(void *p, size_t bytes)
{
    uintptr_t from = ((uintptr_t)p + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
    uintptr_t to = ((uintptr_t)p + bytes) & ~(uintptr_t)(PAGE_BYTES - 1);
    if (bytes >= LARGE_BYTES)
        madvise((void *)from, to - from, MADV_HUGEPAGE); /* advice: may be refused */
    return p;
}

void *store_alloc(struct store *store, size_t count, size_t bytes_each)
{
    return make_huge(check(mi_heap_calloc(get_heap(store), count, bytes_each)), count * bytes_each);
}

void *store_grow(struct store *store, void *old, size_t old_count, size_t count, size_t bytes_each)
{
    char *grown = check(mi_heap_reallocn(get_heap(store), old, count, bytes_each));
    if (count > old_count)
        memset(grown + old_count * bytes_each, 0, (count - old_count) * bytes_each);
    return grown;
}

char *store_copy_text(struct store *store, const char *text)
{
    return check(mi_heap_strdup(get_heap(store), text));
}

void store_free(void *p)
{
    mi_free(p);
}
