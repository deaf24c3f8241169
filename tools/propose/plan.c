/* plan.c - see plan.h */
#include "tools/propose/plan.h"

#include <stdlib.h>
#include <string.h>

#include "tools/propose/bursts.h"
#include "tools/trace/memory.h"

enum { QUEUE = 3 };

struct plan {
    const struct trace *trace;
    uint32_t *txn; /* by object: number of its transaction; 0: malloc's */
    uint64_t objects;
    uint64_t *left; /* by transaction: blocks that are to end in it, */
    uint64_t *now;  /* and how many of these have, in this visit */
    size_t txns, left_capacity;
    bool *is_begun;
    struct trace_event queue[QUEUE]; /* what comes before the next event */
    unsigned queued, given;
};

/* While it is made. By object: the thread of its birth and that of its death, + 1, 0: none; its
 * stack has the node. */
struct making {
    struct plan *plan;
    uint32_t *born_in, *died_in;
    bool *is_below;
};

/* All of the burst that has died, in its own thread, is the transaction's. */
static void add_burst(const struct burst *burst, uint32_t thread, void *making_)
{
    struct making *making = making_;
    struct plan *plan = making->plan;
    uint64_t blocks = 0;
    uint32_t number = (uint32_t)plan->txns + 1;
    for (uint64_t object = burst->first; object <= burst->last; object++) {
        bool is_its = making->is_below[object] && making->born_in[object] == thread + 1 &&
                      making->died_in[object] == thread + 1;
        plan->txn[object] = is_its ? number : plan->txn[object];
        blocks += is_its;
    }
    plan->left =
        memory_grow(plan->left, plan->txns + 1, &plan->left_capacity, sizeof plan->left[0]);
    plan->txns++;
    plan->left[number] = blocks;
}

static bool has_above(const struct trace *trace, uint32_t stack, uint32_t node)
{
    while (stack > node)
        stack = trace_node(trace, stack).parent;
    return stack == node;
}

static void note(struct making *making, const struct trace_event *event, uint32_t node)
{
    if (event->kind > TRACE_EVENT_REALLOC)
        return;
    if (event->old_object != 0)
        making->died_in[event->old_object] = event->thread + 1;
    if (event->stale_object != 0)
        making->died_in[event->stale_object] = UINT32_MAX;
    if (event->object == 0)
        return;
    making->born_in[event->object] = event->thread + 1;
    making->is_below[event->object] = (event->bits & TRACE_EVENT_IN_TXN) == 0 &&
                                      has_above(making->plan->trace, event->stack, node);
}

static uint64_t count_objects(const struct trace *trace)
{
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event))
        ;
    uint64_t objects = trace_visit_totals(visit)->objects;
    trace_visit_destroy(visit);
    return objects;
}

struct plan *plan_create(const struct trace *trace, uint32_t node)
{
    struct plan *plan = memory_alloc(1, sizeof *plan);
    struct making making = {.plan = plan};
    struct trace_event event;
    plan->trace = trace;
    plan->objects = count_objects(trace);
    plan->txn = memory_alloc(plan->objects + 1, sizeof plan->txn[0]);
    plan->left = memory_grow(NULL, 0, &plan->left_capacity, sizeof plan->left[0]);
    making.born_in = memory_alloc(plan->objects + 1, sizeof making.born_in[0]);
    making.died_in = memory_alloc(plan->objects + 1, sizeof making.died_in[0]);
    making.is_below = memory_alloc(plan->objects + 1, sizeof making.is_below[0]);
    struct bursts *bursts = bursts_create(trace, node, add_burst, &making);
    struct trace_visit *visit = trace_visit_create(trace);
    while (trace_visit_next(visit, &event)) {
        bursts_note(bursts, &event); /* first: a burst ends before the birth that it is told by */
        note(&making, &event, node);
    }
    bursts_finish(bursts);
    trace_visit_destroy(visit);
    bursts_destroy(bursts);
    free(making.born_in);
    free(making.died_in);
    free(making.is_below);
    plan->now = memory_alloc(plan->txns + 1, sizeof plan->now[0]);
    plan->is_begun = memory_alloc(plan->txns + 1, sizeof plan->is_begun[0]);
    return plan;
}

void plan_destroy(struct plan *plan)
{
    free(plan->txn);
    free(plan->left);
    free(plan->now);
    free(plan->is_begun);
    free(plan);
}

void plan_begin(struct plan *plan)
{
    memset(plan->now, 0, (plan->txns + 1) * sizeof plan->now[0]);
    memset(plan->is_begun, 0, (plan->txns + 1) * sizeof plan->is_begun[0]);
    plan->queued = plan->given = 0;
}

/* -- the events ------------------------------------------------------------------------------- */

static void push(struct plan *plan, const struct trace_event *like, uint8_t kind, uint32_t txn)
{
    plan->queue[plan->queued++] = (struct trace_event){.kind = kind,
                                                       .thread = like->thread,
                                                       .tid = like->tid,
                                                       .lane = like->lane,
                                                       .stack = like->stack,
                                                       .txn = txn,
                                                       .time_ns = like->time_ns};
}

/* What the program would do instead: a block that it reallocates may go from one to another. */
static void push_planned(struct plan *plan, const struct trace_event *event)
{
    uint32_t born = plan->txn[event->object], died = plan->txn[event->old_object];
    if (born != 0 && !plan->is_begun[born])
        push(plan, event, TRACE_EVENT_TXN_BEGIN, born);
    plan->is_begun[born] = true;
    struct trace_event *planned = &plan->queue[plan->queued++];
    *planned = *event;
    planned->txn = event->object != 0 ? born : died;
    if (born != 0 || event->object == 0)
        planned->bits |= TRACE_EVENT_IN_TXN;
    if (born != 0 && event->alignment_log2 == 0)
        planned->alignment_log2 = 4; /* malloc's */
    if (died != 0 && ++plan->now[died] == plan->left[died])
        push(plan, event, TRACE_EVENT_TXN_END, died);
}

static bool is_planned(const struct plan *plan, const struct trace_event *event)
{
    return event->kind <= TRACE_EVENT_REALLOC &&
           (plan->txn[event->object] != 0 || plan->txn[event->old_object] != 0);
}

bool plan_next(struct plan *plan, struct trace_visit *visit, struct trace_event *event)
{
    if (plan->given == plan->queued) {
        plan->given = plan->queued = 0;
        if (!trace_visit_next(visit, event))
            return false;
        if (!is_planned(plan, event))
            return true;
        push_planned(plan, event);
    }
    *event = plan->queue[plan->given++];
    return true;
}
