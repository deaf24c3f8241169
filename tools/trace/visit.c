/* visit.c - from ordered records to events: who is born, who dies, in which thread. */
#define _POSIX_C_SOURCE 200809L /* strnlen */
#include <stdlib.h>
#include <string.h>

#include "tools/trace/complete.h"
#include "tools/trace/file.h"
#include "tools/trace/memory.h"
#include "tools/trace/objects.h"
#include "tools/trace/order.h"
#include "tools/trace/txns.h"

#define VISIT_NO_THREAD UINT32_MAX

struct thread {
    char *name; /* NULL: none */
    uint32_t tid;
};

/* What the malloc of a lane's thread serves from. */
struct entered {
    uint32_t txn; /* 0: nothing */
    uint64_t bytes;
};

/* Blocks that end together: one by one, then the event that ends them. */
struct ending {
    struct txns_open *txn; /* NULL: none is under way */
    uint64_t kept;         /* its oldest blocks, which stay */
    struct trace_event event;
};

struct trace_visit {
    const struct trace *trace;
    struct order *order;
    struct objects objects;
    struct txns txns;
    struct ending ending;
    struct entered *entered; /* by event lane */
    uint32_t *lane_threads;  /* the thread that runs in each event lane now */
    struct thread *threads;
    size_t thread_capacity;
    struct trace_totals totals;
    size_t damages;
    uint32_t damaged_block; /* + 1; 0: no bad record was met */
    uint32_t damaged_byte;
};

/* -- threads ---------------------------------------------------------------------------------- */

static uint32_t add_thread(struct trace_visit *visit, uint32_t lane, uint32_t tid)
{
    uint32_t number = (uint32_t)visit->totals.threads++;
    visit->threads =
        memory_grow(visit->threads, number, &visit->thread_capacity, sizeof(*visit->threads));
    visit->threads[number] = (struct thread){NULL, tid};
    visit->lane_threads[lane] = number;
    return number;
}

static uint32_t find_thread(struct trace_visit *visit, uint32_t lane)
{
    uint32_t thread = visit->lane_threads[lane];
    return thread != VISIT_NO_THREAD ? thread : add_thread(visit, lane, 0);
}

static void name_thread(struct trace_visit *visit, uint32_t thread,
                        const struct cursor_record *record)
{
    free(visit->threads[thread].name);
    visit->threads[thread].name = file_copy_text(record->name, (size_t)record->size);
}

const char *trace_thread_name(const struct trace_visit *visit, uint32_t thread)
{
    bool is_named = thread < visit->totals.threads && visit->threads[thread].name != NULL;
    return is_named ? visit->threads[thread].name : "";
}

uint32_t trace_visit_seat_at(const struct trace_visit *visit, uint64_t address)
{
    return objects_find(&visit->objects, address >> visit->trace->facts.header.address_shift);
}

void trace_visit_live(const struct trace_visit *visit,
                      void (*show)(uint64_t address, uint64_t size, uint32_t seat, void *context),
                      void *context)
{
    uint32_t shift = visit->trace->facts.header.address_shift;
    for (uint32_t seat = 1; seat < visit->objects.room; seat++) {
        const struct object *object = objects_get(&visit->objects, seat);
        if (object->units != 0)
            show(object->units << shift, object->size, seat, context);
    }
}

/* -- lives ------------------------------------------------------------------------------------ */

static uint64_t address_of(const struct trace_visit *visit, uint64_t units)
{
    return units << visit->trace->facts.header.address_shift;
}

static void remove_object(struct trace_visit *visit, uint32_t seat)
{
    visit->totals.live_bytes -= objects_get(&visit->objects, seat)->size;
    visit->totals.live_objects--;
    objects_remove(&visit->objects, seat);
}

static void apply_death(struct trace_visit *visit, const struct cursor_record *record,
                        struct trace_event *event)
{
    uint32_t seat = objects_find(&visit->objects, record->old_units);
    event->old_address = address_of(visit, record->old_units);
    if (seat == 0) {
        event->bits |= TRACE_EVENT_UNKNOWN;
        visit->totals.unknown_frees++;
        return;
    }
    const struct object *object = objects_get(&visit->objects, seat);
    event->old_object = object->number;
    event->old_size = object->size;
    event->old_seat = seat;
    remove_object(visit, seat);
}

