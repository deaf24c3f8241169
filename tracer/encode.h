/* encode.h - the fields of ALLOC and REALLOC, against the lane's state (format.h, EVENT LANES). */
#ifndef MPRESS_TRACER_ENCODE_H
#define MPRESS_TRACER_ENCODE_H

#include <stdint.h>
#include <string.h>

#include "allocators/base/check.h"
#include "tracer/format.h"
#include "tracer/lane.h"
#include "tracer/recorder.h"

/* What ALLOC and REALLOC have in common. */
struct birth {
    uint64_t units;
    uint64_t size;
    uint32_t stack;
    unsigned argument; /* bits of enum trace_alloc_bits */
    unsigned char alignment_log2;
};

/* trace_put_uvarint without a branch for each byte, which processors cannot foresee where sizes and
 * distances vary. Stores up to three zeros behind it, where zeros are (lane.h, L2). */
static inline unsigned char *encode_uvarint(unsigned char *at, uint64_t n)
{
    if (MP_UNLIKELY(n >> 28 != 0))
        return trace_put_uvarint(at, n);
    uint32_t bits = (uint32_t)n;
    uint32_t further = ((uint32_t)__builtin_clz(bits | 1) ^ 31) * 37 >> 8; /* a seventh of it */
    uint32_t bytes = (bits & 0x7f) | (bits & 0x3f80) << 1 | (bits & 0x1fc000) << 2 |
                     (bits & 0xfe00000) << 3 | (0x808080 & ((1U << 8 * further) - 1));
    memcpy(at, &bytes, sizeof(bytes));
    return at + 1 + further;
}

static inline unsigned char *encode_svarint(unsigned char *at, int64_t n)
{
    return encode_uvarint(at, trace_zigzag(n));
}

static inline uint64_t encode_units(const void *p)
{
    return (uint64_t)(uintptr_t)p >> recorder.address_shift;
}

static inline unsigned char *encode_stack(struct lane *lane, unsigned char *at, uint32_t id)
{
    unsigned slot = trace_slot(id);
    if (lane->stacks[slot] == id) {
        *at = (unsigned char)slot;
        return at + 1;
    }
    lane->stacks[slot] = id;
    return encode_uvarint(at, (uint64_t)id + TRACE_SLOTS);
}

/* Writes stack, size, address, alignment; sets TRACE_SIZE_KNOWN when it applies. */
static inline unsigned char *encode_birth(struct lane *lane, unsigned char *at, struct birth *birth)
{
    at = encode_stack(lane, at, birth->stack);
    uint64_t *known_size = &lane->sizes[trace_slot(birth->stack)];
    if (*known_size == birth->size) {
        birth->argument |= TRACE_SIZE_KNOWN;
    } else {
        at = encode_uvarint(at, birth->size);
        *known_size = birth->size;
    }
    uint64_t *last = &lane->alloc_at[trace_slot(birth->size)];
    if ((birth->argument & TRACE_IN_PLACE) == 0)
        at = encode_svarint(at, (int64_t)(birth->units - *last));
    *last = birth->units;
    lane->recent[trace_recent_slot(birth->units)] = birth->units;
    if ((birth->argument & TRACE_ALIGNED) != 0)
        *at++ = birth->alignment_log2;
    return at;
}

#endif
