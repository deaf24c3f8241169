/* broken_heap.c - a library to preload whose malloc is wrong in a way that a replay must notice.
 * Which way: the compile definition BROKEN_HEAP_ALIAS or BROKEN_HEAP_NULL. */
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *p);

enum { BAD_SIZE = 777 };

static void *last;

__attribute__((visibility("default"))) void *malloc(size_t size);
__attribute__((visibility("default"))) void free(void *p);

void *malloc(size_t size)
{
#ifdef BROKEN_HEAP_NULL
    if (size == BAD_SIZE)
        return NULL;
#else
    if (size == BAD_SIZE && last != NULL)
        return last; /* somebody's block once more */
#endif
    return last = __libc_malloc(size);
}

void free(void *p)
{
    if (p != last)
        __libc_free(p);
}
