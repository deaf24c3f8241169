/* order.c - see order.h */
#include "tools/trace/order.h"

#include <stdlib.h>
#include <string.h>

#include "tools/trace/memory.h"
#include "tools/trace/pending.h"

enum {
    BATCH = 256,     /* records decoded at a time: 12 KiB, stays in the first-level cache */
    PREFETCH = 12,   /* records ahead */
    TRIES = 4,       /* lanes asked in vain for one record */
    STALLS_MOST = 64 /* frames begun without any record given out; then the bottom lane goes on */
};

struct order_lane {
    struct cursor cursor; /* behind the batch */
    uint32_t used;        /* records of the batch that are given out */
    uint32_t count;
    uint64_t ends; /* epoch of the SYNC that ends the current segment; UINT64_MAX: none does */
    bool is_on_stack;
    bool is_done;
    struct cursor_record batch[BATCH];
};

enum goal { GOAL_SEGMENT, GOAL_BIRTH, GOAL_PASS, GOAL_DEATH };

/* A lane that runs, and until when: to the end of its segment (the bottom frame), until `units` is
 * alive, until all of its births and deaths of `units` are done, or until `units` is not alive. */
struct frame {
    uint32_t lane;
    enum goal goal;
    uint64_t units;
    uint32_t tries; /* lanes that could not help with the record at hand */
    uint32_t tried[TRIES];
};

enum verdict { GO, WAIT, GIVE_UP };

struct order {
    const struct trace *trace;
    struct order_lane *lanes;
    uint32_t lane_count;
    uint32_t *heap; /* lanes not done, by end of segment: a binary heap */
    uint32_t heap_count;
    struct frame *frames;
    uint32_t frame_count;
    unsigned stalls;
    struct pending pending; /* only with more than one lane */
};

/* -- the heap of lanes ------------------------------------------------------------------------ */

static bool is_before(const struct order *order, uint32_t a, uint32_t b)
{
    uint64_t left = order->lanes[a].ends;
    uint64_t right = order->lanes[b].ends;
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

static uint32_t pop_lane(struct order *order)
{
    uint32_t first = order->heap[0];
    uint32_t last = order->heap[--order->heap_count];
    uint32_t at = 0;
    for (uint32_t child = 1; child < order->heap_count; child = 2 * at + 1) {
        if (child + 1 < order->heap_count &&
            is_before(order, order->heap[child + 1], order->heap[child]))
            child++;
        if (!is_before(order, order->heap[child], last))
            break;
        order->heap[at] = order->heap[child];
        at = child;
    }
    order->heap[at] = last;
    return first;
}

/* -- segments --------------------------------------------------------------------------------- */

static bool has_death(const struct cursor_record *record)
{
    return record->op == TRACE_FREE || record->op == TRACE_REALLOC;
}

static bool has_birth(const struct cursor_record *record)
{
    return record->op == TRACE_ALLOC || record->op == TRACE_REALLOC;
}

static void note_pending(struct order *order, uint32_t lane, const struct cursor_record *records,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (has_death(&records[i]))
            pending_add(&order->pending, records[i].old_units, lane, true);
        if (has_birth(&records[i]))
            pending_add(&order->pending, records[i].units, lane, false);
    }
}

static bool ends_segment(const struct cursor_record *records, size_t count)
{
    return count > 0 && records[count - 1].op == TRACE_SYNC;
}

/* Looks through the rest of a segment that is longer than the batch. */
static uint64_t scan_segment(struct order *order, uint32_t lane)
{
    static _Thread_local struct cursor_record records[BATCH];
    struct cursor cursor = order->lanes[lane].cursor;
    size_t count;
    do {
        count = cursor_fill(&cursor, records, BATCH);
        note_pending(order, lane, records, count);
        if (ends_segment(records, count))
            return records[count - 1].size;
    } while (count == BATCH);
    return UINT64_MAX;
}

static void refill(struct order_lane *lane)
{
    lane->used = 0;
    lane->count = (uint32_t)cursor_fill(&lane->cursor, lane->batch, BATCH);
}

