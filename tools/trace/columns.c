/* columns.c - the grammar of format.h once, for both ways: a byte moves from the block to its
 * column, or from its column to the block. */
#include "tools/trace/columns.h"

#include <stdbool.h>

#include "tracer/format.h"

/* Each way gets a walk of its own, in one function. */
#define INLINE inline __attribute__((always_inline))

/* A copy of the columns, which the compiler knows that no byte it writes can change: 40 % less time
 * than through a pointer. */
struct walk {
    struct columns columns;
    unsigned char *at; /* in the block */
    unsigned char *end;
    bool is_split;
};

static INLINE unsigned char move(struct walk *walk, unsigned column)
{
    unsigned char **at = &walk->columns.at[column];
    if (walk->is_split)
        return *(*at)++ = *walk->at++;
    return *walk->at++ = *(*at)++;
}

/* A uvarint; what it says, if that is less than 2^14. */
static INLINE unsigned move_number(struct walk *walk, enum columns_field field)
{
    if (walk->at == walk->end)
        return 0;
    unsigned first = move(walk, field * COLUMNS_PLACES);
    if (first < 0x80 || walk->at == walk->end)
        return first;
    unsigned byte = move(walk, field * COLUMNS_PLACES + 1);
    unsigned value = (first & 0x7f) | (byte & 0x7f) << 7;
    while (byte >= 0x80 && walk->at < walk->end)
        byte = move(walk, field * COLUMNS_PLACES + 2);
    return value;
}

static INLINE void move_text(struct walk *walk, unsigned bytes)
{
    for (; bytes > 0 && walk->at < walk->end; bytes--)
        move(walk, COLUMNS_OTHER * COLUMNS_PLACES + 1);
}

static INLINE void move_birth(struct walk *walk, unsigned argument, bool has_address)
{
    move_number(walk, COLUMNS_STACK);
    if ((argument & TRACE_SIZE_KNOWN) == 0)
        move_number(walk, COLUMNS_SIZE);
    if (has_address)
        move_number(walk, COLUMNS_BIRTH);
    if ((argument & TRACE_ALIGNED) != 0 && walk->at < walk->end)
        move(walk, COLUMNS_OTHER * COLUMNS_PLACES + 2);
}

static INLINE void move_place(struct walk *walk, enum columns_field field, size_t bytes)
{
    for (unsigned i = 0; i < bytes && walk->at < walk->end; i++)
        move(walk, field * COLUMNS_PLACES + (i < COLUMNS_PLACES ? i : COLUMNS_PLACES - 1));
}

static INLINE void move_near(struct walk *walk, unsigned argument)
{
    bool is_alloc = (argument & TRACE_NEAR_ALLOC) != 0;
    if (trace_near_has_stack(argument) && walk->at < walk->end)
        move(walk, COLUMNS_STACK * COLUMNS_PLACES);
    for (unsigned i = 0; is_alloc && i < TRACE_NEAR_SIZE_BYTES && walk->at < walk->end; i++)
        move(walk, COLUMNS_SIZE * COLUMNS_PLACES + i);
    move_place(walk, is_alloc ? COLUMNS_BIRTH : COLUMNS_DEATH, trace_near_place_bytes(argument));
}

static INLINE void move_event(struct walk *walk)
{
    unsigned first = move(walk, COLUMNS_FIRST);
    unsigned argument = first >> 3;
    switch (first & 7) {
    case TRACE_NEAR:
        if (first != 0)
            move_near(walk, argument);
        break;
    case TRACE_ALLOC:
        move_birth(walk, argument, true);
        break;
    case TRACE_FREE:
        if (argument == 0)
            move_number(walk, COLUMNS_DEATH);
        break;
    case TRACE_REALLOC:
        move_number(walk, COLUMNS_DEATH);
        move_birth(walk, argument, (argument & TRACE_IN_PLACE) == 0);
        break;
    case TRACE_SYNC:
        move_number(walk, COLUMNS_SYNC);
        break;
    case TRACE_TIME:
        move_number(walk, COLUMNS_TIME);
        break;
    case TRACE_THREAD:
        if (argument == TRACE_THREAD_START)
            move_number(walk, COLUMNS_OTHER);
        else if (argument == TRACE_THREAD_NAME)
            move_text(walk, move_number(walk, COLUMNS_OTHER));
        break;
    case TRACE_OTHER:
        move_text(walk, move_number(walk, COLUMNS_OTHER));
    }
}

static INLINE void walk_block(struct walk *walk, uint32_t lane)
{
    while (walk->at < walk->end) {
        if (trace_lane_has_info(lane)) {
            move(walk, COLUMNS_FIRST);
        } else if (lane == TRACE_LANE_STACKS) {
            move_number(walk, COLUMNS_STACK);
            move_number(walk, COLUMNS_BIRTH);
        } else {
            move_event(walk);
        }
    }
}

void columns_split(struct columns *columns, uint32_t lane, const unsigned char *payload,
                   size_t bytes)
{
    unsigned char *start = (unsigned char *)(uintptr_t)payload; /* is only read */
    struct walk walk = {.columns = *columns, .at = start, .end = start + bytes, .is_split = true};
    walk_block(&walk, lane);
    *columns = walk.columns;
}

void columns_join(struct columns *columns, uint32_t lane, unsigned char *payload, size_t bytes)
{
    struct walk walk = {.columns = *columns, .at = payload, .end = payload + bytes};
    walk_block(&walk, lane);
    *columns = walk.columns;
}
