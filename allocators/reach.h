/* reach.h - which blocks the program can still get at: a conservative mark phase (Boehm & Weiser,
 * "Garbage collection in an uncooperative environment", 1988), with the classes of Valgrind's
 * memcheck.
 *
 * Nothing in the heap is changed, no lock of it taken. Call these while no other thread runs, or
 * all others are stopped: one that was stopped inside the heap may leave a free object that looks
 * like a block. From reach_begin to reach_end by one thread. Memory: 3 bits for 16 bytes of the
 * heap, of which only what describes live blocks is touched. */
#ifndef MPRESS_REACH_H
#define MPRESS_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reach_kind {
    REACH_LOST,    /* nothing points to it that could be reached, or only what it leads to itself */
    REACH_START,   /* its first byte is pointed to, from roots or from blocks of this kind */
    REACH_INSIDE,  /* it can be reached, but somewhere on the way only by a pointer into a block */
    REACH_BY_LOST, /* lost as well, but a lost block leads to it: freeing that one would do */
    REACH_KINDS,
};

/* Lists the blocks. ENOMEM. */
int reach_begin(void);

/* There is no block: roots need not be scanned. */
bool reach_is_empty(void);

/* [from, to) cannot be read; where it lies in blocks (mprotect), pointers in there are not seen.
 * False: there are too many of those. */
bool reach_forbid(uintptr_t from, uintptr_t to);

/* Looks for pointers in [from, to), which must be readable. Addresses need not be aligned: words
 * are. */
void reach_scan(const void *from, const void *to);

/* Shows the memory that must not be scanned as roots: that of the blocks themselves, freed ones
 * too, and the heap's records of them. */
void reach_visit_hidden(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context);

/* All roots were scanned: classifies. Reads the blocks. */
void reach_finish(void);

/* Calls `visit` for each block of the program, by address as far as they are not huge; its usable
 * bytes. */
void reach_visit(void (*visit)(void *p, size_t bytes, enum reach_kind kind, void *context),
                 void *context);

void reach_end(void);

#endif
