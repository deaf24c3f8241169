/* order.h - puts the records of all lanes into one order that can have happened.
 *
 * The words of format.h, ORDER: a lane's SYNC records cut it into segments. What the files say:
 *
 *   O1  records of one lane stay in order;
 *   O2  a segment that ends with epoch e lies before every segment that starts with an epoch >= e;
 *   O3  births and deaths of one address take turns, and an address that a lane has freed can be
 *       born again only by that lane, until its next SYNC gives it away.
 *
 * So the segments are taken by the epoch of their end (the bottom lane), and other lanes run ahead
 * inside their current segments, never across a SYNC, when an address asks for it:
 *
 *   birth missing    a death of an address that is not alive: run the lane whose segment has the
 *                    birth.
 *   passing through  the last death of an alive address in a segment: the address is gone then. But
 *                    if another lane's segment has a death of it followed by a birth, this lane got
 *                    it, freed it, and reused it from its magazine before it came to us:
 *
 *                        lane X:  birth(A,1) SYNC  death(A,1) birth(A,2)          SYNC
 *                        lane Y:                                       death(A,2) SYNC
 *
 *                    Y's segment ends first, and A is alive, but as object 1: run X first.
 *   death missing    a birth of an address that is alive: run the lane that has the death.
 *
 * A lane that runs ahead may need others in turn: a stack of frames, each lane on it once. What
 * cannot be had (lost events, blocks older than the trace) is done without. */
#ifndef MPRESS_TOOLS_TRACE_ORDER_H
#define MPRESS_TOOLS_TRACE_ORDER_H

#include "tools/trace/cursor.h"
#include "tools/trace/objects.h"

struct order;

struct order_step {
    const struct cursor_record *record; /* good until the next call */
    uint32_t lane;                      /* index into trace->event_lanes */
};

struct order *order_create(const struct trace *trace);
void order_destroy(struct order *order);

/* The next record; `objects` shows who is alive after all records given out before. */
bool order_next(struct order *order, const struct objects *objects, struct order_step *step);

/* The cursor of a lane, for its damage and its progress. */
const struct cursor *order_cursor(const struct order *order, uint32_t lane);

#endif
