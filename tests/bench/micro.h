/* micro.h - a pattern is one way of calling malloc and free; one pass of it is timed. */
#ifndef TESTS_BENCH_MICRO_H
#define TESTS_BENCH_MICRO_H

#include <stddef.h>

/* One pass with `operations` of them, or as many as make it up; returns ns per operation. */
typedef double micro_pass(size_t operations, size_t argument);

struct micro_pattern {
    const char *name;
    const char *operation; /* what one of them is */
    micro_pass *pass;
    size_t operations;
    size_t argument; /* bytes, or blocks that live at once */
};

extern const struct micro_pattern micro_pairs[];   /* micro_pairs.c; ends with a NULL name   */
extern const struct micro_pattern micro_batches[]; /* micro_batches.c; ends with a NULL name */
extern const struct micro_pattern micro_threads[]; /* micro_threads.c; ends with a NULL name */

#endif
