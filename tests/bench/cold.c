/* cold.c - bench_cold MIB TOUCHES: JSON values of 200 bytes that nobody touches until they are
 * packed (MPRESS_COMPRESSION=always), then touches of random ones. One line: what packing saved,
 * how long a touch took of whose page was out, and the serving thread's part in that. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "preload/mpress_strategy.h"
#include "tests/bench/bench.h"

enum { VALUE_BYTES = 200, PAGE = 4096, STAGED_MOST = 1 << 20, SKIPPED = 77 };

static struct {
    char **value;
    size_t count;
    uint64_t random;
    uint32_t *ns; /* of each touch */
    size_t touches;
} cold = {.random = 88172645463325252};

static void make_values(size_t bytes)
{
    cold.count = bytes / VALUE_BYTES;
    cold.value = bench_table(cold.count, sizeof(*cold.value));
    for (size_t i = 0; i < cold.count; i++) {
        uint64_t a = bench_random(&cold.random), b = bench_random(&cold.random);
        cold.value[i] = bench_alloc(VALUE_BYTES);
        memset(cold.value[i], ' ', VALUE_BYTES);
        snprintf(cold.value[i], VALUE_BYTES,
                 "{\"id\": %zu, \"name\": \"user%u\", \"email\": \"%08x@example.com\", \"score\": "
                 "%u.%u, "
                 "\"tags\": [\"a%u\", \"b%u\"], \"active\": %s, \"note\": \"%016" PRIx64 "\"}",
                 i, (unsigned)(a % 100000), (unsigned)(a >> 32), (unsigned)(b % 1000),
                 (unsigned)(b >> 32) % 1000, (unsigned)(a % 97), (unsigned)(b % 97),
                 b % 2 ? "true" : "false", b);
    }
}

/* The heap gives the thread its work in slow calls: these are some. */
static void wake_heap(void)
{
    for (size_t i = 0; i < 1000; i++)
        free(bench_alloc(20 * BENCH_KIB + i * 16));
}

static struct mpress_compression wait_until_packed(void)
{
    struct mpress_compression now = {0}, before;
    do {
        before = now;
        wake_heap();
        bench_sleep_ms(500);
        mpress_compression_read(&now);
    } while (now.packs == 0 || now.packs != before.packs || now.staged > STAGED_MOST);
    return now;
}

static int is_out(const char *at)
{
    unsigned char present = 1;
    mincore((void *)((uintptr_t)at & ~(uintptr_t)(PAGE - 1)), PAGE, &present);
    return present % 2 == 0;
}

static void touch(const volatile char *at)
{
    double start = bench_now_ns();
    (void)*at;
    cold.ns[cold.touches++] = (uint32_t)(bench_now_ns() - start);
}

static int compare(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static double share(unsigned percent)
{
    return cold.ns[cold.touches * percent / 100] / 1e3;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        bench_die("usage: bench_cold MIB TOUCHES");
    size_t most = bench_number("TOUCHES", argv[2]);
    struct mpress_compression packed, after;
    if (mpress_compression_read == NULL || mpress_compression_read(&packed) != 0) {
        puts("skipped: nothing is packed here");
        return SKIPPED;
    }
    cold.ns = bench_table(most, sizeof(*cold.ns));
    make_values(bench_number("MIB", argv[1]) * BENCH_MIB);
    packed = wait_until_packed();
    for (size_t tries = 0; tries < 4 * most && cold.touches < most; tries++) {
        const char *value = cold.value[bench_random(&cold.random) % cold.count];
        if (is_out(value))
            touch(value);
    }
    mpress_compression_read(&after);
    if (cold.touches == 0)
        bench_die("nothing was packed");
    qsort(cold.ns, cold.touches, sizeof(*cold.ns), compare);
    printf("{\"packed_mib\": %.1f, \"saved_percent\": %.1f, \"pack_us\": %.0f, \"touches\": %zu, "
           "\"touch_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f}, \"return_us\": %.1f}\n",
           (double)packed.packed / BENCH_MIB,
           100 - 100 * (double)packed.store / (double)packed.packed,
           (double)packed.pack_ns / 1e3 / (double)packed.packs, cold.touches, share(50), share(90),
           share(99),
           (double)(after.return_ns - packed.return_ns) / 1e3 /
               (double)(after.returns - packed.returns + 1));
    return 0;
}
