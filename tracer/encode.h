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

#define ENCODE_7(length, marks)                                                                    \
    (length) << 24 | (marks), (length) << 24 | (marks), (length) << 24 | (marks),                  \
        (length) << 24 | (marks), (length) << 24 | (marks), (length) << 24 | (marks),              \
        (length) << 24 | (marks)

/* By the highest bit of a number: how many bytes it takes, and the high bits of all but the last.
 */
static const uint32_t encode_lengths[28] = {ENCODE_7(1, 0), ENCODE_7(2, 0x80), ENCODE_7(3, 0x8080),
                                            ENCODE_7(4, 0x808080)};

/* trace_put_uvarint without a branch for each byte, which processors cannot foresee where sizes and
 * distances vary. Stores up to three zeros behind it, where zeros are (lane.h, L2). */
static inline unsigned char *encode_uvarint(unsigned char *at, uint64_t n)
{
    if (MP_UNLIKELY(n >> 28 != 0))
        return trace_put_uvarint(at, n);
    uint32_t length = encode_lengths[__builtin_clz((uint32_t)n | 1) ^ 31];
    uint32_t bytes = ((uint32_t)n & 0x3fff) | ((uint32_t)n & 0xfffc000) << 2;
    bytes = (bytes & 0x7f007f) | (bytes & 0x3f803f80) << 1 | (length & 0x808080);
    memcpy(at, &bytes, sizeof(bytes));
    return at + (length >> 24);
}

static inline unsigned char *encode_svarint(unsigned char *at, int64_t n)
{
    return encode_uvarint(at, trace_zigzag(n));
}

static inline uint64_t encode_units(const void *p)
{
    return (uint64_t)(uintptr_t)p >> recorder.address_shift;
}

/* What the lane's state has in the places of a birth. */
struct birth_slots {
    uint32_t stack;
    uint64_t size;
    uint64_t last; /* address of that size */
};

static inline struct birth_slots encode_look(const struct lane *lane, const struct birth *birth)
{
    unsigned slot = trace_slot(birth->stack);
    return (struct birth_slots){lane->stacks[slot], lane->sizes[slot],
                                lane->alloc_at[trace_slot(birth->size)]};
}

/* Writes stack, size, address, alignment; sets TRACE_SIZE_KNOWN when it applies. */
static inline unsigned char *encode_fields(struct lane *lane, unsigned char *at,
                                           struct birth *birth, struct birth_slots was)
{
    unsigned slot = trace_slot(birth->stack);
    if (was.stack == birth->stack) {
        *at++ = (unsigned char)slot;
    } else {
        lane->stacks[slot] = birth->stack;
        at = encode_uvarint(at, (uint64_t)birth->stack + TRACE_SLOTS);
    }
    if (was.size == birth->size) {
        birth->argument |= TRACE_SIZE_KNOWN;
    } else {
        at = encode_uvarint(at, birth->size);
        lane->sizes[slot] = birth->size;
    }
    if ((birth->argument & TRACE_IN_PLACE) == 0)
        at = encode_svarint(at, (int64_t)(birth->units - was.last));
    lane->alloc_at[trace_slot(birth->size)] = birth->units;
    lane->recent[trace_recent_slot(birth->units)] = birth->units;
    if ((birth->argument & TRACE_ALIGNED) != 0)
        *at++ = birth->alignment_log2;
    return at;
}

static inline unsigned char *encode_birth(struct lane *lane, unsigned char *at, struct birth *birth)
{
    return encode_fields(lane, at, birth, encode_look(lane, birth));
}

/* A whole ALLOC record at `at`, the lane's; nothing in a child that a handler forked off since `at`
 * was read, where the lane reads as zeros and the block is the parent's. */
static inline void encode_alloc(struct lane *lane, unsigned char *at, struct birth birth)
{
    struct birth_slots was = encode_look(lane, &birth);
    atomic_signal_fence(memory_order_seq_cst);
    if (MP_UNLIKELY(lane_at(lane) != at))
        return;
    unsigned char *end = encode_fields(lane, at + 1, &birth, was);
    lane->events++;
    lane_commit_at(lane, at, TRACE_ALLOC | birth.argument << 3, end);
}

/* The same: a FREE record. */
static inline void encode_free(struct lane *lane, unsigned char *at, uint64_t units)
{
    unsigned slot = trace_recent_slot(units);
    unsigned char *end = at + 1;
    uint64_t recent = lane->recent[slot];
    uint64_t freed_at = lane->freed_at;
    atomic_signal_fence(memory_order_seq_cst);
    if (MP_UNLIKELY(lane_at(lane) != at))
        return;
    if (recent != units) {
        slot = 0;
        end = encode_svarint(end, (int64_t)(units - freed_at));
        lane->freed_at = units;
    }
    lane->events++;
    lane_commit_at(lane, at, TRACE_FREE | slot << 3, end);
}

#endif
