/* latency.c - one histogram for all threads: what is timed is rare enough. */
#include "preload/latency.h"

#include <stdatomic.h>
#include <string.h>

#include "tracer/format.h"
#include "tracer/tracer.h"

enum {
    HEAD_BYTES = 5 * 10,
    BUCKET_BYTES = 2 + 10, /* of a record, at most */
    CLOCK_TRIES = 16,
};

_Thread_local __attribute__((tls_model("initial-exec"))) uint32_t latency_passes;

/* What every timed call reads and what it writes lie in different lines. */
static struct {
    _Alignas(64) _Atomic uint64_t most_ns;
    uint64_t clock_ns; /* what reading the clock adds to each */
    /* calls that took so long, as far as can be told; those that passes stand for too */
    _Alignas(64) _Atomic uint64_t calls[TRACE_LATENCY_BUCKETS];
    _Alignas(64) _Atomic uint64_t passes; /* timed, of the magazine's; added behind its calls */
    uint64_t written;                     /* timed calls when it was written last; taken */
    _Atomic bool is_taken;                /* somebody writes; the rest is its own */
    unsigned char record[HEAD_BYTES + BUCKET_BYTES * TRACE_LATENCY_BUCKETS];
} latency;

/* -- timing ----------------------------------------------------------------------------------- */

static void raise_most(uint64_t ns)
{
    uint64_t most = atomic_load_explicit(&latency.most_ns, memory_order_relaxed);
    while (ns > most &&
           !atomic_compare_exchange_weak_explicit(&latency.most_ns, &most, ns, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

static void add(uint64_t begun_ns, uint64_t calls)
{
    uint64_t ns = os_time_ns() - begun_ns;
    ns = ns > latency.clock_ns ? ns - latency.clock_ns : 0;
    atomic_fetch_add_explicit(&latency.calls[trace_latency_bucket(ns)], calls,
                              memory_order_relaxed);
    raise_most(ns);
}

void latency_end_pass(uint64_t begun_ns)
{
    latency_passes = 0;
    add(begun_ns, LATENCY_ONE_IN);
    /* release: pairs with the acquire in latency_write */
    atomic_fetch_add_explicit(&latency.passes, 1, memory_order_release);
}

void latency_end(uint64_t begun_ns)
{
    if (begun_ns == 0)
        return;
    add(begun_ns, 1);
}

/* At best: what a call took beyond that is its own. */
static uint64_t measure_clock(void)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < CLOCK_TRIES; i++) {
        uint64_t before = os_time_ns();
        uint64_t took = os_time_ns() - before;
        least = took < least ? took : least;
    }
    return least;
}

/* Calls that are being timed just now may be in it or not. */
void latency_forget(void)
{
    for (size_t i = 0; i < TRACE_LATENCY_BUCKETS; i++)
        atomic_store_explicit(&latency.calls[i], 0, memory_order_relaxed);
    atomic_store_explicit(&latency.passes, 0, memory_order_relaxed);
    atomic_store_explicit(&latency.most_ns, 0, memory_order_relaxed);
    latency.clock_ns = measure_clock();
    latency.written = 0;
    atomic_store_explicit(&latency.is_taken, false, memory_order_relaxed);
}

/* -- writing ---------------------------------------------------------------------------------- */

static size_t make_record(uint64_t passes, uint64_t others)
{
    unsigned char *at = trace_put_uvarint(latency.record, os_time_ns());
    at = trace_put_uvarint(at, others);
    at = trace_put_uvarint(at, passes);
    at = trace_put_uvarint(at, LATENCY_ONE_IN);
    at = trace_put_uvarint(at, atomic_load_explicit(&latency.most_ns, memory_order_relaxed));
    size_t last = 0;
    for (size_t i = 0; i < TRACE_LATENCY_BUCKETS; i++) {
        uint64_t calls = atomic_load_explicit(&latency.calls[i], memory_order_relaxed);
        if (calls == 0)
            continue;
        at = trace_put_uvarint(at, i - last);
        at = trace_put_uvarint(at, calls);
        last = i;
    }
    return (size_t)(at - latency.record);
}

static uint64_t count_calls(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < TRACE_LATENCY_BUCKETS; i++)
        sum += atomic_load_explicit(&latency.calls[i], memory_order_relaxed);
    return sum;
}

void latency_write(bool is_last)
{
    /* acquire: what the passes stand for is counted */
    uint64_t passes = atomic_load_explicit(&latency.passes, memory_order_acquire);
    uint64_t calls = count_calls(), passed = passes * LATENCY_ONE_IN;
    uint64_t others = calls > passed ? calls - passed : 0; /* one may end as a trace begins */
    /* acquire, release: writers come one after another */
    if (passes + others == 0 ||
        atomic_exchange_explicit(&latency.is_taken, true, memory_order_acquire))
        return;
    if (is_last || passes + others > latency.written + latency.written / 4) {
        latency.written = passes + others;
        tracer_write_latency(latency.record, make_record(passes, others));
    }
    atomic_store_explicit(&latency.is_taken, false, memory_order_release);
}
