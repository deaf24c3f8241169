/* bench.h - what the benchmark programs share: time, seeded random numbers, resident memory, and
 * tables that are not in the heap that is measured.
 *
 * Everything here works without malloc, so that nothing but the pattern itself reaches the heap. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#define BENCH_KIB ((size_t)1 << 10)
#define BENCH_MIB ((size_t)1 << 20)

double bench_now_ns(void);
void bench_sleep_ms(unsigned ms);

/* xorshift64*; a state is any number but 0. */
static inline uint64_t bench_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dU;
}

/* least..most, both included. */
static inline size_t bench_random_range(uint64_t *state, size_t least, size_t most)
{
    return least + (size_t)((bench_random(state) >> 11) % (most - least + 1));
}

/* Resident memory of this process without its tables; peak: the most there ever was. */
size_t bench_rss_bytes(void);
size_t bench_peak_bytes(void);

/* The bytes of all pages in which one of the blocks lies; blocks may be NULL. */
size_t bench_pages_bytes(void *const *blocks, const uint32_t *bytes, size_t count);

/* A zeroed table in pages of its own, resident from the start; lives as long as the process. */
void *bench_table(size_t count, size_t bytes);

/* malloc that ends the program instead of returning NULL; the first and the last byte are written.
 */
void *bench_alloc(size_t bytes);

/* Keeps the compiler from seeing through p. */
static inline void *bench_opaque(void *p)
{
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

/* A whole positive number, or the program ends with a line that names the argument. */
uint64_t bench_number(const char *what, const char *text);
double bench_fraction(const char *what, const char *text);
noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