/* The lane is at the start of a segment (or done): learns what is in it and where it ends. */
static void enter_segment(struct order *order, uint32_t index)
{
    struct order_lane *lane = &order->lanes[index];
    refill(lane);
    lane->is_done = lane->count == 0;
    lane->ends = UINT64_MAX;
    if (order->lane_count == 1)
        return;
    note_pending(order, index, lane->batch, lane->count);
    if (ends_segment(lane->batch, lane->count))
        lane->ends = lane->batch[lane->count - 1].size;
    else if (lane->count == BATCH)
        lane->ends = scan_segment(order, index);
}

/* The next record of a lane, or NULL: it is over. */
static const struct cursor_record *peek(struct order_lane *lane)
{
    if (lane->used == lane->count && lane->count != 0)
        refill(lane);
    return lane->used < lane->count ? &lane->batch[lane->used] : NULL;
}

/* -- frames ----------------------------------------------------------------------------------- */

static void begin_frame(struct order *order, uint32_t lane, enum goal goal, uint64_t units)
{
    order->lanes[lane].is_on_stack = true;
    order->frames[order->frame_count++] =
        (struct frame){.lane = lane, .goal = goal, .units = units};
    order->stalls++;
}

static void end_frame(struct order *order)
{
    order->lanes[order->frames[--order->frame_count].lane].is_on_stack = false;
}

static bool is_reached(const struct order *order, const struct objects *objects,
                       const struct frame *frame)
{
    switch (frame->goal) {
    case GOAL_BIRTH:
        return objects_find(objects, frame->units) != NULL;
    case GOAL_DEATH:
        return objects_find(objects, frame->units) == NULL;
    case GOAL_PASS:
        return pending_find(&order->pending, frame->units, frame->lane) == NULL;
    default:
        return false;
    }
}

/* Lets another lane run first; false: it cannot help, or was asked before. */
static bool run_first(struct order *order, struct frame *frame, uint32_t lane, enum goal goal,
                      uint64_t units)
{
    if (order->lanes[lane].is_on_stack || frame->tries == TRIES)
        return false;
    for (uint32_t i = 0; i < frame->tries; i++) {
        if (frame->tried[i] == lane)
            return false;
    }
    frame->tried[frame->tries++] = lane;
    begin_frame(order, lane, goal, units);
    return true;
}

/* -- what a record waits for ------------------------------------------------------------------ */

/* A death of an address that is not alive. */
static enum verdict consider_missing_birth(struct order *order, struct frame *frame, uint64_t units)
{
    const struct pending_entry *entry = NULL;
    while ((entry = pending_visit(&order->pending, units, entry)) != NULL) {
        if (!entry->next_is_death && run_first(order, frame, entry->lane, GOAL_BIRTH, units))
            return WAIT;
    }
    /* Blocks older than the trace: freed there, born there, freed here. */
    while ((entry = pending_visit(&order->pending, units, entry)) != NULL) {
        if (entry->next_is_death && !entry->last_is_death &&
            run_first(order, frame, entry->lane, GOAL_BIRTH, units))
            return WAIT;
    }
    return frame->goal == GOAL_PASS ? GIVE_UP : GO;
}

/* A death of an address that is alive. */
static enum verdict consider_death(struct order *order, struct frame *frame, uint64_t units)
{
    const struct pending_entry *entry = NULL;
    const struct pending_entry *own = pending_find(&order->pending, units, frame->lane);
    if (own == NULL || own->remaining > 1)
        return GO; /* a birth follows in this segment: for the others nothing changes */
    while ((entry = pending_visit(&order->pending, units, entry)) != NULL) {
        if (entry->lane == frame->lane || !entry->next_is_death)
            continue;
        bool is_before_us = order->lanes[entry->lane].ends < order->lanes[frame->lane].ends;
        if ((!entry->last_is_death || is_before_us) &&
            run_first(order, frame, entry->lane, GOAL_PASS, units))
            return WAIT;
    }
    return frame->goal == GOAL_PASS ? GIVE_UP : GO;
}

/* A birth at an address that is alive. */
static enum verdict consider_missing_death(struct order *order, struct frame *frame, uint64_t units)
{
    const struct pending_entry *entry = NULL;
    while ((entry = pending_visit(&order->pending, units, entry)) != NULL) {
        if (entry->lane != frame->lane && entry->next_is_death &&
            run_first(order, frame, entry->lane, GOAL_DEATH, units))
            return WAIT;
    }
    return frame->goal == GOAL_PASS ? GIVE_UP : GO;
}

