/* pattern.c - space-saving counters (Metwally, Agrawal, El Abbadi, ICDT 2005): a size without a
 * counter takes over the smallest one and goes on from there. No lock: a counter is one word, and
 * what two threads count at the same moment may be lost, a sample among many. */
#include "allocators/pattern.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "allocators/base/check.h"
#include "allocators/size_class.h"

enum { BYTES_BITS = 16 };
#define ONE (UINT64_C(1) << BYTES_BITS)
_Static_assert(SIZE_SLAB_MAX < 1 << BYTES_BITS, "a size fits beside its count");

/* All atomics are relaxed: nothing is published by them. */
static struct counters {
    _Atomic uint64_t refills;
    _Atomic uint64_t rounds;
    _Atomic uint64_t asked;
    _Atomic uint64_t size[PATTERN_SIZES]; /* count << 16 | bytes; 0: free */
} __attribute__((aligned(64))) classes[SIZE_CLASS_END];
_Static_assert(sizeof(struct counters) == 64, "a refill touches one line");

static uint64_t get(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Not in one: that would wait for the line, which other threads write too. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, get(counter) + n, memory_order_relaxed);
}

static void count_size(struct counters *of, uint64_t bytes)
{
    _Atomic uint64_t *least = &of->size[0];
    uint64_t least_value = UINT64_MAX;
    for (unsigned i = 0; i < PATTERN_SIZES; i++) {
        uint64_t value = get(&of->size[i]);
        if (value != 0 && value % ONE == bytes) {
            add(&of->size[i], ONE);
            return;
        }
        if (value < least_value) {
            least = &of->size[i];
            least_value = value;
        }
    }
    uint64_t taken_over = (least_value / ONE + 1) * ONE + bytes;
    atomic_compare_exchange_strong_explicit(least, &least_value, taken_over, memory_order_relaxed,
                                            memory_order_relaxed);
}

void pattern_note(unsigned class, size_t bytes, uint32_t rounds)
{
    MP_ASSERT(class < SIZE_CLASS_END && bytes <= SIZE_SLAB_MAX && rounds > 0);
    struct counters *of = &classes[class];
    add(&of->refills, 1);
    add(&of->rounds, rounds);
    add(&of->asked, bytes);
    count_size(of, bytes);
}

static void insert(struct pattern *pattern, struct pattern_size size)
{
    unsigned at = PATTERN_SIZES - 1;
    for (; at > 0 && pattern->size[at - 1].count < size.count; at--)
        pattern->size[at] = pattern->size[at - 1];
    pattern->size[at] = size;
}

void pattern_read(unsigned class, struct pattern *pattern)
{
    struct counters *of = &classes[class];
    *pattern = (struct pattern){
        .refills = get(&of->refills), .rounds = get(&of->rounds), .asked = get(&of->asked)};
    for (unsigned i = 0; i < PATTERN_SIZES; i++) {
        uint64_t value = get(&of->size[i]);
        insert(pattern,
               (struct pattern_size){.bytes = (uint32_t)(value % ONE), .count = value / ONE});
    }
}
