/* micro_batches.c - many blocks live at once. */
#include "tests/bench/micro.h"

#include <stdlib.h>

#include "tests/bench/bench.h"

/* The places for blocks, of the size the pattern asks for first. */
static void **places(size_t count)
{
    static void **table;
    if (table == NULL)
        table = bench_table(count, sizeof(*table));
    return table;
}

static double batches(size_t operations, size_t count, int last_first)
{
    void **blocks = places(count);
    size_t rounds = operations / count + 1;
    double start = bench_now_ns();
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++)
            blocks[i] = bench_alloc(64);
        for (size_t i = 0; i < count; i++)
            free(blocks[last_first ? count - 1 - i : i]);
    }
    return (bench_now_ns() - start) / (double)(rounds * count);
}

static double lifo(size_t operations, size_t count)
{
    return batches(operations, count, 1);
}

static double fifo(size_t operations, size_t count)
{
    return batches(operations, count, 0);
}

/* One of `count` live blocks of 16..1024 bytes is replaced at random; they live on between passes.
 */
static double replace(size_t operations, size_t count)
{
    static uint64_t random = 1;
    void **blocks = places(count);
    for (size_t i = 0; i < count && blocks[i] == NULL; i++)
        blocks[i] = bench_alloc(bench_random_range(&random, 16, 1024));
    double start = bench_now_ns();
    for (size_t i = 0; i < operations; i++) {
        uint64_t number = bench_random(&random);
        void **place = &blocks[(number >> 32) % count];
        free(*place);
        *place = bench_alloc(16 + (size_t)(number >> 8) % 1009);
    }
    return (bench_now_ns() - start) / (double)operations;
}

/* `count` blocks of one size are filled and freed, then of the next one: eight sizes in turn. */
static double phases(size_t operations, size_t count)
{
    static const size_t sizes[] = {32, 96, 48, 320, 160, 640, 80, 1024};
    void **blocks = places(count);
    size_t rounds = operations / count + 1;
    double start = bench_now_ns();
    for (size_t round = 0; round < rounds; round++) {
        size_t bytes = sizes[round % (sizeof(sizes) / sizeof(*sizes))];
        for (size_t i = 0; i < count; i++)
            blocks[i] = bench_alloc(bytes);
        for (size_t i = 0; i < count; i++)
            free(blocks[i]);
    }
    return (bench_now_ns() - start) / (double)(rounds * count);
}

/* Fills `count` places, frees nine in ten at random and fills them with blocks half as large again.
 */
static double refill(size_t operations, size_t count)
{
    uint64_t random = 1;
    void **blocks = places(count);
    size_t done = 0;
    double start = bench_now_ns();
    while (done < operations) {
        for (size_t i = 0; i < count; i++)
            blocks[i] = bench_alloc(bench_random_range(&random, 32, 512));
        for (size_t i = 0; i < count; i++) {
            if (bench_random(&random) >> 32 < (uint64_t)(0.9 * 0x1p32)) {
                free(blocks[i]);
                blocks[i] = NULL;
            }
        }
        for (size_t i = 0; i < count; i++) {
            if (blocks[i] == NULL)
                blocks[i] = bench_alloc(bench_random_range(&random, 48, 768));
        }
        for (size_t i = 0; i < count; i++)
            free(blocks[i]);
        done += count + count / 10 * 9;
    }
    return (bench_now_ns() - start) / (double)done;
}

/* One of 24 blocks of 256 KiB to 16 MiB is replaced at random and written to, page by page. */
static double large(size_t operations, size_t count)
{
    static uint64_t random = 1;
    void **blocks = places(count);
    double start = bench_now_ns();
    for (size_t i = 0; i < operations; i++) {
        void **place = &blocks[bench_random_range(&random, 0, count - 1)];
        size_t shift = bench_random_range(&random, 0, 5);
        size_t bytes = bench_random_range(&random, 256 * BENCH_KIB, 512 * BENCH_KIB) << shift;
        free(*place);
        char *block = bench_alloc(bytes);
        for (size_t at = 0; at < bytes; at += 4096)
            block[at] = 1;
        *place = block;
    }
    return (bench_now_ns() - start) / (double)operations;
}

#define BLOCK "one block of 64 bytes allocated and freed"

const struct micro_pattern micro_batches[] = {
    {"lifo-100", BLOCK ", last first", lifo, 2000000, 100},
    {"lifo-1000", BLOCK ", last first", lifo, 2000000, 1000},
    {"lifo-100k", BLOCK ", last first", lifo, 1000000, 100000},
    {"fifo-100", BLOCK ", first first", fifo, 2000000, 100},
    {"fifo-1000", BLOCK ", first first", fifo, 2000000, 1000},
    {"fifo-100k", BLOCK ", first first", fifo, 1000000, 100000},
    {"random-100k", "one of 100,000 blocks replaced", replace, 2000000, 100000},
    {"random-1M", "one of a million blocks replaced", replace, 2000000, 1000000},
    {"phase-change", "one block, sizes change each 20,000", phases, 1600000, 20000},
    {"refill-shifted", "one block of fill, thin out, refill", refill, 600000, 300000},
    {"large-churn", "one of 24 large blocks replaced", large, 1000, 24},
    {NULL, NULL, NULL, 0, 0},
};
