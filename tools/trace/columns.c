/* columns.c - the grammar of format.h once, for both ways: a byte moves from the block to its
 * column, or from its column to the block. */
#include "tools/trace/columns.h"

#include "tracer/format.h"

struct walk {
    struct columns *columns;
    unsigned char *at; /* in the block */
    unsigned char *end;
    bool is_split;
    bool is_short; /* a column was empty: the walk is over */
};

static inline unsigned char move(struct walk *walk, unsigned column)
{
    struct columns *columns = walk->columns;
    if (walk->is_split)
        return *columns->at[column]++ = *walk->at++;
    if (columns->at[column] < columns->end[column])
        return *walk->at++ = *columns->at[column]++;
    walk->is_short = true;
    walk->at = walk->end;
    return 0;
}

/* A uvarint; what it says, as far as 64 bits go. */
static inline uint64_t move_number(struct walk *walk, enum columns_field field)
{
    uint64_t value = 0;
    unsigned place = 0;
    for (unsigned shift = 0; walk->at < walk->end; shift += 7) {
        unsigned char byte = move(walk, field * COLUMNS_PLACES + place);
        place += place + 1 < COLUMNS_PLACES;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    return value;
}

static void move_text(struct walk *walk, uint64_t bytes)
{
    for (; bytes > 0 && walk->at < walk->end; bytes--)
        move(walk, COLUMNS_OTHER * COLUMNS_PLACES + 1);
}

static inline void move_birth(struct walk *walk, unsigned argument, bool has_address)
{
    move_number(walk, COLUMNS_STACK);
    if ((argument & TRACE_SIZE_KNOWN) == 0)
        move_number(walk, COLUMNS_SIZE);
    if (has_address)
        move_number(walk, COLUMNS_BIRTH);
    if ((argument & TRACE_ALIGNED) != 0 && walk->at < walk->end)
        move(walk, COLUMNS_OTHER * COLUMNS_PLACES + 2);
}

static inline void move_event(struct walk *walk)
{
    unsigned first = move(walk, COLUMNS_FIRST);
    unsigned argument = first >> 3;
    switch (first & 7) {
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

static inline void walk_block(struct walk *walk, uint32_t lane)
{
    while (walk->at < walk->end) {
        if (lane == TRACE_LANE_INFO) {
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
    struct walk walk = {.columns = columns, .at = start, .end = start + bytes, .is_split = true};
    walk_block(&walk, lane);
}

bool columns_join(struct columns *columns, uint32_t lane, unsigned char *payload, size_t bytes)
{
    struct walk walk = {.columns = columns, .at = payload, .end = payload + bytes};
    walk_block(&walk, lane);
    return !walk.is_short;
}
