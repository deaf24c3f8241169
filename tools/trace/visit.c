/* visit.c - from ordered records to events: who is born, who dies, in which thread. */
#define _POSIX_C_SOURCE 200809L /* strnlen */
#include <stdlib.h>
#include <string.h>

#include "tools/trace/complete.h"
#include "tools/trace/memory.h"
#include "tools/trace/visit.h"

/* Records between the one that becomes an event and the one whose address is looked up soon: its
 * bucket is loaded, then, if it dies, what its object left (objects.h). */
enum { BUCKETS_AHEAD = 24, LIVES_AHEAD = 12, FIRST_NUMBERS = 1 << 9 };

/* -- threads ---------------------------------------------------------------------------------- */

static uint32_t add_thread(struct trace_visit *visit, uint32_t lane, uint32_t tid)
{
    uint32_t number = (uint32_t)visit->totals.threads++;
    visit->threads =
        memory_grow(visit->threads, number, &visit->thread_capacity, sizeof(*visit->threads));
    visit->threads[number] = (struct visit_thread){NULL, tid};
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

uint32_t trace_thread_tid(const struct trace_visit *visit, uint32_t thread)
{
    return thread < visit->totals.threads ? visit->threads[thread].tid : 0;
}

const char *trace_thread_name(const struct trace_visit *visit, uint32_t thread)
{
    bool is_named = thread < visit->totals.threads && visit->threads[thread].name != NULL;
    return is_named ? visit->threads[thread].name : "";
}

/* -- lives ------------------------------------------------------------------------------------ */

static uint64_t address_of(const struct trace_visit *visit, uint64_t units)
{
    return units << visit->trace->facts.header.address_shift;
}

struct trace_object visit_describe(const struct trace_visit *visit, uint64_t units, uint32_t seat)
{
    const struct visit_life *life = visit_life(visit, seat);
    return (struct trace_object){.address = address_of(visit, units),
                                 .number = visit_number(visit, seat),
                                 .size = visit_size(life),
                                 .born_ns = life->born_ns,
                                 .stack = life->stack,
                                 .thread = life->thread,
                                 .seat = seat,
                                 .is_odd = visit_is_odd(life)};
}

bool trace_visit_find(const struct trace_visit *visit, uint64_t address,
                      struct trace_object *object)
{
    uint64_t units = address >> visit->trace->facts.header.address_shift;
    uint32_t seat = units != 0 ? objects_find(&visit->objects, units) : 0;
    if (seat != 0)
        *object = visit_describe(visit, units, seat);
    return seat != 0;
}

void trace_visit_live(const struct trace_visit *visit, trace_show *show, void *context)
{
    size_t place = 0;
    uint64_t units;
    uint32_t seat;
    while (objects_next(&visit->objects, &place, &units, &seat)) {
        const struct trace_object object = visit_describe(visit, units, seat);
        show(&object, context);
    }
    visit_show_txns(visit, show, context);
}

uint64_t visit_number(const struct trace_visit *visit, uint32_t seat)
{
    return visit->is_brief ? 0 : visit->number[seat];
}

static void set_number(struct trace_visit *visit, uint32_t seat, uint64_t number)
{
    while (seat >= visit->number_room) {
        visit->number =
            visit->number_room == 0
                ? memory_map(FIRST_NUMBERS * sizeof visit->number[0])
                : memory_map_more(visit->number, visit->number_room * sizeof visit->number[0]);
        visit->number_room = visit->number_room == 0 ? FIRST_NUMBERS : 2 * visit->number_room;
    }
    visit->number[seat] = number;
}

void trace_visit_be_brief(struct trace_visit *visit)
{
    visit->is_brief = true;
}

static inline void count_death(struct trace_visit *visit, uint64_t size)
{
    visit->totals.live_bytes -= size;
    visit->totals.live_objects--;
}

static inline void apply_death(struct trace_visit *visit, const struct cursor_record *record,
                               struct trace_event *event)
{
    uint32_t seat = objects_remove(&visit->objects, record->old_units);
    if (!visit->is_brief)
        event->old_address = address_of(visit, record->old_units);
    if (seat == 0) {
        event->bits |= TRACE_EVENT_UNKNOWN;
        visit->totals.unknown_frees++;
        return;
    }
    const struct visit_life *life = visit_life(visit, seat);
    event->bits |= visit_is_odd(life) ? TRACE_EVENT_OLD_ODD : 0;
    event->old_size = visit_size(life);
    event->old_born_ns = life->born_ns;
    event->old_stack = life->stack;
    event->old_thread = life->thread;
    event->old_seat = seat;
    if (!visit->is_brief)
        event->old_object = visit->number[seat];
    count_death(visit, visit_size(life));
}

static void end_stale(struct trace_visit *visit, uint32_t seat, struct trace_event *event)
{
    const struct visit_life *life = visit_life(visit, seat);
    event->bits |= TRACE_EVENT_STALE;
    event->stale_object = visit_number(visit, seat);
    event->stale_size = visit_size(life);
    event->stale_stack = life->stack;
    event->stale_thread = life->thread;
    event->stale_seat = seat;
    visit->totals.stale++;
    count_death(visit, visit_size(life));
}

static inline void note_peak(struct trace_visit *visit, uint64_t time_ns)
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

/* A block that realloc changed was born when it was first handed out. */
static inline void begin_life(struct trace_visit *visit, const struct cursor_record *record,
                              uint32_t seat, struct trace_event *event)
{
    uint32_t stack = stacks_find(visit->trace, record->stack);
    struct visit_life *life = visit_life(visit, seat);
    event->size = record->size;
    event->alignment_log2 = record->alignment_log2;
    event->stack = stack;
    event->seat = seat;
    bool is_odd = record->alignment_log2 != 0 || (event->bits & TRACE_EVENT_IN_PLACE) != 0;
    life->size = record->size | (is_odd ? VISIT_ODD : 0);
    life->born_ns = event->old_seat != 0 ? event->old_born_ns : record->time_ns;
    life->stack = stack;
    life->thread = event->thread;
    visit->totals.objects++;
    visit->totals.live_objects++;
    visit->totals.live_bytes += record->size;
    note_peak(visit, record->time_ns);
    if (visit->is_brief)
        return;
    event->object = visit->totals.objects;
    set_number(visit, seat, event->object);
}

void visit_begin_life(struct trace_visit *visit, const struct cursor_record *record, uint32_t seat,
                      struct trace_event *event)
{
    begin_life(visit, record, seat, event);
}

static inline void apply_birth(struct trace_visit *visit, const struct cursor_record *record,
                               struct trace_event *event)
{
    const struct visit_entered *entered = &visit->entered[visit->run.lane];
    uint32_t stale;
    uint32_t seat = objects_put(&visit->objects, record->units, &stale);
    event->bits |= birth_bits(record);
    if (stale != 0)
        end_stale(visit, stale, event);
    if (!visit->is_brief)
        event->address = address_of(visit, record->units);
    event->txn = record->size <= entered->bytes ? entered->txn : 0;
    begin_life(visit, record, seat, event);
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

static bool apply_thread(struct trace_visit *visit, const struct cursor_record *record,
                         struct trace_event *event)
{
    if (record->kind != TRACE_THREAD_NAME)
        visit->entered[visit->run.lane] = (struct visit_entered){0};
    switch (record->kind) {
    case CURSOR_GOES_ON:
        go_on(visit, visit->run.lane, record);
        return false;
    case TRACE_THREAD_START:
        event->thread = add_thread(visit, visit->run.lane, (uint32_t)record->size);
        event->tid = visit->threads[event->thread].tid;
        event->kind = TRACE_EVENT_THREAD_START;
        return true;
    case TRACE_THREAD_END:
        event->kind = TRACE_EVENT_THREAD_END;
        visit->lane_threads[visit->run.lane] = VISIT_NO_THREAD;
        return true;
    default:
        event->kind = TRACE_EVENT_THREAD_NAME;
        name_thread(visit, event->thread, record);
        return true;
    }
}

static bool apply_other(struct trace_visit *visit, const struct cursor_record *record,
                        struct trace_event *event)
{
    if (record->kind >= TRACE_TXN_BEGIN && record->kind <= TRACE_TXN_ADOPT) {
        visit_apply_txn(visit, record, event);
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
static bool apply_record(struct trace_visit *visit, const struct cursor_record *record,
                         struct trace_event *event)
{
    switch (record->op) {
    case TRACE_ALLOC:
        event->kind = TRACE_EVENT_ALLOC;
        visit->totals.events++;
        visit->totals.allocs++;
        apply_birth(visit, record, event);
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
        apply_birth(visit, record, event);
        return true;
    case TRACE_THREAD:
        return apply_thread(visit, record, event);
    default:
        return apply_other(visit, record, event);
    }
}

/* A line at a time: what is longer than six vectors the compiler clears by rep stos, which starts
 * slowly. */
static inline void clear(struct trace_event *event, bool is_first_line)
{
    enum { LINE = 64 };
    memset(event, 0, LINE);
    if (is_first_line)
        return;
    memset((char *)event + LINE, 0, LINE);
    memset((char *)event + 2 * LINE, 0, sizeof(*event) - 2 * LINE);
}

/* What a record looks up is scattered over all that is alive: it is loaded some records before. */
static MEMORY_PREFETCH void load(const struct trace_visit *visit)
{
    const struct cursor_record *ahead = visit->run.at + BUCKETS_AHEAD;
    if (visit->run.known - visit->run.at <= BUCKETS_AHEAD)
        return;
    objects_prefetch_bucket(&visit->objects,
                            ahead->op == TRACE_ALLOC ? ahead->units : ahead->old_units);
    ahead = visit->run.at + LIVES_AHEAD;
    if (ahead->op == TRACE_FREE || ahead->op == TRACE_REALLOC)
        objects_prefetch_record(&visit->objects, ahead->old_units);
}

/* The next record; NULL: there are no more. */
static inline const struct cursor_record *take(struct trace_visit *visit)
{
    if (visit->run.at == visit->run.end && !order_next(visit->order, &visit->run))
        return NULL;
    load(visit);
    return visit->run.at++;
}

bool trace_visit_next(struct trace_visit *visit, struct trace_event *event)
{
    const struct cursor_record *record;
    if (visit->ending.txn != NULL) {
        visit_go_on_ending(visit, event);
        return true;
    }
    while ((record = take(visit)) != NULL) {
        bool begins_thread = record->op == TRACE_THREAD &&
                             (record->kind == TRACE_THREAD_START || record->kind == CURSOR_GOES_ON);
        clear(event, visit->is_brief && record->op <= TRACE_REALLOC);
        event->time_ns = record->time_ns;
        if (!begins_thread)
            event->thread = find_thread(visit, visit->run.lane);
        if (!visit->is_brief) {
            event->lane = visit->trace->event_lanes[visit->run.lane].lane;
            event->tid = begins_thread ? 0 : visit->threads[event->thread].tid;
        }
        if (apply_record(visit, record, event))
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
    objects_init(&visit->objects, sizeof(struct visit_life));
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
    memory_unmap(visit->number, visit->number_room * sizeof visit->number[0]);
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
