/* near.h - NEAR records (tracer/format.h), for cursor.c to inline: in traces without call stacks
 * nearly all are. */
#ifndef MPRESS_TOOLS_TRACE_NEAR_H
#define MPRESS_TOOLS_TRACE_NEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tools/trace/cursor.h"

static inline uint64_t near_fixed(const unsigned char *at, unsigned bytes)
{
    uint64_t n = 0; /* little-endian, as the file is */
    memcpy(&n, at, bytes);
    return n;
}

/* Without its length: of one that is known to the compiler. */
static inline uint64_t near_place(const unsigned char *at, unsigned argument)
{
    return (argument & TRACE_NEAR_SHORT) != 0 ? near_fixed(at, TRACE_NEAR_SHORT_BYTES)
                                              : near_fixed(at, TRACE_NEAR_PLACE_BYTES);
}

static inline void near_note(struct cursor *cursor, unsigned slot, struct cursor_record *record)
{
    record->stack = cursor->stacks[slot];
    cursor->sizes[slot] = record->size;
    cursor->recent[trace_recent_slot(record->units)] = record->units;
}

static inline bool near_is_possible(const struct cursor *cursor, const unsigned char *at,
                                    unsigned argument, size_t bytes)
{
    bool is_alloc = (argument & TRACE_NEAR_ALLOC) != 0;
    return (size_t)(cursor->end - at) >= bytes &&
           (is_alloc || (argument & ~(unsigned)TRACE_NEAR_SHORT) == TRACE_NEAR_FREE) &&
           (!trace_near_has_stack(argument) || *at < TRACE_SLOTS);
}

/* The place behind the record whose fields begin at `at`; NULL: it cannot be. */
static inline const unsigned char *near_get(struct cursor *cursor, const unsigned char *at,
                                            unsigned argument, struct cursor_record *record)
{
    bool is_alloc = (argument & TRACE_NEAR_ALLOC) != 0, has_stack = trace_near_has_stack(argument);
    size_t before = (size_t)has_stack + (is_alloc ? TRACE_NEAR_SIZE_BYTES : 0);
    size_t bytes = before + trace_near_place_bytes(argument);
    if (!near_is_possible(cursor, at, argument, bytes))
        return NULL;
    uint64_t units = cursor->near_units + near_place(at + before, argument);
    if (units == 0 || units >> 60 != 0)
        return NULL;
    record->op = is_alloc ? TRACE_ALLOC : TRACE_FREE;
    if (!is_alloc) {
        record->old_units = units;
        return at + bytes;
    }
    record->bits = (uint8_t)(argument & (TRACE_ZEROED | TRACE_CPP));
    record->units = units;
    record->size = near_fixed(at + has_stack, TRACE_NEAR_SIZE_BYTES);
    if (has_stack)
        near_note(cursor, *at, record);
    return at + bytes;
}

#endif
