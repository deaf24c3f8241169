/* entered.h - malloc and free of a thread that has entered a transaction (arena.h), while nobody
 * wants to see them: the short way behind the closed hand. */
#ifndef MPRESS_ENTERED_H
#define MPRESS_ENTERED_H

#include <stdbool.h>
#include <stddef.h>

#include "allocators/cache.h"

/* A small block out of the transaction; bits: TRACE_ZEROED. NULL: take the rest of the door. */
void *entered_alloc(size_t bytes, unsigned bits);

/* Frees a block that lies where the next one will. False: take the rest of the door. */
bool entered_free_own(void *p);

static inline bool entered_free(void *p)
{
    return MP_UNLIKELY(hand.arena != NULL) && entered_free_own(p);
}

#endif
