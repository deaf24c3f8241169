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

/* By the highest bit of a number: how many bits its bytes have, and the high bits of all but the
 * last. What takes more than four bytes has more bits than there is room for. */
static const uint32_t encode_lengths[32] = {
    ENCODE_7(8, 0),     ENCODE_7(16, 0x80), ENCODE_7(24, 0x8080), ENCODE_7(32, 0x808080),
    UINT32_C(72) << 24, UINT32_C(72) << 24, UINT32_C(72) << 24,   UINT32_C(72) << 24};

/* A record's fields, to be stored at once and nothing behind them: in a child that a handler forks
 * off in the middle they are what the parent stores there, who may be further by now. */
struct encoded {
    uint64_t word;
    unsigned bits; /* of it; above 64: there is no room for all */
};

/* trace_put_uvarint without a branch for each byte, which processors cannot foresee where sizes and
 * distances vary. */
static inline void encode_uvarint(struct encoded *encoded, uint32_t n)
{
    uint32_t length = encode_lengths[__builtin_clz(n | 1) ^ 31];
    uint32_t bytes = (n & 0x3fff) | (n & 0xfffc000) << 2;
    bytes = (bytes & 0x7f007f) | (bytes & 0x3f803f80) << 1 | (length & 0x808080);
    encoded->word |= (uint64_t)bytes << (encoded->bits & 63);
    encoded->bits += length >> 24;
}

/* By two stores that meet or overlap; how many bytes. */
static inline unsigned encode_store(unsigned char *at, struct encoded encoded)
{
    unsigned bytes = encoded.bits / 8;
    MP_ASSERT(bytes >= 1 && bytes <= 8);
    if (bytes >= 4) {
        const uint32_t low = (uint32_t)encoded.word;
        const uint32_t high = (uint32_t)(encoded.word >> (encoded.bits - 32));
        memcpy(at, &low, sizeof(low));
        memcpy(at + bytes - 4, &high, sizeof(high));
    } else if (bytes >= 2) {
        const uint16_t low = (uint16_t)encoded.word;
        const uint16_t high = (uint16_t)(encoded.word >> (encoded.bits - 16));
        memcpy(at, &low, sizeof(low));
        memcpy(at + bytes - 2, &high, sizeof(high));
    } else {
        *at = (unsigned char)encoded.word;
    }
    return bytes;
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
static inline unsigned char *encode_birth(struct lane *lane, unsigned char *at, struct birth *birth)
{
    struct birth_slots was = encode_look(lane, birth);
    unsigned slot = trace_slot(birth->stack);
    if (was.stack == birth->stack) {
        *at++ = (unsigned char)slot;
    } else {
        lane->stacks[slot] = birth->stack;
        at = trace_put_uvarint(at, (uint64_t)birth->stack + TRACE_SLOTS);
    }
    if (was.size == birth->size) {
        birth->argument |= TRACE_SIZE_KNOWN;
    } else {
        at = trace_put_uvarint(at, birth->size);
        lane->sizes[slot] = birth->size;
    }
    if ((birth->argument & TRACE_IN_PLACE) == 0)
        at = trace_put_svarint(at, (int64_t)(birth->units - was.last));
    lane->alloc_at[trace_slot(birth->size)] = birth->units;
    lane->recent[trace_recent_slot(birth->units)] = birth->units;
    if ((birth->argument & TRACE_ALIGNED) != 0)
        *at++ = birth->alignment_log2;
    return at;
}

/* The fields of any record of an event. */
enum { ENCODE_BYTES_MOST = 48 };

/* Records that the following two have no room for. Numbers, not a birth: it would be put together
 * in memory by every event. */
void encode_alloc_slowly(struct lane *lane, uint64_t units, uint64_t size, uint32_t stack,
                         unsigned argument);
void encode_free_slowly(struct lane *lane, uint64_t units);

/* A whole ALLOC record at `at`, the lane's; nothing in a child that a handler forked off since `at`
 * was read, where the lane reads as zeros and the block is the parent's. */
static inline void encode_alloc(struct lane *lane, unsigned char *at, struct birth birth)
{
    struct birth_slots was = encode_look(lane, &birth);
    unsigned slot = trace_slot(birth.stack);
    uint64_t distance = trace_zigzag((int64_t)(birth.units - was.last));
    struct encoded fields = {slot, 8};
    if (was.stack != birth.stack) {
        fields = (struct encoded){0, 0};
        encode_uvarint(&fields, birth.stack + TRACE_SLOTS);
    }
    if (was.size == birth.size)
        birth.argument |= TRACE_SIZE_KNOWN;
    else
        encode_uvarint(&fields, (uint32_t)birth.size);
    encode_uvarint(&fields, (uint32_t)distance);
    if (MP_UNLIKELY((birth.size | distance) >> 32 != 0) || MP_UNLIKELY(fields.bits > 64)) {
        encode_alloc_slowly(lane, birth.units, birth.size, birth.stack,
                            birth.argument & ~(unsigned)TRACE_SIZE_KNOWN);
        return;
    }
    atomic_signal_fence(memory_order_seq_cst);
    if (MP_UNLIKELY(lane_at(lane) != at))
        return;
    unsigned char *end = at + 1 + encode_store(at + 1, fields);
    lane->stacks[slot] = birth.stack;
    lane->sizes[slot] = birth.size;
    lane->alloc_at[trace_slot(birth.size)] = birth.units;
    lane->recent[trace_recent_slot(birth.units)] = birth.units;
    lane->events++;
    lane_commit_at(lane, at, TRACE_ALLOC | birth.argument << 3, end);
}

/* The same: a FREE record. */
static inline void encode_free(struct lane *lane, unsigned char *at, uint64_t units)
{
    unsigned slot = trace_recent_slot(units); /* never 0 */
    struct encoded fields = {0, 0};
    if (lane->recent[slot] != units) {
        uint64_t distance = trace_zigzag((int64_t)(units - lane->freed_at));
        encode_uvarint(&fields, (uint32_t)distance);
        if (MP_UNLIKELY(distance >> 28 != 0)) {
            encode_free_slowly(lane, units);
            return;
        }
        slot = 0;
    }
    atomic_signal_fence(memory_order_seq_cst);
    if (MP_UNLIKELY(lane_at(lane) != at))
        return;
    unsigned char *end = at + 1;
    if (slot == 0) {
        end += encode_store(end, fields);
        lane->freed_at = units;
    }
    lane->events++;
    lane_commit_at(lane, at, TRACE_FREE | slot << 3, end);
}

#endif
