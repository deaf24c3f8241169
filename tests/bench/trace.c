/* trace.c - what recording costs: ns and bytes for each event, with and without stacks.
 *
 * usage: bench_trace [events]. The heap is left out: only the tracer is called, with the addresses
 * and sizes of a small working set, from call stacks 10 to 40 frames deep that change a little
 * from event to event, as in life. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tracer/tracer.h"

enum { WORKING_SET = 256 };

static uint64_t random_state = 20261120;
static uint64_t events_left;
static uintptr_t block[WORKING_SET];

static unsigned some(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % below;
}

/* Processor time, kernel included: other load on the machine does not count. */
static uint64_t spent_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* An allocation and, of what lives, a free. */
__attribute__((noinline)) static void allocate(void)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    struct tracer_caller caller = {.ip = frame[1], .sp = (uintptr_t)(frame + 2), .bp = frame[0]};
    unsigned n = some(WORKING_SET);
    if (block[n] != 0)
        tracer_free((void *)block[n]);
    block[n] = 0x7f0000000000 + some(1 << 16) * UINT64_C(16);
    tracer_alloc((void *)block[n], 16 + some(8) * 16, 0, 0, &caller);
    events_left = events_left < 2 ? 0 : events_left - 2;
}

/* Work at a depth: some allocations, now and then a call further down. */
__attribute__((noinline)) static int descend(int depth)
{
    for (int i = 0; i < 4 && events_left > 0; i++)
        allocate();
    int sum = depth > 0 && some(3) != 0 ? descend(depth - 1) : 0;
    if (events_left > 0)
        allocate();
    return sum + 1;
}

__attribute__((noinline)) static int dive(int depth, int below)
{
    return depth > 0 ? dive(depth - 1, below) + 1 : descend(below);
}

static void measure(const char *path, unsigned depth, uint64_t events)
{
    struct tracer_options options = {
        .path = path, .address_shift = 4, .depth = depth, .ordered_by_caller = true};
    if (tracer_start(&options) != 0)
        exit(1);
    events_left = events / 10; /* warms up: rules, nodes */
    while (events_left > 0)
        dive(10 + (int)some(20), 10);
    events_left = events;
    uint64_t start = spent_ns();
    while (events_left > 0)
        dive(10 + (int)some(20), 10);
    uint64_t took = spent_ns() - start;
    tracer_stop(TRACE_END_EXIT);
    struct stat status;
    stat(path, &status);
    printf("%-15s %6.1f ns/event %6.2f bytes/event\n",
           depth == 0 ? "without stacks" : "with stacks", (double)took / (double)events,
           (double)status.st_size / ((double)events * 1.1));
}

int main(int count, char **arguments)
{
    uint64_t events = count > 1 ? strtoull(arguments[1], NULL, 10) : 20000000;
    for (unsigned depth = 0; depth <= 128; depth += 128) {
        char path[64];
        snprintf(path, sizeof(path), "/tmp/bench-trace-%d-%u.mpt", (int)getpid(), depth);
        fflush(NULL);
        if (fork() == 0) {
            measure(path, depth, events);
            fflush(NULL);
            _exit(0);
        }
        wait(NULL);
        unlink(path);
    }
    return 0;
}
