/* order.c - see order.h */
#include "tools/trace/order.h"

#include <stdlib.h>
#include <string.h>

#include "tools/trace/memory.h"

/* Records decoded at a time: 20 KiB, stays in the first-level cache, and as many as lie between two
 * readings of the clock (tracer/README.md, tick). */
enum { BATCH = 512 };

struct order_lane {
    struct cursor cursor; /* behind the batch */
    uint64_t epoch;       /* the current segment begins with it */
    uint32_t used;        /* records of the batch that are given out */
    uint32_t timed;       /* that can be */
    size_t count;         /* with those that wait for their times */
    struct cursor_record batch[BATCH];
};

struct order {
    struct unpacker *unpacker;
    struct order_lane *lanes;
    uint32_t lane_count;
    uint32_t *heap; /* lanes that are not over, by epoch: a binary heap */
    uint32_t heap_count;
    uint64_t last_epoch; /* segments that begin with later ones are left out */
};

/* -- the heap of lanes ------------------------------------------------------------------------ */

static bool is_before(const struct order *order, uint32_t a, uint32_t b)
{
    uint64_t left = order->lanes[a].epoch;
    uint64_t right = order->lanes[b].epoch;
    return left != right ? left < right : a < b;
}

static void push_lane(struct order *order, uint32_t lane)
{
    uint32_t at = order->heap_count++;
    while (at > 0 && is_before(order, lane, order->heap[(at - 1) / 2])) {
        order->heap[at] = order->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    order->heap[at] = lane;
}

/* Puts a lane in the place of the first one. */
static void replace_first(struct order *order, uint32_t lane)
{
    uint32_t at = 0;
    for (uint32_t child = 1; child < order->heap_count; child = 2 * at + 1) {
        if (child + 1 < order->heap_count &&
            is_before(order, order->heap[child + 1], order->heap[child]))
            child++;
        if (!is_before(order, order->heap[child], lane))
            break;
        order->heap[at] = order->heap[child];
        at = child;
    }
    order->heap[at] = lane;
}

static void remove_first(struct order *order)
{
    uint32_t last = order->heap[--order->heap_count];
    if (order->heap_count > 0)
        replace_first(order, last);
}

/* -- the order -------------------------------------------------------------------------------- */

/* Decodes more of a lane where nothing is left; false: it is over. */
static bool refill(struct order_lane *lane)
{
    if (lane->used < lane->timed)
        return true;
    lane->count -= lane->used;
    memmove(lane->batch, &lane->batch[lane->used], lane->count * sizeof lane->batch[0]);
    lane->used = 0;
    lane->timed = (uint32_t)cursor_fill(&lane->cursor, lane->batch, &lane->count, BATCH);
    return lane->timed != 0;
}

bool order_next(struct order *order, struct order_run *run)
{
    while (order->heap_count > 0) {
        uint32_t index = order->heap[0];
        struct order_lane *lane = &order->lanes[index];
        if (!refill(lane)) {
            remove_first(order);
            continue;
        }
        uint32_t first = lane->used;
        while (lane->used < lane->timed && lane->batch[lane->used].op != TRACE_SYNC)
            lane->used++;
        if (lane->used != first) {
            *run = (struct order_run){&lane->batch[first], &lane->batch[lane->used],
                                      &lane->batch[lane->count], index};
            return true;
        }
        lane->epoch = lane->batch[lane->used++].size;
        if (lane->epoch > order->last_epoch)
            remove_first(order);
        else
            replace_first(order, index);
    }
    return false;
}

struct order *order_create(const struct trace *trace)
{
    struct order *order = memory_alloc(1, sizeof(*order));
    uint32_t lanes = (uint32_t)trace->facts.event_lanes;
    order->unpacker = unpacker_create(trace);
    order->lane_count = lanes;
    uint64_t copied = trace->facts.header.copied_epoch;
    order->last_epoch = copied != 0 ? copied : UINT64_MAX;
    order->lanes = memory_alloc(lanes, sizeof(*order->lanes));
    order->heap = memory_alloc(lanes, sizeof(*order->heap));
    for (uint32_t i = 0; i < lanes; i++) {
        cursor_init(&order->lanes[i].cursor, trace, &trace->event_lanes[i], order->unpacker);
        push_lane(order, i);
    }
    return order;
}

void order_destroy(struct order *order)
{
    for (uint32_t i = 0; i < order->lane_count; i++)
        cursor_fini(&order->lanes[i].cursor);
    unpacker_destroy(order->unpacker);
    free(order->lanes);
    free(order->heap);
    free(order);
}

const struct cursor *order_cursor(const struct order *order, uint32_t lane)
{
    return &order->lanes[lane].cursor;
}

uint64_t order_get_resolution(const struct order *order)
{
    uint64_t spans[CURSOR_SPANS] = {0}, records = 0, within = 0;
    for (uint32_t lane = 0; lane < order->lane_count; lane++) {
        for (unsigned i = 0; i < CURSOR_SPANS; i++) {
            spans[i] += order->lanes[lane].cursor.spans[i];
            records += order->lanes[lane].cursor.spans[i];
        }
    }
    for (unsigned i = 0; i + 1 < CURSOR_SPANS; i++) {
        within += spans[i];
        if (within >= records - records / 10)
            return i == 0 ? 0 : UINT64_C(1) << i;
    }
    return UINT64_MAX;
}
