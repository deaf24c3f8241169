/* memory.h - a memory program shapes the heap and prints, at named points, what it holds and what
 * the process keeps resident. */
#ifndef TESTS_BENCH_MEMORY_H
#define TESTS_BENCH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_program {
    const char *name;
    const char *summary;
    void (*run)(void);
};

extern const struct memory_program memory_heaps[];   /* memory_heaps.c; ends with a NULL name   */
extern const struct memory_program memory_threads[]; /* memory_threads.c; ends with a NULL name */

/* `count` times --scale, at least 1. */
size_t memory_scaled(size_t count);

/* Prints one line: the bytes asked for and still held, the resident ones, the time. */
void memory_point(const char *name, size_t asked_bytes);

/* The same for the most the process ever had resident. */
void memory_peak(const char *name, size_t asked_bytes);

/* Light use for --light-ms, as of an idle service: a few small blocks each millisecond. */
void memory_light_use(void);

/* The blocks of one thread: numbered places, each empty or with a block written from end to end. */
struct memory_pool {
    void **blocks;
    uint32_t *bytes;
    size_t places;
    size_t asked; /* sum of bytes[] */
    uint64_t random;
};

void memory_pool_init(struct memory_pool *pool, size_t places, uint64_t seed);
void memory_pool_fill(struct memory_pool *pool, size_t place, size_t bytes);
void memory_pool_drop(struct memory_pool *pool, size_t place);

/* memory_point for a pool; beside it pages_mib, the pages that hold one byte of a block or more:
 * below that no heap can get that neither moves blocks nor knew the future. */
void memory_pool_point(const struct memory_pool *pool, const char *name);

/* Drops each block of first..first+count-1 with the probability share. */
void memory_pool_thin(struct memory_pool *pool, size_t first, size_t count, double share);

#endif
