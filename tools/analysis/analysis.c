/* analysis.c - follows the events of a trace and books each under its stack, size, thread and age.
 */
#include "tools/analysis/analysis.h"

#include <stdlib.h>
#include <string.h>

#include "tools/analysis/ahead.h"
#include "tools/analysis/looks.h"
#include "tools/analysis/unwritten.h"

enum {
    FIRST_SITES = 256,
    BLOCKS_AHEAD =
        24,           /* events between the one that is booked and the one whose block is loaded, */
    SITES_AHEAD = 12, /* and the one whose block's site is: see load */
};

/* -- where an event is booked ----------------------------------------------------------------- */

static uint32_t find_site(struct analysis *analysis, uint32_t node)
{
    if (node >= analysis->facts->nodes)
        node = 0;
    uint32_t known = analysis->site_of_node[node];
    if (known != 0)
        return known - 1;
    if (analysis->sites == analysis->site_room) {
        size_t room = analysis->site_room == 0 ? FIRST_SITES : 2 * analysis->site_room;
        analysis->site = store_grow(analysis->store, analysis->site, analysis->site_room, room,
                                    sizeof analysis->site[0]);
        analysis->site_room = room;
    }
    uint32_t number = (uint32_t)analysis->sites++;
    analysis->site[number].node = node;
    analysis->site_of_node[node] = number + 1;
    return number;
}

static struct thread *find_thread(struct analysis *analysis, const struct trace_event *event)
{
    if (event->thread >= analysis->threads) {
        size_t threads = (size_t)event->thread + 1;
        analysis->thread = store_grow(analysis->store, analysis->thread, analysis->threads, threads,
                                      sizeof analysis->thread[0]);
        analysis->threads = threads;
    }
    struct thread *thread = &analysis->thread[event->thread];
    thread->tid = event->tid;
    if (thread->began_ns == 0)
        thread->began_ns = event->time_ns;
    return thread;
}

static struct size_class *find_size_class(struct analysis *analysis, uint64_t size)
{
    unsigned class = size <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(size - 1);
    return &analysis->size[class];
}

/* How many of 10, 100, 1000... `ns` reaches: 1233 / 4096 is a little more than log10 of 2, so that
 * the product is right or one too much (Warren, Hacker's Delight, 11-4). */
static unsigned find_life_class(uint64_t ns)
{
    static const uint64_t power[LIFE_CLASSES] = {0,
                                                 10,
                                                 100,
                                                 1000,
                                                 10000,
                                                 100000,
                                                 1000000,
                                                 10000000,
                                                 100000000,
                                                 1000000000,
                                                 10000000000,
                                                 100000000000,
                                                 1000000000000,
                                                 10000000000000,
                                                 100000000000000,
                                                 1000000000000000,
                                                 10000000000000000,
                                                 100000000000000000,
                                                 1000000000000000000,
                                                 UINT64_C(10000000000000000000)};
    unsigned class = (64 - (unsigned)__builtin_clzll(ns | 1)) * 1233 >> 12;
    return class - (ns < power[class]);
}

/* -- births and deaths ------------------------------------------------------------------------ */

static void note_peak(struct analysis *analysis, uint64_t time_ns)
{
    if (analysis->total.now.bytes <= analysis->peak_bytes)
        return;
    analysis->peak_bytes = analysis->total.now.bytes;
    analysis->peak_ns = time_ns;
    analysis->peak_serial++;
}

static struct amount weigh(const struct analysis *analysis, uint64_t size, uint64_t object)
{
    return estimate_weigh(analysis->facts->header.sample_period, size, object);
}

static void book_birth(struct analysis *analysis, const struct trace_event *event,
                       uint64_t birth_ns)
{
    uint32_t number = find_site(analysis, event->stack);
    struct site *site = &analysis->site[number];
    struct thread *thread = find_thread(analysis, event);
    struct size_class *class = find_size_class(analysis, event->size);
    const struct amount one = weigh(analysis, event->size, event->object);
    uint64_t serial = analysis->peak_serial;

    amount_add(&site->all, &one);
    thread->allocations += one.blocks;
    thread->bytes += one.bytes;
    thread->last_object = event->object;
    class->allocations += one.blocks;
    class->bytes += one.bytes;
    analysis->allocations += one.blocks;
    analysis->allocated_bytes += one.bytes;

    held_add_amount(&site->held, &one, serial);
    held_add_amount(&thread->held, &one, serial);
    held_add_amount(&class->held, &one, serial);
    held_add_amount(&analysis->total, &one, serial);
    looks_add(analysis, event->time_ns, one.bytes);
    course_add(analysis, number, event->time_ns, one.bytes);
    spares_add(analysis, number, event, &one);
    if ((event->bits & TRACE_EVENT_ZEROED) != 0 && unwritten_concerns(analysis, event))
        amount_add(&analysis->callocs, &one);
    rate_add(analysis, number, event->time_ns, &one);
    live_insert(&analysis->live, event->seat,
                &(struct block){.object = event->object,
                                .bytes = event->size,
                                .birth_ns = birth_ns,
                                .site = number,
                                .thread = event->thread});
    note_peak(analysis, event->time_ns);
}

