/* sampler.h - the points of Poisson processes on the bytes that a thread allocates.
 *
 * A stream is the bytes of some of its allocations, one behind another, with points of its own. An
 * allocation may take more bytes of it than were asked for: points behind these do not count, so
 * that it is a sample with the chance that its size has (format.h, SAMPLES). Who takes it out of
 * which stream is no matter, as long as the points have no say in that. */
#ifndef MPRESS_TRACER_SAMPLER_H
#define MPRESS_TRACER_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes before the next point: exponential with that mean (up to 2^32), rounded down. *state: any
 * number but 0. */
uint64_t sampler_draw(uint64_t *state, uint64_t period);

/* tracer_takes_of for any stream. */
bool sampler_takes(uint64_t *state, uint64_t period, uint64_t *left, size_t bytes, size_t asked);

#endif
