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

/* A whole FREE record at `at`, the lane's; nothing in a child that a handler forked off since `at`
 * was read, where the lane reads as zeros and the block is the parent's. */
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
