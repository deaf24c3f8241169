/* micro_pairs.c - a block is freed before the next one is asked for. */
#include "tests/bench/micro.h"

#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

static double malloc_pairs(size_t operations, size_t bytes)
{
    double start = bench_now_ns();
    for (size_t i = 0; i < operations; i++)
        free(bench_opaque(malloc(bytes)));
    return (bench_now_ns() - start) / (double)operations;
}

/* Writes to each page, as whoever asks for a large block will. */
static double touched_pairs(size_t operations, size_t bytes)
{
    double start = bench_now_ns();
    for (size_t i = 0; i < operations; i++) {
        char *block = bench_alloc(bytes);
        for (size_t at = 0; at < bytes; at += 4096)
            block[at] = 1;
        free(bench_opaque(block));
    }
    return (bench_now_ns() - start) / (double)operations;
}

static double calloc_pairs(size_t operations, size_t bytes)
{
    double start = bench_now_ns();
    for (size_t i = 0; i < operations; i++)
        free(bench_opaque(calloc(1, bytes)));
    return (bench_now_ns() - start) / (double)operations;
}

static double aligned_pairs(size_t operations, size_t alignment)
{
    double start = bench_now_ns();
    for (size_t i = 0; i < operations; i++)
        free(bench_opaque(aligned_alloc(alignment, alignment)));
    return (bench_now_ns() - start) / (double)operations;
}

/* Sizes that a predictor of branches does not know by heart. */
static double mixed_pairs(size_t operations, size_t most)
{
    enum { SIZES = 4096 };
    static uint32_t sizes[SIZES];
    uint64_t random = 1;
    for (size_t i = 0; i < SIZES; i++)
        sizes[i] = (uint32_t)bench_random_range(&random, 1, most);
    double start = bench_now_ns();
    for (size_t i = 0; i < operations; i++)
        free(bench_opaque(malloc(sizes[i % SIZES])));
    return (bench_now_ns() - start) / (double)operations;
}

/* A string that grows byte by byte, each step a realloc. */
static double realloc_steps(size_t operations, size_t step)
{
    char *block = NULL;
    size_t bytes = 0;
    double start = bench_now_ns();
    for (size_t i = 0; i < operations; i++) {
        bytes = bytes < 64 * BENCH_KIB ? bytes + step : step;
        block = realloc(block, bytes);
        if (block == NULL)
            bench_die("realloc to %zu bytes failed", bytes);
        block[bytes - 1] = 1;
    }
    free(block);
    return (bench_now_ns() - start) / (double)operations;
}

/* 1 MiB grows to `most` by half at a time, as a vector does; what is new is written. */
static double realloc_grow(size_t operations, size_t most)
{
    double start = bench_now_ns();
    for (size_t i = 0; i < operations; i++) {
        size_t bytes = 0;
        char *block = NULL;
        for (size_t next = BENCH_MIB; next <= most; next += next / 2) {
            block = realloc(block, next);
            if (block == NULL)
                bench_die("realloc to %zu bytes failed", next);
            memset(block + bytes, 1, next - bytes);
            bytes = next;
        }
        free(block);
    }
    return (bench_now_ns() - start) / (double)operations;
}

#define PAIR "malloc and free"
#define TOUCHED "malloc, a write to each page, free"
#define ALIGNED "aligned_alloc and free of one alignment's bytes"

const struct micro_pattern micro_pairs[] = {
    {"pair-16", PAIR, malloc_pairs, 3000000, 16},
    {"pair-64", PAIR, malloc_pairs, 3000000, 64},
    {"pair-128", PAIR, malloc_pairs, 3000000, 128},
    {"pair-256", PAIR, malloc_pairs, 3000000, 256},
    {"pair-512", PAIR, malloc_pairs, 3000000, 512},
    {"pair-1K", PAIR, malloc_pairs, 3000000, 1024},
    {"pair-2K", PAIR, malloc_pairs, 3000000, 2048},
    {"pair-4K", PAIR, malloc_pairs, 2000000, 4096},
    {"pair-8K", PAIR, malloc_pairs, 2000000, 8 * BENCH_KIB},
    {"pair-16K", PAIR, malloc_pairs, 2000000, 16 * BENCH_KIB},
    {"pair-32K", PAIR, malloc_pairs, 1000000, 32 * BENCH_KIB},
    {"pair-64K", PAIR, malloc_pairs, 300000, 64 * BENCH_KIB},
    {"pair-256K", PAIR, malloc_pairs, 300000, 256 * BENCH_KIB},
    {"pair-1M", PAIR, malloc_pairs, 100000, BENCH_MIB},
    {"pair-8M", PAIR, malloc_pairs, 20000, 8 * BENCH_MIB},
    {"pair-64M", PAIR, malloc_pairs, 2000, 64 * BENCH_MIB},
    {"pair-mixed", "malloc and free of 1..1024 bytes", mixed_pairs, 3000000, 1024},
    {"touched-256K", TOUCHED, touched_pairs, 30000, 256 * BENCH_KIB},
    {"touched-1M", TOUCHED, touched_pairs, 10000, BENCH_MIB},
    {"touched-8M", TOUCHED, touched_pairs, 300, 8 * BENCH_MIB},
    {"calloc-16", "calloc and free", calloc_pairs, 3000000, 16},
    {"calloc-256", "calloc and free", calloc_pairs, 3000000, 256},
    {"calloc-4K", "calloc and free", calloc_pairs, 500000, 4096},
    {"calloc-1M", "calloc and free", calloc_pairs, 1000, BENCH_MIB},
    {"aligned-64", ALIGNED, aligned_pairs, 2000000, 64},
    {"aligned-256", ALIGNED, aligned_pairs, 2000000, 256},
    {"aligned-4K", ALIGNED, aligned_pairs, 1000000, 4096},
    {"aligned-64K", ALIGNED, aligned_pairs, 200000, 64 * BENCH_KIB},
    {"realloc-steps", "realloc by 16 bytes, up to 64 KiB", realloc_steps, 500000, 16},
    {"realloc-grow", "1 MiB to 1 GiB by half at a time", realloc_grow, 1, BENCH_MIB << 10},
    {NULL, NULL, NULL, 0, 0},
};
