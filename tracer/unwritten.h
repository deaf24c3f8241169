/* unwritten.h - blocks of calloc that nobody writes (format.h, UNWRITTEN): their addresses are kept
 * from their birth on, and before they end their pages are looked at. What a block costs is one
 * look, which touching it took longer for. The caller is busy and holds no lock, unless otherwise
 * said. */
#ifndef MPRESS_TRACER_UNWRITTEN_H
#define MPRESS_TRACER_UNWRITTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/tracer.h"

/* True for addresses of which unwritten_note_birth is to be told. */
static inline bool unwritten_may_be(const void *p)
{
    return ((uintptr_t)p & (TRACER_WATCHED_STEP - 1)) == 0;
}

/* A block was born: from now on it is watched, or none at its address is any more. */
void unwritten_note_birth(const void *p, size_t asked, unsigned bits, uint32_t stack);

/* Looks at all that are watched, as the trace ends. False: the disk is full. */
bool unwritten_finish(void);

/* Another trace begins: what the one before watched is not looked at. */
void unwritten_begin(void);

/* In a forked child: none is watched. Not busy. */
void unwritten_abandon(void);

#endif
