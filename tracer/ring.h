/* ring.h - the closed blocks of the file, oldest first, that may be written over: those of event
 * lanes, of the timeline and of the stack lane.
 *
 * Only the numbers of blocks and lanes are kept, in memory of our own. file.c asks, under its lock.
 *
 *     first ──► block 7 of lane 2 ──► block 3 of lane 4 ──► ... ──► last     in order of closing */
#ifndef MPRESS_TRACER_RING_H
#define MPRESS_TRACER_RING_H

#include <stdbool.h>
#include <stdint.h>

#define RING_ANY_EVENTS UINT32_MAX

/* The block was closed. Without memory to know of it, it is never written over. */
void ring_put(uint64_t index, uint32_t lane);

/* The oldest of the lane's blocks, or of all event lanes'; false: there is none. */
bool ring_take(uint32_t lane, uint64_t *index);

/* Any of the closed blocks is the lane's. */
bool ring_has(uint32_t lane);

/* Another file, or none. */
void ring_clear(void);

/* In a forked child: the memory may have been about to move. */
void ring_abandon(void);

#endif
