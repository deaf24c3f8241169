/* next.h - libc's function behind one of the same name here. */
#ifndef MPRESS_NEXT_H
#define MPRESS_NEXT_H

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/entry.h"

/* Found at the first call: looking for all of them would cost every program's start. */
static inline void *next_find(const char *name, _Atomic(void *) *known)
{
    void *next = atomic_load_explicit(known, memory_order_relaxed);
    if (next == NULL) {
        next = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(known, next, memory_order_relaxed);
    }
    return next;
}

/* Begins a function that calls libc's as `real`. */
#define NEXT_CALL(name, parameters)                                                                \
    EXPORTED int name parameters                                                                   \
    {                                                                                              \
        static _Atomic(void *) known;                                                              \
        int(*real) parameters;                                                                     \
        void *next = next_find(#name, &known);                                                     \
        if (next == NULL) {                                                                        \
            errno = ENOSYS;                                                                        \
            return -1;                                                                             \
        }                                                                                          \
        memcpy(&real, &next, sizeof(real));

#endif
