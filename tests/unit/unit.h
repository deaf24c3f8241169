/* unit.h - what every unit test of the heap includes: cmocka in the order it wants. */
#ifndef MPRESS_TESTS_UNIT_H
#define MPRESS_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "allocators/heap.h"

/* A heap small enough for the shadow memory of the sanitizers. */
static inline void start_small_heap(void)
{
    static struct conf conf;
    conf_init(&conf);
    conf.reserve = UINT64_C(1) << 32;
    conf.decay_ms = 3600000;
    assert_int_equal(heap_init(&conf), 0);
}

/* The same as cmocka wants it of a group of tests. */
static inline int setup_small_heap(void **state)
{
    (void)state;
    start_small_heap();
    return 0;
}

static inline int audit_small_heap(void **state)
{
    (void)state;
    heap_audit();
    return 0;
}

/* xorshift (Marsaglia 2003): the same numbers for the same seed everywhere. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