static void note_peak(struct trace_visit *visit, uint64_t time_ns)
{
    struct trace_totals *totals = &visit->totals;
    if (totals->live_bytes <= totals->peak_bytes)
        return;
    totals->peak_bytes = totals->live_bytes;
    totals->peak_event = totals->events;
    totals->peak_time_ns = time_ns;
}

static uint8_t birth_bits(const struct cursor_record *record)
{
    unsigned bits = 0;
    if ((record->bits & TRACE_ZEROED) != 0)
        bits |= TRACE_EVENT_ZEROED;
    if ((record->bits & TRACE_CPP) != 0)
        bits |= TRACE_EVENT_CPP;
    if (record->op == TRACE_REALLOC && (record->bits & TRACE_IN_PLACE) != 0)
        bits |= TRACE_EVENT_IN_PLACE;
    return (uint8_t)bits;
}

static void add_object(struct trace_visit *visit, const struct cursor_record *record,
                       struct trace_event *event)
{
    event->object = ++visit->totals.objects;
    event->size = record->size;
    event->alignment_log2 = record->alignment_log2;
    event->stack = stacks_find(visit->trace, record->stack);
    visit->totals.live_objects++;
    visit->totals.live_bytes += record->size;
    note_peak(visit, record->time_ns);
}

static void apply_birth(struct trace_visit *visit, const struct order_step *step,
                        struct trace_event *event)
{
    const struct cursor_record *record = step->record;
    const struct entered *entered = &visit->entered[step->lane];
    uint32_t stale = objects_find(&visit->objects, record->units);
    event->bits |= birth_bits(record);
    if (stale != 0) {
        event->bits |= TRACE_EVENT_STALE;
        event->stale_object = objects_get(&visit->objects, stale)->number;
        event->stale_size = objects_get(&visit->objects, stale)->size;
        event->stale_seat = stale;
        visit->totals.stale++;
        remove_object(visit, stale);
    }
    event->address = address_of(visit, record->units);
    event->txn = record->size <= entered->bytes ? entered->txn : 0;
    add_object(visit, record, event);
    event->seat = objects_insert(&visit->objects, record->units, event->object, record->size);
}

/* -- transactions ----------------------------------------------------------------------------- */

/* The next block that ends, or what ends them. */
static void go_on_ending(struct trace_visit *visit, struct trace_event *event)
{
    struct ending *ending = &visit->ending;
    struct txns_block block;
    *event = ending->event;
    if (!txns_take(ending->txn, ending->kept, &block)) {
        if (event->kind == TRACE_EVENT_TXN_END)
            txns_end(&visit->txns, ending->txn);
        ending->txn = NULL;
        return;
    }
    *event = (struct trace_event){.kind = TRACE_EVENT_FREE,
                                  .bits = TRACE_EVENT_IN_TXN,
                                  .thread = event->thread,
                                  .tid = event->tid,
                                  .lane = event->lane,
                                  .txn = event->txn,
                                  .time_ns = event->time_ns,
                                  .old_object = block.object,
                                  .old_seat = block.seat,
                                  .old_size = block.size};
    visit->totals.events++;
    visit->totals.frees++;
    visit->totals.ended++;
    visit->totals.live_objects--;
    visit->totals.live_bytes -= block.size;
    seats_give(&visit->objects.seats, block.seat);
}

static void begin_ending(struct trace_visit *visit, const struct cursor_record *record,
                         struct trace_event *event)
{
    visit->ending.txn = txns_get(&visit->txns, event->txn);
    visit->ending.kept = record->kind == TRACE_TXN_BACK ? record->size : 0;
    visit->ending.event = *event;
    go_on_ending(visit, event);
}

static void end_txn(struct trace_visit *visit, const struct cursor_record *record,
                    const struct cursor_txn *rest, struct trace_event *event)
{
    struct txns_open *txn = txns_get(&visit->txns, event->txn);
    event->kind = TRACE_EVENT_TXN_END;
    event->ended = rest->ended;
    if (rest->ended.how == TRACE_TXN_COMMITTED && txn->parent != NULL)
        txns_end(&visit->txns, txn);
    else
        begin_ending(visit, record, event);
}

