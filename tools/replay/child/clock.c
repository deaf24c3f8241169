/* clock.c - nanoseconds, and ticks that cost less to read. */
#define _GNU_SOURCE
#include <time.h>

#include "tools/replay/child/child.h"

uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t clock_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The smallest of many: what two reads cost when nothing comes between. */
static uint64_t measure_overhead(void)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t begun = clock_ticks();
        uint64_t took = clock_ticks() - begun;
        least = took < least ? took : least;
    }
    return least;
}

void clock_calibrate(void)
{
    uint64_t begun_ns = clock_ns();
    uint64_t begun = clock_ticks();
    uint64_t now_ns;
    do {
        now_ns = clock_ns();
    } while (now_ns - begun_ns < 20000000); /* 20 ms: the rate to 1 part in 100,000 */
    uint64_t ticks = clock_ticks() - begun;
    child.ns_per_tick = ticks == 0 ? 1 : (double)(now_ns - begun_ns) / (double)ticks;
    child.tick_overhead = measure_overhead();
    child.result->clock_ns = (uint64_t)((double)child.tick_overhead * child.ns_per_tick);
}