/* Takes a block out of everything that holds it; false: the trace never saw its birth. */
static bool book_death(struct analysis *analysis, uint32_t seat, uint64_t time_ns,
                       struct block *block)
{
    if (!live_remove(&analysis->live, seat, block))
        return false;
    const struct amount one = weigh(analysis, block->bytes, block->object);
    uint64_t serial = analysis->peak_serial;
    held_remove_amount(&analysis->site[block->site].held, &one, serial);
    held_remove_amount(&analysis->thread[block->thread].held, &one, serial);
    held_remove_amount(&find_size_class(analysis, block->bytes)->held, &one, serial);
    held_remove_amount(&analysis->total, &one, serial);
    looks_add(analysis, time_ns, 0 - one.bytes);
    course_add(analysis, block->site, time_ns, 0 - one.bytes);
    return true;
}

/* Only what the program itself ended has a lifetime: not a block whose free was lost. */
static void note_life(struct analysis *analysis, const struct block *block,
                      const struct amount *amount, uint64_t time_ns)
{
    uint64_t ns = time_ns > block->birth_ns ? time_ns - block->birth_ns : 0;
    unsigned class = find_life_class(ns);
    analysis->life[class].blocks += amount->blocks;
    analysis->life[class].bytes += amount->bytes;
    analysis->site[block->site].life[class] += amount->blocks;
}

/* -- events ----------------------------------------------------------------------------------- */

static void end_stale(struct analysis *analysis, const struct trace_event *event)
{
    struct block block;
    if (event->bits & TRACE_EVENT_STALE)
        book_death(analysis, event->stale_seat, event->time_ns, &block);
}

static void book_free(struct analysis *analysis, const struct trace_event *event)
{
    struct thread *thread = find_thread(analysis, event);
    struct block block;
    if (!book_death(analysis, event->old_seat, event->time_ns, &block)) {
        thread->frees += !analysis_is_estimate(analysis);
        return;
    }
    const struct amount one = weigh(analysis, block.bytes, block.object);
    thread->frees += one.blocks;
    note_life(analysis, &block, &one, event->time_ns);
    rate_add_free(analysis, event->time_ns, one.blocks);
    if (block.thread != event->thread) {
        thread->frees_of_others += one.blocks;
        analysis->frees_of_others += one.blocks;
        flows_add(&analysis->flows, analysis->store, block.thread, event->thread, &one);
    } else if (thread->last_object == event->old_object && !analysis_is_estimate(analysis) &&
               (event->bits & TRACE_EVENT_IN_TXN) == 0) {
        thread->temporary++;
        analysis->temporary++;
        analysis->site[block.site].temporary++;
    }
}

static void note_realloc(struct analysis *analysis, const struct trace_event *event,
                         const struct block *old)
{
    struct realloc_facts *facts = &analysis->reallocs;
    facts->calls++;
    if (event->size > old->bytes)
        facts->grown++;
    else if (event->size < old->bytes)
        facts->shrunk++;
    if (event->bits & TRACE_EVENT_IN_PLACE) {
        facts->in_place++;
        return;
    }
    uint64_t copied = event->size < old->bytes ? event->size : old->bytes;
    struct site *site = &analysis->site[find_site(analysis, event->stack)];
    facts->moved++;
    facts->copied_bytes += copied;
    site->moved++;
    site->copied += copied;
}

static void book_realloc(struct analysis *analysis, const struct trace_event *event)
{
    struct block old = {0};
    end_stale(analysis, event);
    bool is_known = book_death(analysis, event->old_seat, event->time_ns, &old);
    if (is_known)
        note_realloc(analysis, event, &old);
    book_birth(analysis, event, is_known ? old.birth_ns : event->time_ns);
}

