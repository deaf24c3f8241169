/* sampler.c - draws the distances between samples, without a logarithm. */
#include "tracer/sampler.h"

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "tracer/recorder.h"

static _Thread_local struct {
    uint64_t state;  /* of the random numbers; 0: this thread has none yet */
    uint64_t left;   /* bytes before the next point of the thread's own stream, */
    uint64_t period; /* which was drawn for this one */
} sampler __attribute__((tls_model("initial-exec")));

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

bool sampler_takes(uint64_t *state, uint64_t period, uint64_t *left, size_t bytes, size_t asked)
{
    uint64_t before = *left;
    if (MP_LIKELY(before >= bytes)) {
        *left = before - bytes;
        return false;
    }
    *left = sampler_draw(state, period); /* from the end on: what lies behind a point is as ever */
    return before < asked + (asked == 0);
}

static __attribute__((noinline, cold)) void seed(void)
{
    uint64_t mixed = os_time_ns() ^ (uint64_t)os_thread_id() << 40 ^ (uintptr_t)&sampler;
    sampler.state = mixed * UINT64_C(0x9E3779B97F4A7C15) | 1;
}

uint64_t tracer_sample_period(void)
{
    return recorder.sample_period;
}

uint64_t tracer_draw(uint64_t period)
{
    if (MP_UNLIKELY(sampler.state == 0))
        seed();
    return sampler_draw(&sampler.state, period);
}

bool tracer_takes_of(uint64_t *left, size_t bytes, size_t asked)
{
    if (MP_UNLIKELY(sampler.state == 0))
        seed();
    return sampler_takes(&sampler.state, recorder.sample_period, left, bytes, asked);
}

bool tracer_takes(size_t bytes)
{
    uint64_t period = recorder.sample_period; /* once: another trace may begin meanwhile */
    if (MP_UNLIKELY(sampler.period != period)) {
        sampler.left = tracer_draw(period);
        sampler.period = period;
    }
    return tracer_takes_of(&sampler.left, bytes + (bytes == 0), bytes);
}
