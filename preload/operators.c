/* operators.c - the 20 C++ operators new and delete, under their mangled names: all or none.
 *
 * A failing throwing form asks the program's new-handler until there is memory or it throws
 * ([new.delete.single]); both functions for that come from the C++ runtime, when there is one. A
 * failing nothrow form leaves all of it to libstdc++'s own, which can catch. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/say.h"
#include "allocators/heap.h"
#include "preload/door.h"
#include "preload/entry.h"
#include "preload/hot.h"

/* -- the C++ runtime -------------------------------------------------------------------------- */

typedef void (*function)(void); /* any; converted back before a call, as memcpy of dlsym's answer */

/* A function of the C++ runtime, wherever it was loaded: a plugin of a C program brings libstdc++
 * in with RTLD_LOCAL, out of sight of a weak reference. NULL: there is none. Only on failing paths.
 */
static function find_in_runtime(const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    if (symbol == NULL) {
        void *runtime = dlopen("libstdc++.so.6", RTLD_NOLOAD | RTLD_LAZY);
        symbol = runtime != NULL ? dlsym(runtime, name) : NULL;
        if (runtime != NULL)
            dlclose(runtime);
    }
    function found;
    memcpy(&found, &symbol, sizeof(found));
    return found;
}

/* -- failure ---------------------------------------------------------------------------------- */

/* Calls the new-handler, or throws; returns to have another try. */
static void handle_failure(size_t bytes)
{
    function (*get_new_handler)(void) =
        (function(*)(void))find_in_runtime("_ZSt15get_new_handlerv");
    function handler = get_new_handler != NULL ? get_new_handler() : NULL;
    if (handler != NULL) {
        handler();
        return;
    }
    function throw_bad_alloc = find_in_runtime("_ZSt17__throw_bad_allocv");
    if (throw_bad_alloc != NULL)
        throw_bad_alloc();
    say("operator new: no memory for %zu bytes, and no C++ runtime to say it to", bytes);
    abort();
}

/* alignment 0: none asked for. */
static void *new_or_throw(size_t bytes, size_t alignment)
{
    for (;;) {
        void *p = alignment == 0 ? door_new(bytes) : door_new_aligned(alignment, bytes);
        if (p != NULL)
            return p;
        handle_failure(bytes);
    }
}

/* libstdc++'s nothrow forms call the throwing ones (ours) and catch what comes. */
static void *new_or_null(const char *name, size_t bytes, size_t alignment, const void *tag)
{
    function next = find_in_runtime(name);
    if (next == NULL)
        return NULL;
    if (alignment == 0)
        return ((void *(*)(size_t, const void *))next)(bytes, tag);
    return ((void *(*)(size_t, size_t, const void *))next)(bytes, alignment, tag);
}

static inline void *alloc_fast(size_t bytes)
{
    return MP_LIKELY(bytes <= SIZE_SLAB_MAX) ? hot_alloc(bytes) : hot_alloc_medium(bytes);
}

static __attribute__((noinline)) void *slow_new(size_t bytes)
{
    void *p = heap_alloc_parked(bytes);
    if (p == NULL)
        p = door_new(bytes);
    return MP_LIKELY(p != NULL) ? p : new_or_throw(bytes, 0);
}

static __attribute__((noinline)) void *slow_new_aligned(size_t bytes, size_t alignment)
{
    void *p = door_new_aligned(alignment, bytes);
    return MP_LIKELY(p != NULL) ? p : new_or_throw(bytes, alignment);
}

/* -- new -------------------------------------------------------------------------------------- */

void *_Znwm(size_t bytes);
EXPORTED void *_Znwm(size_t bytes)
{
    void *p = alloc_fast(bytes);
    return MP_LIKELY(p != NULL) ? p : slow_new(bytes);
}

void *_Znam(size_t bytes);
EXPORTED void *_Znam(size_t bytes)
{
    void *p = alloc_fast(bytes);
    return MP_LIKELY(p != NULL) ? p : slow_new(bytes);
}

void *_ZnwmRKSt9nothrow_t(size_t bytes, const void *tag);
EXPORTED void *_ZnwmRKSt9nothrow_t(size_t bytes, const void *tag)
{
    void *p = alloc_fast(bytes);
    if (MP_UNLIKELY(p == NULL))
        p = door_new(bytes);
    return MP_LIKELY(p != NULL) ? p : new_or_null("_ZnwmRKSt9nothrow_t", bytes, 0, tag);
}

void *_ZnamRKSt9nothrow_t(size_t bytes, const void *tag);
EXPORTED void *_ZnamRKSt9nothrow_t(size_t bytes, const void *tag)
{
    void *p = alloc_fast(bytes);
    if (MP_UNLIKELY(p == NULL))
        p = door_new(bytes);
    return MP_LIKELY(p != NULL) ? p : new_or_null("_ZnamRKSt9nothrow_t", bytes, 0, tag);
}