static void book_name(struct analysis *analysis, const struct trace_visit *visit,
                      const struct trace_event *event)
{
    const char *name = trace_thread_name(visit, event->thread);
    if (*name != '\0')
        find_thread(analysis, event)->name = store_copy_text(analysis->store, name);
}

/* Not malloc's blocks: those are what they are. */
static bool is_of_txn(const struct trace_event *event)
{
    return event->kind > TRACE_EVENT_THREAD_NAME || (event->bits & TRACE_EVENT_IN_TXN) != 0;
}

static void book(struct analysis *analysis, const struct trace_visit *visit,
                 const struct trace_event *event)
{
    if (event->time_ns >= analysis->moments.next_ns)
        moments_take(analysis, event->time_ns);
    if (event->txn != 0 && is_of_txn(event))
        txns_book(&analysis->txns, analysis->store, visit, event);
    else if (event->kind <= TRACE_EVENT_REALLOC &&
             (event->txn != 0 || analysis->txns.escapes.alive != 0))
        txns_book_malloc(&analysis->txns, analysis->store, event);
    if (event->time_ns > analysis->spares.next_ns)
        spares_take(analysis);
    switch (event->kind) {
    case TRACE_EVENT_ALLOC:
        end_stale(analysis, event);
        book_birth(analysis, event, event->time_ns);
        break;
    case TRACE_EVENT_FREE:
        book_free(analysis, event);
        break;
    case TRACE_EVENT_REALLOC:
        book_realloc(analysis, event);
        break;
    case TRACE_EVENT_FAILED:
        analysis->failed++;
        break;
    case TRACE_EVENT_THREAD_NAME:
        book_name(analysis, visit, event);
        break;
    case TRACE_EVENT_THREAD_END:
        find_thread(analysis, event)->ended_ns = event->time_ns;
        break;
    default:
        find_thread(analysis, event);
    }
    if (event->time_ns > analysis->last_ns)
        analysis->last_ns = event->time_ns;
    timeline_add(&analysis->timeline, event->time_ns, analysis->total.now.bytes);
}

/* -- the whole trace -------------------------------------------------------------------------- */

static void note_survivor(const struct block *block, void *context)
{
    struct analysis *analysis = context;
    struct site *site = &analysis->site[block->site];
    course_add_survivor(analysis, block->birth_ns,
                        weigh(analysis, block->bytes, block->object).bytes);
    if (site->oldest_ns == 0 || block->birth_ns < site->oldest_ns)
        site->oldest_ns = block->birth_ns;
    if (block->birth_ns > site->newest_ns)
        site->newest_ns = block->birth_ns;
}

static struct amount *find_kind(struct leak *leak, enum trace_leak kind)
{
    switch (kind) {
    case TRACE_LEAK_LOST:
        return &leak->lost;
    case TRACE_LEAK_BY_LOST:
        return &leak->by_lost;
    case TRACE_LEAK_INSIDE:
        return &leak->inside;
    default:
        return NULL;
    }
}

/* What was freed after the look, or is older than the trace, is passed over. */
static void book_lost(struct analysis *analysis, const struct trace_visit *visit)
{
    struct trace_lost_place place = {0};
    struct trace_lost lost;
    while (trace_lost_next(analysis->trace, &place, &lost)) {
        uint32_t seat = trace_visit_seat_at(visit, lost.address);
        const struct block *block = live_find(&analysis->live, seat);
        if (block == NULL || lost.kind == TRACE_LEAK_REACHABLE)
            continue;
        const struct amount one = weigh(analysis, block->bytes, block->object);
        amount_add(find_kind(&analysis->site[block->site].leak, lost.kind), &one);
        amount_add(find_kind(&analysis->leak, lost.kind), &one);
    }
}

static void show_progress(struct progress *progress, const struct batch *batch)
{
    if (progress != NULL && progress_is_due(progress))
        progress_show_share(progress, "reading", (uint64_t)(batch->share * 1e6), 1000 * 1000,
                            batch->events);
}

/* Lives shorter than the clock's resolution are not told apart: they are put into one class. */
static void join_lives(struct analysis *analysis)
{
    uint64_t resolution_ns = analysis->totals.resolution_ns;
    unsigned shortest = resolution_ns == 0 ? 0 : find_life_class(resolution_ns - 1);
    analysis->shortest_life = shortest;
    for (unsigned i = 0; i < shortest; i++) {
        analysis->life[shortest].blocks += analysis->life[i].blocks;
        analysis->life[shortest].bytes += analysis->life[i].bytes;
        analysis->life[i] = (struct life_class){0};
        for (size_t k = 0; k < analysis->sites; k++) {
            analysis->site[k].life[shortest] += analysis->site[k].life[i];
            analysis->site[k].life[i] = 0;
        }
    }
}