static void add_txn_block(struct trace_visit *visit, const struct cursor_record *record,
                          struct trace_event *event)
{
    event->kind = TRACE_EVENT_ALLOC;
    event->bits = TRACE_EVENT_IN_TXN;
    visit->totals.events++;
    visit->totals.allocs++;
    add_object(visit, record, event);
    event->seat = seats_take(&visit->objects.seats);
    txns_add(txns_get(&visit->txns, event->txn),
             &(struct txns_block){event->object, event->size, event->seat});
}

static void apply_txn(struct trace_visit *visit, const struct order_step *step,
                      struct trace_event *event)
{
    const struct cursor_record *record = step->record;
    const struct cursor_txn *rest =
        &order_cursor(visit->order, step->lane)->txns[record->old_units];
    event->txn = (uint32_t)record->units;
    switch (record->kind) {
    case TRACE_TXN_BEGIN:
        event->kind = TRACE_EVENT_TXN_BEGIN;
        event->stack = stacks_find(visit->trace, record->stack);
        event->begun = rest->begun;
        event->begun.name = txns_name(&visit->txns, rest->name, rest->name_bytes);
        txns_begin(&visit->txns, event->txn, (uint32_t)rest->begun.parent);
        visit->totals.txns++;
        return;
    case TRACE_TXN_ALLOC:
        add_txn_block(visit, record, event);
        return;
    case TRACE_TXN_BACK:
        event->kind = TRACE_EVENT_TXN_BACK;
        event->size = record->size;
        begin_ending(visit, record, event);
        return;
    case TRACE_TXN_END:
        end_txn(visit, record, rest, event);
        return;
    case TRACE_TXN_ENTER:
        event->kind = TRACE_EVENT_TXN_ENTER;
        event->size = record->size;
        visit->entered[step->lane] = (struct entered){event->txn, record->size};
        return;
    default:
        event->kind = record->kind == TRACE_TXN_SAVE ? TRACE_EVENT_TXN_SAVE : TRACE_EVENT_TXN_ADOPT;
    }
}

const char *trace_txn_name(const struct trace_visit *visit, uint64_t name)
{
    return name <= TXNS_NAMES_MOST && visit->txns.names[name] != NULL ? visit->txns.names[name]
                                                                      : "";
}

/* -- events ----------------------------------------------------------------------------------- */

/* The lane begins in the middle of a thread. */
static void go_on(struct trace_visit *visit, uint32_t lane, const struct cursor_record *record)
{
    uint32_t thread = add_thread(visit, lane, (uint32_t)record->size);
    struct cursor_record named = *record;
    named.size = strnlen((const char *)record->name, TRACE_NAME_BYTES);
    if (named.size != 0)
        name_thread(visit, thread, &named);
}

static bool apply_thread(struct trace_visit *visit, const struct order_step *step,
                         struct trace_event *event)
{
    const struct cursor_record *record = step->record;
    if (record->kind != TRACE_THREAD_NAME)
        visit->entered[step->lane] = (struct entered){0};
    switch (record->kind) {
    case CURSOR_GOES_ON:
        go_on(visit, step->lane, record);
        return false;
    case TRACE_THREAD_START:
        event->thread = add_thread(visit, step->lane, (uint32_t)record->size);
        event->tid = visit->threads[event->thread].tid;
        event->kind = TRACE_EVENT_THREAD_START;
        return true;
    case TRACE_THREAD_END:
        event->kind = TRACE_EVENT_THREAD_END;
        visit->lane_threads[step->lane] = VISIT_NO_THREAD;
        return true;
    default:
        event->kind = TRACE_EVENT_THREAD_NAME;
        name_thread(visit, event->thread, record);
        return true;
    }
}

static bool apply_other(struct trace_visit *visit, const struct order_step *step,
                        struct trace_event *event)
{
    const struct cursor_record *record = step->record;
    if (record->kind >= TRACE_TXN_BEGIN && record->kind <= TRACE_TXN_ADOPT) {
        apply_txn(visit, step, event);
        return true;
    }
    event->size = record->size;
    if (record->kind == TRACE_FAILED) {
        event->kind = TRACE_EVENT_FAILED;
        event->stack = stacks_find(visit->trace, record->stack);
        visit->totals.events++;
        visit->totals.failed++;
        return true;
    }
    if (record->kind == TRACE_DROPPED) {
        event->kind = TRACE_EVENT_DROPPED;
        visit->totals.dropped += record->size;
        visit->damages += record->size == 0;
        return true;
    }
    return false; /* of a later library */
}