void *_ZnwmSt11align_val_t(size_t bytes, size_t alignment);
EXPORTED void *_ZnwmSt11align_val_t(size_t bytes, size_t alignment)
{
    void *p = heap_alloc_aligned_fast(alignment, bytes);
    return MP_LIKELY(p != NULL) ? p : slow_new_aligned(bytes, alignment);
}

void *_ZnamSt11align_val_t(size_t bytes, size_t alignment);
EXPORTED void *_ZnamSt11align_val_t(size_t bytes, size_t alignment)
{
    void *p = heap_alloc_aligned_fast(alignment, bytes);
    return MP_LIKELY(p != NULL) ? p : slow_new_aligned(bytes, alignment);
}

void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t bytes, size_t alignment, const void *tag);
EXPORTED void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t bytes, size_t alignment, const void *tag)
{
    void *p = heap_alloc_aligned_fast(alignment, bytes);
    if (MP_UNLIKELY(p == NULL))
        p = door_new_aligned(alignment, bytes);
    return MP_LIKELY(p != NULL)
               ? p
               : new_or_null("_ZnwmSt11align_val_tRKSt9nothrow_t", bytes, alignment, tag);
}

void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t bytes, size_t alignment, const void *tag);
EXPORTED void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t bytes, size_t alignment, const void *tag)
{
    void *p = heap_alloc_aligned_fast(alignment, bytes);
    if (MP_UNLIKELY(p == NULL))
        p = door_new_aligned(alignment, bytes);
    return MP_LIKELY(p != NULL)
               ? p
               : new_or_null("_ZnamSt11align_val_tRKSt9nothrow_t", bytes, alignment, tag);
}

/* -- delete: every form frees; what it knows of the size is compared in checked mode ----------- */

#define DELETE(name)                                                                               \
    void name(void *p);                                                                            \
    EXPORTED void name(void *p)                                                                    \
    {                                                                                              \
        if (MP_UNLIKELY(!hot_free(p)))                                                             \
            door_free(p);                                                                          \
    }

#define DELETE_TAGGED(name)                                                                        \
    void name(void *p, const void *tag);                                                           \
    EXPORTED void name(void *p, const void *tag)                                                   \
    {                                                                                              \
        (void)tag;                                                                                 \
        if (MP_UNLIKELY(!hot_free(p)))                                                             \
            door_free(p);                                                                          \
    }

#define DELETE_SIZED(name)                                                                         \
    void name(void *p, size_t bytes);                                                              \
    EXPORTED void name(void *p, size_t bytes)                                                      \
    {                                                                                              \
        if (MP_UNLIKELY(!hot_free(p)))                                                             \
            door_free_aligned_sized(p, bytes, 0);                                                  \
    }

#define DELETE_ALIGNED(name)                                                                       \
    void name(void *p, size_t alignment);                                                          \
    EXPORTED void name(void *p, size_t alignment)                                                  \
    {                                                                                              \
        (void)alignment;                                                                           \
        if (MP_UNLIKELY(!hot_free(p)))                                                             \
            door_free(p);                                                                          \
    }

#define DELETE_ALIGNED_TAGGED(name)                                                                \
    void name(void *p, size_t alignment, const void *tag);                                         \
    EXPORTED void name(void *p, size_t alignment, const void *tag)                                 \
    {                                                                                              \
        (void)alignment, (void)tag;                                                                \
        if (MP_UNLIKELY(!hot_free(p)))                                                             \
            door_free(p);                                                                          \
    }

#define DELETE_SIZED_ALIGNED(name)                                                                 \
    void name(void *p, size_t bytes, size_t alignment);                                            \
    EXPORTED void name(void *p, size_t bytes, size_t alignment)                                    \
    {                                                                                              \
        if (MP_UNLIKELY(!hot_free(p)))                                                             \
            door_free_aligned_sized(p, bytes, alignment);                                          \
    }

DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE_TAGGED(_ZdlPvRKSt9nothrow_t)
DELETE_TAGGED(_ZdaPvRKSt9nothrow_t)
DELETE_SIZED(_ZdlPvm)
DELETE_SIZED(_ZdaPvm)
DELETE_ALIGNED(_ZdlPvSt11align_val_t)
DELETE_ALIGNED(_ZdaPvSt11align_val_t)
DELETE_ALIGNED_TAGGED(_ZdlPvSt11align_val_tRKSt9nothrow_t)
DELETE_ALIGNED_TAGGED(_ZdaPvSt11align_val_tRKSt9nothrow_t)
DELETE_SIZED_ALIGNED(_ZdlPvmSt11align_val_t)
DELETE_SIZED_ALIGNED(_ZdaPvmSt11align_val_t)
