/* analysis.c - follows the events of a trace and has each of them booked. */
#include "tools/analysis/analysis.h"

#include <stdlib.h>
#include <string.h>

#include "tools/analysis/ahead.h"
#include "tools/analysis/booking.h"
#include "tools/analysis/looks.h"
#include "tools/trace/memory.h"

/* Steps between the one that is booked and the one whose site is loaded: sites are scattered, and
 * those of most deaths were not touched for some time. */
enum { EVENTS_AHEAD = 32, SITES_AHEAD = 12 };

/* -- the whole trace -------------------------------------------------------------------------- */

static void note_survivor(const struct trace_object *object, void *context)
{
    struct analysis *analysis = context;
    struct site *site = &analysis->site[booking_find_site(analysis, object->stack)];
    course_add_survivor(analysis, object->born_ns,
                        booking_weigh(analysis, object->size, &object->number).bytes);
    if (site->oldest_ns == 0 || object->born_ns < site->oldest_ns)
        site->oldest_ns = object->born_ns;
    if (object->born_ns > site->newest_ns)
        site->newest_ns = object->born_ns;
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
        struct trace_object object;
        if (lost.kind == TRACE_LEAK_REACHABLE || !trace_visit_find(visit, lost.address, &object))
            continue;
        const struct amount one = booking_weigh(analysis, object.size, &object.number);
        uint32_t site = booking_find_site(analysis, object.stack);
        amount_add(find_kind(&analysis->site[site].leak, lost.kind), &one);
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
    unsigned shortest = resolution_ns == 0 ? 0 : booking_find_life(resolution_ns - 1);
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
    for (size_t i = 0; i < analysis->threads; i++)
        analysis->thread[i].tid = trace_thread_tid(visit, (uint32_t)i);
    rate_finish(analysis);
    analysis->is_complete = trace_visit_is_complete(visit, &analysis->incomplete_why);
    if (analysis->facts->end != NULL && analysis->facts->end->time_ns > analysis->last_ns)
        analysis->last_ns = analysis->facts->end->time_ns;
    join_lives(analysis);
    course_finish(analysis);
    trace_visit_live(visit, note_survivor, analysis);
    book_lost(analysis, visit);
    looks_finish(analysis);
    txns_finish(&analysis->txns);
    spares_take(analysis, visit, NULL);
    maps_take(analysis, visit, UINT64_MAX);
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
    timeline_init(&analysis->timeline, analysis->facts->header.start_ns);
    moments_init(analysis);
    maps_init(analysis);
    spares_init(analysis);
    rate_init(analysis);
    looks_init(analysis);
    course_init(analysis);
    return analysis;
}

static MEMORY_PREFETCH void load(const struct analysis *analysis, const struct batch *batch,
                                 size_t at)
{
    if (at + EVENTS_AHEAD < batch->count)
        __builtin_prefetch(&batch->event[at + EVENTS_AHEAD]);
    if (at + SITES_AHEAD >= batch->count)
        return;
    const struct trace_event *event = &batch->event[at + SITES_AHEAD];
    uint32_t node = event->old_seat != 0 ? event->old_stack : event->stack;
    uint32_t site = analysis->site_of_node[node];
    __builtin_prefetch(&analysis->site[site != 0 ? site - 1 : 0], 1);
}

static void book_batch(struct analysis *analysis, const struct trace_visit *visit,
                       const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct trace_event *event = &batch->event[i];
        load(analysis, batch, i);
        if (event->time_ns > analysis->spares.next_ns) /* the visit stands still right behind it */
            spares_take(analysis, visit, event);
        booking_add(analysis, visit, event);
    }
}

static struct ahead_stops find_stops(const struct analysis *analysis)
{
    return (struct ahead_stops){.at_ns = maps_next(&analysis->maps),
                                .after_ns = analysis->spares.next_ns};
}

static void read_events(struct analysis *analysis, struct trace_visit *visit,
                        struct progress *progress)
{
    struct ahead_stops stops = find_stops(analysis);
    struct ahead *ahead = ahead_create(visit, &stops);
    const struct batch *batch;
    uint64_t booked = 0;
    while ((batch = ahead_next(ahead)) != NULL) {
        book_batch(analysis, visit, batch);
        booked += batch->count;
        if (batch->stands && batch->count != 0 && booked % AHEAD_STEP == 0)
            maps_take(analysis, visit, batch->event[batch->count - 1].time_ns);
        if (batch->stands) {
            stops = find_stops(analysis);
            ahead_stop_at(ahead, &stops);
        }
        show_progress(progress, batch);
    }
    ahead_destroy(ahead);
}

struct analysis *analysis_run(const struct trace *trace, struct progress *progress)
{
    struct analysis *analysis = create(trace);
    struct trace_visit *visit = trace_visit_create(trace);
    if (!analysis_is_estimate(analysis))
        trace_visit_be_brief(visit);
    read_events(analysis, visit, progress);
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
    spares_fini(&analysis->spares);
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