/* Makes *event of a record; false: it is none. */
static bool apply_record(struct trace_visit *visit, const struct order_step *step,
                         struct trace_event *event)
{
    const struct cursor_record *record = step->record;
    switch (record->op) {
    case TRACE_ALLOC:
        event->kind = TRACE_EVENT_ALLOC;
        visit->totals.events++;
        visit->totals.allocs++;
        apply_birth(visit, step, event);
        return true;
    case TRACE_FREE:
        event->kind = TRACE_EVENT_FREE;
        visit->totals.events++;
        visit->totals.frees++;
        apply_death(visit, record, event);
        return true;
    case TRACE_REALLOC:
        event->kind = TRACE_EVENT_REALLOC;
        visit->totals.events++;
        visit->totals.reallocs++;
        apply_death(visit, record, event);
        apply_birth(visit, step, event);
        return true;
    case TRACE_THREAD:
        return apply_thread(visit, step, event);
    default:
        return apply_other(visit, step, event);
    }
}

/* In two: what is longer than six vectors the compiler clears by rep stos, which starts slowly. */
static inline void clear(struct trace_event *event)
{
    enum { HALF = sizeof(*event) / 2 };
    memset(event, 0, HALF);
    memset((char *)event + HALF, 0, sizeof(*event) - HALF);
}

bool trace_visit_next(struct trace_visit *visit, struct trace_event *event)
{
    struct order_step step;
    if (visit->ending.txn != NULL) {
        go_on_ending(visit, event);
        return true;
    }
    while (order_next(visit->order, &visit->objects, &step)) {
        const struct cursor_record *record = step.record;
        clear(event);
        event->time_ns = record->time_ns;
        event->lane = visit->trace->event_lanes[step.lane].lane;
        bool begins_thread = record->op == TRACE_THREAD &&
                             (record->kind == TRACE_THREAD_START || record->kind == CURSOR_GOES_ON);
        if (!begins_thread) {
            event->thread = find_thread(visit, step.lane);
            event->tid = visit->threads[event->thread].tid;
        }
        if (apply_record(visit, &step, event))
            return true;
    }
    visit->totals.resolution_ns = order_get_resolution(visit->order);
    return false;
}

/* -- the visit -------------------------------------------------------------------------------- */

struct trace_visit *trace_visit_create(const struct trace *trace)
{
    struct trace_visit *visit = memory_alloc(1, sizeof(*visit));
    visit->trace = trace;
    visit->order = order_create(trace);
    objects_init(&visit->objects);
    visit->entered = memory_alloc(trace->facts.event_lanes, sizeof(*visit->entered));
    visit->lane_threads = memory_alloc(trace->facts.event_lanes, sizeof(*visit->lane_threads));
    for (size_t i = 0; i < trace->facts.event_lanes; i++)
        visit->lane_threads[i] = VISIT_NO_THREAD;
    return visit;
}

void trace_visit_destroy(struct trace_visit *visit)
{
    for (size_t i = 0; i < visit->totals.threads; i++)
        free(visit->threads[i].name);
    free(visit->threads);
    free(visit->lane_threads);
    free(visit->entered);
    txns_fini(&visit->txns);
    objects_fini(&visit->objects);
    order_destroy(visit->order);
    free(visit);
}

const struct trace_totals *trace_visit_totals(const struct trace_visit *visit)
{
    return &visit->totals;
}

double trace_visit_progress(const struct trace_visit *visit)
{
    const struct trace *trace = visit->trace;
    uint64_t done = 0;
    for (uint32_t i = 0; i < trace->facts.event_lanes; i++)
        done += cursor_bytes(order_cursor(visit->order, i));
    return trace->event_bytes == 0 ? 1 : (double)done / (double)trace->event_bytes;
}

/* -- completeness ----------------------------------------------------------------------------- */

static const struct cursor *find_damage(const struct trace_visit *visit)
{
    for (uint32_t i = 0; i < visit->trace->facts.event_lanes; i++) {
        const struct cursor *cursor = order_cursor(visit->order, i);
        if (cursor->damaged_block != 0)
            return cursor;
    }
    return NULL;
}

bool trace_visit_is_complete(const struct trace_visit *visit, struct trace_error *why)
{
    struct trace_error unused;
    return complete_judge(
        &(struct complete){visit->trace, &visit->totals, find_damage(visit), visit->damages != 0},
        why != NULL ? why : &unused);
}
