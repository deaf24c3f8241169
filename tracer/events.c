/* events.c - the records of event lanes: what happens between a call of the slow door and the bytes
 * in the file. The encoding is format.h's; the state it needs is in struct lane.
 *
 * Every event: a turn begins (turn.h) - the stack - room - fields - first byte - the turn ends. */
#include "tracer/tracer.h"

#include <string.h>

#include "allocators/base/bits.h"
#include "tracer/births.h"
#include "tracer/encode.h"
#include "tracer/epoch.h"
#include "tracer/recorder.h"
#include "tracer/turn.h"
#include "tracer/unwind.h"
#include "tracer/unwritten.h"

/* -- records ---------------------------------------------------------------------------------- */

static void put_alloc_slowly(struct lane *lane, struct birth *birth)
{
    unsigned char fields[ENCODE_BYTES_MOST];
    const unsigned char *end = encode_birth(lane, fields, birth);
    lane->events++;
    lane_append(lane, turn_first_byte(TRACE_ALLOC, birth->argument), fields, end);
}

void encode_alloc_slowly(struct lane *lane, uint64_t units, uint64_t size, uint32_t stack,
                         unsigned argument)
{
    struct birth birth = {.units = units, .size = size, .stack = stack, .argument = argument};
    put_alloc_slowly(lane, &birth);
}

void encode_free_slowly(struct lane *lane, uint64_t units)
{
    unsigned char fields[ENCODE_BYTES_MOST];
    const unsigned char *end = trace_put_svarint(fields, (int64_t)(units - lane->freed_at));
    lane->freed_at = units;
    lane->events++;
    lane_append(lane, turn_first_byte(TRACE_FREE, 0), fields, end);
}

/* -- allocations ------------------------------------------------------------------------------ */

static void put_alloc(struct lane *lane, struct birth *birth)
{
    unsigned char *at = lane_at(lane);
    if (MP_UNLIKELY((birth->argument & TRACE_ALIGNED) != 0) || MP_UNLIKELY(at == NULL))
        put_alloc_slowly(lane, birth);
    else
        encode_alloc(lane, at, *birth);
}

void tracer_alloc(const void *p, size_t asked, size_t alignment, unsigned bits,
                  const struct tracer_caller *caller)
{
    MP_ASSERT((bits & ~(unsigned)(TRACE_ZEROED | TRACE_CPP)) == 0);
    struct lane *lane = turn_begin(true);
    if (lane == NULL) {
        births_note(encode_units(p), BIRTHS_NOBODY); /* a life that was not recorded is nobody's */
        return;
    }
    bool written;
    struct birth birth = {.units = encode_units(p), .size = asked, .argument = bits};
    birth.stack = unwind_event(lane, caller, &written);
    if (alignment > 16) {
        birth.argument |= TRACE_ALIGNED;
        birth.alignment_log2 = (unsigned char)log2_floor(alignment);
    }
    if (!written || !turn_draw_if(lane, epoch_is_due_at_birth()) || !turn_have_room(lane)) {
        births_note(birth.units, BIRTHS_NOBODY);
        turn_end_lost(lane);
        return;
    }
    epoch_note_birth(lane, birth.units);
    put_alloc(lane, &birth);
    if (MP_UNLIKELY(unwritten_may_be(p)))
        unwritten_note_birth(p, asked, bits, birth.stack);
    turn_end_written(lane);
}

/* -- frees ------------------------------------------------------------------------------------ */

void tracer_free(const void *p)
{
    if (MP_UNLIKELY(tracer_may_watch(p)))
        tracer_look(p);
    struct lane *lane = turn_begin(true);
    if (lane == NULL)
        return;
    uint64_t units = encode_units(p);
    if (!turn_draw_if(lane, epoch_is_due_at_death(lane, units)) || !turn_have_room(lane)) {
        turn_end_lost(lane);
        return;
    }
    unsigned char *at = lane_at(lane);
    if (MP_LIKELY(at != NULL)) /* else this is a child that a handler just forked off */
        encode_free(lane, at, units);
    turn_end_written(lane);
}

/* -- the others ------------------------------------------------------------------------------- */

void tracer_realloc(const void *old, const void *new, size_t asked,
                    const struct tracer_caller *caller)
{
    struct lane *lane = turn_begin(true);
    if (lane == NULL) {
        births_note(encode_units(new), BIRTHS_NOBODY);
        return;
    }
    bool written;
    struct birth birth = {.units = encode_units(new), .size = asked};
    birth.stack = unwind_event(lane, caller, &written);
    uint64_t old_units = encode_units(old);
    bool is_due = epoch_is_due_at_birth() || epoch_is_due_at_death(lane, old_units);
    if (!written || !turn_draw_if(lane, is_due) || !turn_have_room(lane)) {
        births_note(birth.units, BIRTHS_NOBODY);
        turn_end_lost(lane);
        return;
    }
    if (old == new)
        birth.argument = TRACE_IN_PLACE;
    epoch_note_birth(lane, birth.units);
    unsigned char fields[ENCODE_BYTES_MOST];
    unsigned char *end = trace_put_svarint(fields, (int64_t)(old_units - lane->freed_at));
    lane->freed_at = old_units;
    end = encode_birth(lane, end, &birth);
    lane->events++;
    lane_append(lane, turn_first_byte(TRACE_REALLOC, birth.argument), fields, end);
    turn_end_written(lane);
}

void tracer_failed(size_t asked, const struct tracer_caller *caller)
{
    struct lane *lane = turn_begin(true);
    if (lane == NULL)
        return;
    bool written;
    uint32_t stack = unwind_event(lane, caller, &written);
    if (!written || !turn_have_room(lane)) {
        turn_end_lost(lane);
        return;
    }
    unsigned char numbers[20], fields[ENCODE_BYTES_MOST];
    unsigned char *at = trace_put_uvarint(trace_put_uvarint(numbers, stack), asked);
    size_t bytes = (size_t)(at - numbers);
    unsigned char *end = trace_put_uvarint(fields, bytes);
    memcpy(end, numbers, bytes);
    lane->events++;
    lane_append(lane, turn_first_byte(TRACE_OTHER, TRACE_FAILED), fields, end + bytes);
    turn_end_written(lane);
}

void events_write_aside(events_writer *write, const void *what, const struct tracer_caller *caller)
{
    struct lane *lane = thread_is_busy() ? NULL : turn_begin(true);
    if (lane == NULL)
        return;
    bool written = true;
    uint32_t stack = caller != NULL ? unwind_event(lane, caller, &written) : 0;
    lane->mappings++;
    if (written && write(what, stack))
        turn_end_written(lane);
    else
        turn_end_lost(lane);
}
