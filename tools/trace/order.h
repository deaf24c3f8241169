/* order.h - puts the records of all lanes into one order that can have happened: the segments of
 * all lanes by the epochs they begin with (format.h, ORDER). */
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

/* The next record; `objects` are those that its death will be looked up in, soon. */
bool order_next(struct order *order, const struct objects *objects, struct order_step *step);

/* See struct trace_totals; of an order that is over. */
uint64_t order_get_resolution(const struct order *order);

/* The cursor of a lane, for its damage and its progress. */
const struct cursor *order_cursor(const struct order *order, uint32_t lane);

#endif