static enum verdict consider(struct order *order, const struct objects *objects,
                             struct frame *frame, const struct cursor_record *record)
{
    enum verdict verdict = GO;
    if (order->lane_count == 1)
        return GO;
    if (has_death(record)) {
        verdict = objects_find(objects, record->old_units) == NULL
                      ? consider_missing_birth(order, frame, record->old_units)
                      : consider_death(order, frame, record->old_units);
    }
    bool is_in_place = record->op == TRACE_REALLOC && record->units == record->old_units;
    if (verdict == GO && has_birth(record) && !is_in_place &&
        objects_find(objects, record->units) != NULL)
        verdict = consider_missing_death(order, frame, record->units);
    return verdict;
}

/* -- the order -------------------------------------------------------------------------------- */

/* Gives out the next record of the frame's lane. */
static void take_record(struct order *order, const struct objects *objects, struct frame *frame,
                        struct order_step *step)
{
    struct order_lane *lane = &order->lanes[frame->lane];
    const struct cursor_record *record = &lane->batch[lane->used++];
    if (lane->used + PREFETCH < lane->count) {
        const struct cursor_record *ahead = &lane->batch[lane->used + PREFETCH];
        objects_prefetch(objects, ahead->op == TRACE_ALLOC ? ahead->units : ahead->old_units);
    }
    if (order->lane_count > 1 && has_death(record))
        pending_take(&order->pending, record->old_units, frame->lane, true);
    if (order->lane_count > 1 && has_birth(record))
        pending_take(&order->pending, record->units, frame->lane, false);
    frame->tries = 0;
    order->stalls = 0;
    step->record = record;
    step->lane = frame->lane;
}

/* The bottom lane is at the end of its segment. */
static void finish_segment(struct order *order)
{
    uint32_t lane = order->frames[0].lane;
    end_frame(order);
    order->stalls = 0;
    enter_segment(order, lane);
    if (!order->lanes[lane].is_done)
        push_lane(order, lane);
}

bool order_next(struct order *order, const struct objects *objects, struct order_step *step)
{
    for (;;) {
        if (order->frame_count == 0) {
            if (order->heap_count == 0)
                return false;
            begin_frame(order, pop_lane(order), GOAL_SEGMENT, 0);
        }
        while (order->stalls > STALLS_MOST && order->frame_count > 1)
            end_frame(order);
        struct frame *frame = &order->frames[order->frame_count - 1];
        const struct cursor_record *record = peek(&order->lanes[frame->lane]);
        if (record == NULL || record->op == TRACE_SYNC) {
            if (frame->goal == GOAL_SEGMENT)
                finish_segment(order);
            else
                end_frame(order);
            continue;
        }
        if (is_reached(order, objects, frame)) {
            end_frame(order);
            continue;
        }
        enum verdict verdict =
            order->stalls > STALLS_MOST ? GO : consider(order, objects, frame, record);
        if (verdict == GO) {
            take_record(order, objects, frame, step);
            return true;
        }
        if (verdict == GIVE_UP)
            end_frame(order);
    }
}

struct order *order_create(const struct trace *trace)
{
    struct order *order = memory_alloc(1, sizeof(*order));
    order->trace = trace;
    order->lane_count = (uint32_t)trace->facts.event_lanes;
    order->lanes = memory_alloc(order->lane_count, sizeof(*order->lanes));
    order->heap = memory_alloc(order->lane_count, sizeof(*order->heap));
    order->frames = memory_alloc((size_t)order->lane_count + 1, sizeof(*order->frames));
    pending_init(&order->pending);
    for (uint32_t i = 0; i < order->lane_count; i++) {
        cursor_init(&order->lanes[i].cursor, trace, &trace->event_lanes[i]);
        enter_segment(order, i);
        if (!order->lanes[i].is_done)
            push_lane(order, i);
    }
    return order;
}

void order_destroy(struct order *order)
{
    pending_fini(&order->pending);
    free(order->lanes);
    free(order->heap);
    free(order->frames);
    free(order);
}

const struct cursor *order_cursor(const struct order *order, uint32_t lane)
{
    return &order->lanes[lane].cursor;
}
