/* sampled.h - what the door does while a trace holds samples (tracer/format.h, SAMPLES).
 *
 * Small objects come from batches then (allocators/batch.h), which end where the next sample falls:
 * so those between two samples keep their hot path. Each class has a stream of points of its own,
 * on the bytes of its objects; a point behind the bytes that were asked for is none. All else is in
 * the thread's own stream. A sampled block lies apart, in a run or mapping of its own: its free
 * comes to the door by itself, and frees of all other objects keep their hot path. The price is a
 * page for each sampled block that is alive. */
#ifndef MPRESS_SAMPLED_H
#define MPRESS_SAMPLED_H

#include <stdbool.h>
#include <stddef.h>

#include "allocators/heap.h"
#include "tracer/tracer.h"

/* An object for a request that is no sample, and the next batch for the hot path. NULL: take the
 * rest of the door. `is_zeroed`: only one that threads keep; the heap knows where others are zero.
 */
void *sampled_pass(size_t bytes, bool is_zeroed);

/* Moves on by an allocation that the hot path did not serve; true: it is a sample, record it. Once
 * for each, however often it waits for memory. */
bool sampled_takes(size_t bytes, size_t alignment);

/* A block apart; NULL: there is no memory for one. */
void *sampled_alloc(size_t alignment, size_t bytes, bool zeroed);

/* As route_realloc; records an old block that may have been a sample, and the new one if it is. */
void *sampled_realloc(void *p, size_t bytes, bool is_sample, const struct tracer_caller *caller);

/* The object at p moves to another class, and is no sample there, or stays; NULL: take the rest of
 * the door, for whatever else p is. */
void *sampled_move(void *p, size_t bytes);

#endif
