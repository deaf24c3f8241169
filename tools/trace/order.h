/* order.h - puts the records of all lanes into one order that can have happened: the segments of
 * all lanes by the epochs they begin with (format.h, ORDER). */
#ifndef MPRESS_TOOLS_TRACE_ORDER_H
#define MPRESS_TOOLS_TRACE_ORDER_H

#include "tools/trace/cursor.h"

struct order;

/* Records of one lane that no other lane's come between. */
struct order_run {
    const struct cursor_record *at;    /* good until the next call, */
    const struct cursor_record *end;   /* up to here; */
    const struct cursor_record *known; /* so many are decoded, of this run or of later ones */
    uint32_t lane;                     /* index into trace->event_lanes */
};

struct order *order_create(const struct trace *trace);
void order_destroy(struct order *order);

/* The next run, which has a record at least. False: there are no more. */
bool order_next(struct order *order, struct order_run *run);

/* See struct trace_totals; of an order that is over. */
uint64_t order_get_resolution(const struct order *order);

/* The cursor of a lane, for its damage and its progress. */
const struct cursor *order_cursor(const struct order *order, uint32_t lane);

#endif