static void finish(struct analysis *analysis, const struct trace_visit *visit)
{
    analysis->totals = *trace_visit_totals(visit);
    const struct trace_end *end = analysis->facts->end;
    if (end != NULL && end->dropped > analysis->totals.dropped) /* the last ones have no record */
        analysis->totals.dropped = end->dropped;
    rate_finish(analysis);
    analysis->is_complete = trace_visit_is_complete(visit, &analysis->incomplete_why);
    if (analysis->facts->end != NULL && analysis->facts->end->time_ns > analysis->last_ns)
        analysis->last_ns = analysis->facts->end->time_ns;
    join_lives(analysis);
    course_finish(analysis);
    live_visit(&analysis->live, note_survivor, analysis);
    book_lost(analysis, visit);
    looks_finish(analysis);
    txns_finish(&analysis->txns);
    spares_take(analysis);
    maps_take(analysis, visit, UINT64_MAX);
    live_fini(&analysis->live);
}

static struct analysis *create(const struct trace *trace)
{
    struct store *store = store_create();
    struct analysis *analysis = store_alloc(store, 1, sizeof *analysis);
    analysis->store = store;
    analysis->trace = trace;
    analysis->facts = trace_facts(trace);
    analysis->last_ns = analysis->facts->header.start_ns;
    analysis->peak_serial = 1;
    analysis->site_of_node =
        store_alloc(store, analysis->facts->nodes + 1, sizeof analysis->site_of_node[0]);
    live_init(&analysis->live);
    timeline_init(&analysis->timeline, analysis->facts->header.start_ns);
    moments_init(analysis);
    maps_init(analysis);
    spares_init(analysis);
    rate_init(analysis);
    looks_init(analysis);
    course_init(analysis);
    return analysis;
}

/* What booking touches is scattered over all live blocks and all sites: it is loaded some events
 * before, the site in a second step, as only the block tells it. */
static void load(const struct analysis *analysis, const struct batch *batch, size_t at)
{
    if (at + BLOCKS_AHEAD < batch->count) {
        const struct trace_event *event = &batch->event[at + BLOCKS_AHEAD];
        live_prefetch(&analysis->live, event->old_seat != 0 ? event->old_seat : event->seat);
    }
    if (at + SITES_AHEAD < batch->count) {
        uint32_t seat = batch->event[at + SITES_AHEAD].old_seat;
        const struct block *block = seat == 0 ? NULL : live_find(&analysis->live, seat);
        if (block != NULL)
            __builtin_prefetch(&analysis->site[block->site], 1);
    }
}

static void book_batch(struct analysis *analysis, const struct trace_visit *visit,
                       const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        load(analysis, batch, i);
        book(analysis, visit, &batch->event[i]);
    }
}

struct analysis *analysis_run(const struct trace *trace, struct progress *progress)
{
    struct analysis *analysis = create(trace);
    struct trace_visit *visit = trace_visit_create(trace);
    struct ahead *ahead = ahead_create(visit, maps_next(&analysis->maps));
    const struct batch *batch;
    uint64_t booked = 0;
    while ((batch = ahead_next(ahead)) != NULL) {
        book_batch(analysis, visit, batch);
        booked += batch->count;
        if (batch->stands && batch->count != 0 && booked % AHEAD_STEP == 0) {
            maps_take(analysis, visit, batch->event[batch->count - 1].time_ns);
            ahead_stop_at(ahead, maps_next(&analysis->maps));
        }
        show_progress(progress, batch);
    }
    ahead_destroy(ahead);
    finish(analysis, visit);
    trace_visit_destroy(visit);
    if (progress != NULL)
        progress_fini(progress);
    return analysis;
}

void analysis_destroy(struct analysis *analysis)
{
    struct store *store = analysis->store;
    txns_booked_fini(&analysis->txns);
    store_destroy(store);
}

uint64_t analysis_since_start(const struct analysis *analysis, uint64_t time_ns)
{
    uint64_t start_ns = analysis->facts->header.start_ns;
    return time_ns > start_ns ? time_ns - start_ns : 0;
}

bool analysis_is_estimate(const struct analysis *analysis)
{
    return analysis->facts->header.sample_period != 0;
}

struct interval analysis_interval(const struct analysis *analysis, const struct amount *amount)
{
    return estimate_interval(analysis->facts->header.sample_period, amount);
}
