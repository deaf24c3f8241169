/* sampler.c - draws the distances between samples, without a logarithm. */
#include "tracer/sampler.h"

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "tracer/recorder.h"

_Thread_local struct tracer_sampler tracer_sampler;

/* xorshift64* (Marsaglia 2003, Vigna 2016), its better half. */
static uint32_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

/* True in a share of exp(-first / 2^32): whether the run of falling numbers from `first` on has an
 * odd length. */
static bool is_odd_run(uint32_t first, uint64_t *state)
{
    bool is_odd = true;
    for (uint32_t last = first, next; (next = next_random(state)) < last; last = next)
        is_odd = !is_odd;
    return is_odd;
}

/* von Neumann 1951 (Knuth, TAOCP 2, 3.4.1): exact, from comparisons of uniform numbers alone. */
uint64_t sampler_draw(uint64_t *state, uint64_t period)
{
    for (uint64_t whole = 0;; whole++) {
        uint32_t first = next_random(state);
        if (is_odd_run(first, state))
            return whole * period + (first * period >> 32);
    }
}

static uint64_t seed(void)
{
    uint64_t mixed = os_time_ns() ^ (uint64_t)os_thread_id() << 40 ^ (uintptr_t)&tracer_sampler;
    return mixed * UINT64_C(0x9E3779B97F4A7C15) | 1;
}

bool tracer_takes(size_t bytes)
{
    struct tracer_sampler *self = &tracer_sampler;
    if (MP_UNLIKELY(self->state == 0)) {
        self->state = seed();
        self->left = sampler_draw(&self->state, recorder.sample_period);
    }
    if (tracer_passes(bytes)) {
        tracer_pass(bytes);
        return false;
    }
    self->left = sampler_draw(&self->state, recorder.sample_period);
    return true;
}
