/* format_heap.h - what the info lane (format.h) says of the heap itself.
 *
 * CLASSES. What the heap makes of sizes, once, before the first event: uvarint step; then its size
 * classes by size, each: uvarint bytes less those of the class before. A block that is asked for
 * with n bytes can hold those of the first class that is at least n, or, with an alignment above
 * 16 (and up to 16 KiB), n rounded up to it, and a multiple of it; if there is none, n rounded up
 * to `step` (0: not known). A REALLOC in place leaves a block of a class as it is. A heap that does
 * not tell writes none.
 *
 * LATENCY. How long allocations took, without their recording, from the trace's start up to now;
 * the last one counts. Payload, uvarints: time_ns; calls that were timed because they needed more
 * than what their thread had at hand; of the others, calls that were timed, and out of how many
 * each; ns of the longest; then buckets of durations (trace_latency_bucket), ascending: difference
 * to the one before (at first: its number), calls of all, as far as the timed ones tell. Threads go
 * on meanwhile, so the sums may differ by some calls. */
#ifndef MPRESS_TRACER_FORMAT_HEAP_H
#define MPRESS_TRACER_FORMAT_HEAP_H

#include <stdint.h>

/* Bucket of a duration: 16 steps per doubling (HdrHistogram's way), exact below 16 ns. */
enum { TRACE_LATENCY_BUCKETS = 64 * 16 };

static inline unsigned trace_latency_bucket(uint64_t ns)
{
    if (ns < 16)
        return (unsigned)ns;
    unsigned log = 63U - (unsigned)__builtin_clzll(ns);
    return (log - 3) * 16 + (unsigned)((ns >> (log - 4)) & 15);
}

/* The smallest duration of a bucket. */
static inline uint64_t trace_latency_ns(unsigned bucket)
{
    if (bucket < 16)
        return bucket;
    unsigned log = bucket / 16 + 3;
    return (UINT64_C(1) << log) | ((uint64_t)(bucket & 15) << (log - 4));
}

/* What nothing points to any more, by a look through all memory of the program; a block of the
 * heap is one of four kinds (enum trace_leak). */
struct trace_leaks {
    uint64_t time_ns;
    uint64_t pause_ns;   /* the program stood still for that */
    uint64_t root_bytes; /* address space looked through, beside the blocks themselves */
    uint32_t threads_stopped;
    uint32_t threads_missed; /* they could not be stopped: what only their registers hold is lost */
    uint64_t blocks[4];      /* by kind; count */
    uint64_t bytes[4];       /* usable bytes */
};

enum trace_leak {
    TRACE_LEAK_LOST = 0,      /* nothing leads to it */
    TRACE_LEAK_REACHABLE = 1, /* its first byte is pointed to */
    TRACE_LEAK_INSIDE = 2,  /* somewhere on the way only by a pointer into the middle of a block */
    TRACE_LEAK_BY_LOST = 3, /* a lost block leads to it */
};

_Static_assert(sizeof(struct trace_leaks) == 96, "file format");

#endif
