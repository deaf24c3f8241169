/* sampler.h - the points of a Poisson process on the bytes that a thread allocates. */
#ifndef MPRESS_TRACER_SAMPLER_H
#define MPRESS_TRACER_SAMPLER_H

#include <stdint.h>

/* Bytes before the next point: exponential with that mean (up to 2^32), rounded down. *state: any
 * number but 0. */
uint64_t sampler_draw(uint64_t *state, uint64_t period);

#endif
