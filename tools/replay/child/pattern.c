/* pattern.c - what a checked run writes into each block, and looks for when the block is freed,
 * moved, or left over. Two blocks that share memory cannot both keep their pattern. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>

#include "tools/replay/child/child.h"

/* Differs for neighbours and for the same slot in other sizes. */
uint64_t pattern_of(const struct slot *slot)
{
    return (uint64_t)(uintptr_t)slot * UINT64_C(0x9E3779B97F4A7C15) ^ slot->size;
}

static unsigned char byte_of(uint64_t pattern, size_t i)
{
    return (unsigned char)(pattern >> (8 * (i % 8)));
}

void pattern_write(void *object, const struct slot *slot)
{
    unsigned char *bytes = object;
    uint64_t pattern = pattern_of(slot);
    for (size_t i = 0; i < slot_size(slot); i++)
        bytes[i] = byte_of(pattern, i);
}

/* The first is described, all are counted. */
static void note_overlap(const void *object, size_t bytes, size_t at, const char *when)
{
    uint64_t before = __atomic_fetch_add(&child.result->overlaps, 1, __ATOMIC_RELAXED);
    if (before == 0)
        snprintf(child.result->overlap, sizeof(child.result->overlap),
                 "byte %zu of a block of %zu bytes at %p was changed (noticed %s)", at, bytes,
                 object, when);
}

void pattern_check(const void *object, size_t bytes, uint64_t pattern, const char *when)
{
    const unsigned char *found = object;
    for (size_t i = 0; i < bytes; i++) {
        if (found[i] != byte_of(pattern, i)) {
            note_overlap(object, bytes, i, when);
            return;
        }
    }
}

void pattern_check_birth(const void *object, bool is_zeroed, size_t size, size_t alignment)
{
    const unsigned char *bytes = object;
    if ((uintptr_t)object % alignment != 0)
        child_fail("a block of %zu bytes at %p is not aligned to %zu", size, object, alignment);
    for (size_t i = 0; is_zeroed && i < size; i++) {
        if (bytes[i] != 0)
            child_fail("byte %zu of a calloc of %zu bytes at %p is not zero", i, size, object);
    }
}
