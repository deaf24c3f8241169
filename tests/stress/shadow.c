/* shadow.c - two levels: a static root of 1-GiB regions, each with a lazily mapped bitmap. */
#include "tests/stress/shadow.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { GRANULE_SHIFT = 4, REGION_SHIFT = 30, ADDRESS_BITS = 47 };
#define REGION_WORDS (((size_t)1 << (REGION_SHIFT - GRANULE_SHIFT)) / 64)
#define REGION_BYTES (REGION_WORDS * sizeof(uint64_t))

typedef _Atomic uint64_t *region;

static _Atomic(region) regions[(size_t)1 << (ADDRESS_BITS - REGION_SHIFT)];

static region map_region(void)
{
    void *mapped = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        abort();
    return mapped;
}

static region region_of(uintptr_t granule)
{
    _Atomic(region) *place = &regions[granule >> (REGION_SHIFT - GRANULE_SHIFT)];
    region found = atomic_load(place);
    if (found != NULL)
        return found;
    region made = map_region();
    if (atomic_compare_exchange_strong(place, &found, made))
        return made;
    munmap((void *)(uintptr_t)made, REGION_BYTES);
    return found;
}

/* Bits first..end-1 of the word that holds `first`. */
static uint64_t mask_of(uintptr_t first, uintptr_t end)
{
    uintptr_t left = end - first, room = 64 - first % 64;
    uint64_t bits = left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
    return (room < 64 ? bits & ((UINT64_C(1) << room) - 1) : bits) << first % 64;
}

static bool change(const void *block, size_t bytes, bool take)
{
    uintptr_t first = (uintptr_t)block >> GRANULE_SHIFT;
    uintptr_t end = ((uintptr_t)block + (bytes == 0 ? 1 : bytes) + 15) >> GRANULE_SHIFT;
    bool as_expected = true;
    while (first < end) {
        uint64_t mask = mask_of(first, end);
        _Atomic uint64_t *word = &region_of(first)[first / 64 % REGION_WORDS];
        uint64_t before = take ? atomic_fetch_or(word, mask) : atomic_fetch_and(word, ~mask);
        as_expected = as_expected && (before & mask) == (take ? 0 : mask);
        first = (first / 64 + 1) * 64;
    }
    return as_expected;
}

bool shadow_take(const void *block, size_t bytes)
{
    return change(block, bytes, true);
}

bool shadow_give(const void *block, size_t bytes)
{
    return change(block, bytes, false);
}
