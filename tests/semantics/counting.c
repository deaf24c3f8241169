/* counting.c - a second preloaded library: finds the next malloc by dlsym, as most do, and serves
 * what dlsym itself allocates meanwhile from a buffer. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

void *malloc(size_t bytes);
void free(void *block);
void *calloc(size_t count, size_t bytes);
void *realloc(void *block, size_t bytes);
size_t counting_calls(void);

static _Alignas(16) char buffer[65536];
static _Atomic size_t buffered;
static _Atomic size_t calls;
static __thread int searching;

static void *find_next(const char *name)
{
    searching++;
    void *next = dlsym(RTLD_NEXT, name);
    searching--;
    return next;
}

static void *take_buffered(size_t bytes)
{
    return buffer + atomic_fetch_add(&buffered, (bytes + 15) & ~(size_t)15);
}

size_t counting_calls(void)
{
    return atomic_load(&calls);
}

void *malloc(size_t bytes)
{
    static void *(*next)(size_t);
    if (searching)
        return take_buffered(bytes);
    if (next == NULL)
        next = (void *(*)(size_t))find_next("malloc");
    atomic_fetch_add(&calls, 1);
    return next(bytes);
}

void free(void *block)
{
    static void (*next)(void *);
    if ((char *)block >= buffer && (char *)block < buffer + sizeof(buffer))
        return;
    if (next == NULL)
        next = (void (*)(void *))find_next("free");
    next(block);
}

void *calloc(size_t count, size_t bytes)
{
    static void *(*next)(size_t, size_t);
    if (searching)
        return take_buffered(count * bytes);
    if (next == NULL)
        next = (void *(*)(size_t, size_t))find_next("calloc");
    atomic_fetch_add(&calls, 1);
    return next(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    static void *(*next)(void *, size_t);
    if (next == NULL)
        next = (void *(*)(void *, size_t))find_next("realloc");
    atomic_fetch_add(&calls, 1);
    return next(block, bytes);
}
