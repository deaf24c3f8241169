/* demand.c - follows the events and books each block under the size that placed it. */
#include "tools/tune/demand.h"

#include <stdlib.h>
#include <string.h>

#include "tools/analysis/live.h"
#include "tools/trace/memory.h"
#include "tools/tune/rounds.h"

enum { PROGRESS_EVENTS = 1 << 15 };
#define DEMAND_OUTSIDE UINT32_MAX

/* The pass. */
struct pass {
    struct demand *demand;
    struct live live; /* block.site: the size that placed it, or DEMAND_OUTSIDE */
    struct rounds *rounds;
    uint64_t begin_ns;
    uint64_t now_ns; /* never runs back */
    uint64_t asked;  /* bytes, of all blocks */
    uint64_t asked_changed_ns;
};

/* -- books ------------------------------------------------------------------------------------ */

static void reach(struct size_use *use, uint64_t now_ns)
{
    double ns = (double)(now_ns - use->changed_ns);
    use->block_ns += ns * (double)use->held.now.blocks;
    use->asked_ns += ns * (double)use->held.now.bytes;
    use->changed_ns = now_ns;
}

static void change_asked(struct pass *pass, uint64_t delta)
{
    struct demand *demand = pass->demand;
    demand->all_asked_ns += (double)(pass->now_ns - pass->asked_changed_ns) * (double)pass->asked;
    pass->asked_changed_ns = pass->now_ns;
    pass->asked += delta;
    if (pass->asked <= demand->peak_bytes)
        return;
    demand->peak_bytes = pass->asked;
    demand->peak_serial++;
}

static void book_birth(struct pass *pass, const struct trace_event *event, uint32_t placed)
{
    struct demand *demand = pass->demand;
    if (placed != DEMAND_OUTSIDE) {
        struct size_use *use = &demand->use[placed];
        reach(use, pass->now_ns);
        held_add(&use->held, event->size, demand->peak_serial);
    }
    live_insert(&pass->live, event->seat,
                &(struct block){.object = event->object,
                                .bytes = event->size,
                                .site = placed,
                                .thread = event->thread});
    change_asked(pass, event->size);
}

static bool book_death(struct pass *pass, uint32_t seat, struct block *block)
{
    if (!live_remove(&pass->live, seat, block))
        return false;
    if (block->site != DEMAND_OUTSIDE) {
        struct size_use *use = &pass->demand->use[block->site];
        reach(use, pass->now_ns);
        held_remove(&use->held, block->bytes, pass->demand->peak_serial);
    }
    change_asked(pass, 0 - block->bytes);
    return true;
}

/* -- events ----------------------------------------------------------------------------------- */

static uint32_t place(struct pass *pass, const struct trace_event *event)
{
    struct demand *demand = pass->demand;
    demand->requests++;
    if (event->size > LADDER_BYTES_MOST || event->alignment_log2 != 0) {
        demand->outside++;
        return DEMAND_OUTSIDE;
    }
    uint32_t placed = (uint32_t)event->size;
    demand->use[placed].requests++;
    rounds_take(pass->rounds, event->thread, ladder_find(demand->ladder, placed));
    return placed;
}

static void give(struct pass *pass, const struct trace_event *event, const struct block *block)
{
    if (block->site != DEMAND_OUTSIDE)
        rounds_give(pass->rounds, event->thread, ladder_find(pass->demand->ladder, block->site));
}

static bool stays(const struct pass *pass, const struct block *block, uint64_t size)
{
    if (block->site == DEMAND_OUTSIDE)
        return false;
    const struct ladder *ladder = pass->demand->ladder;
    uint32_t bytes = ladder->rung[ladder_find(ladder, block->site)].bytes;
    return size <= bytes && size >= bytes / 2;
}

static void book_realloc(struct pass *pass, const struct trace_event *event)
{
    struct block old;
    bool is_known = book_death(pass, event->old_seat, &old);
    if (is_known && stays(pass, &old, event->size)) {
        book_birth(pass, event, old.site);
        return;
    }
    uint32_t placed = place(pass, event);
    if (is_known)
        give(pass, event, &old);
    book_birth(pass, event, placed);
}

static void book(struct pass *pass, const struct trace_event *event)
{
    struct block block;
    if (event->time_ns > pass->now_ns)
        pass->now_ns = event->time_ns;
    if ((event->bits & TRACE_EVENT_IN_TXN) != 0)
        return; /* size classes have no part in it */
    if ((event->bits & TRACE_EVENT_STALE) != 0)
        book_death(pass, event->stale_seat, &block);
    switch (event->kind) {
    case TRACE_EVENT_ALLOC:
        book_birth(pass, event, place(pass, event));
        break;
    case TRACE_EVENT_REALLOC:
        book_realloc(pass, event);
        break;
    case TRACE_EVENT_FREE:
        if (book_death(pass, event->old_seat, &block))
            give(pass, event, &block);
        break;
    case TRACE_EVENT_THREAD_END:
        rounds_forget(pass->rounds, event->thread);
        break;
    default:
        break;
    }
}

/* -- the whole trace -------------------------------------------------------------------------- */

static void finish(struct pass *pass, const struct trace *trace, const struct trace_visit *visit)
{
    struct demand *demand = pass->demand;
    const struct trace_end *end = trace_facts(trace)->end;
    if (end != NULL && end->time_ns > pass->now_ns)
        pass->now_ns = end->time_ns;
    for (size_t size = 0; size <= LADDER_BYTES_MOST; size++)
        reach(&demand->use[size], pass->now_ns);
    change_asked(pass, 0);
    demand->span_ns = (double)(pass->now_ns - pass->begin_ns);
    demand->threads = trace_visit_totals(visit)->threads;
    demand->is_complete = trace_visit_is_complete(visit, &demand->incomplete_why);
}

static void visit_all(struct pass *pass, const struct trace *trace, struct progress *progress)
{
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    for (uint64_t count = 0; trace_visit_next(visit, &event); count++) {
        book(pass, &event);
        if (count % PROGRESS_EVENTS == 0 && progress_is_due(progress))
            progress_show_share(progress, "reading", (uint64_t)(trace_visit_progress(visit) * 1e6),
                                1000 * 1000, count);
    }
    progress_fini(progress);
    finish(pass, trace, visit);
    trace_visit_destroy(visit);
}

void demand_read(struct demand *demand, const struct trace *trace, const struct ladder *ladder,
                 struct progress *progress)
{
    *demand = (struct demand){.ladder = ladder, .peak_serial = 1};
    demand->use = memory_alloc(LADDER_BYTES_MOST + 1, sizeof *demand->use);
    demand->traffic = memory_alloc(ladder->rungs, sizeof *demand->traffic);
    uint64_t begin_ns = trace_facts(trace)->header.start_ns;
    for (size_t size = 0; size <= LADDER_BYTES_MOST; size++)
        demand->use[size].changed_ns = begin_ns;
    struct pass pass = {.demand = demand,
                        .begin_ns = begin_ns,
                        .now_ns = begin_ns,
                        .asked_changed_ns = begin_ns,
                        .rounds = rounds_create(ladder, demand->traffic)};
    live_init(&pass.live);
    visit_all(&pass, trace, progress);
    rounds_destroy(pass.rounds);
    live_fini(&pass.live);
}

void demand_free(struct demand *demand)
{
    free(demand->use);
    free(demand->traffic);
}

/* -- questions -------------------------------------------------------------------------------- */

struct loss demand_lose(const struct demand *demand, const struct ladder *ladder, uint64_t above,
                        uint64_t upto)
{
    struct loss loss = {0};
    double span_ns = demand->span_ns > 0 ? demand->span_ns : 1;
    for (uint64_t size = above; size <= upto; size++) {
        const struct size_use *use = &demand->use[size];
        if (use->requests == 0 || (size == above && above != 0))
            continue;
        double bytes = ladder->rung[ladder_find(ladder, size)].bytes;
        struct amount peak = held_get_at_peak(&use->held, demand->peak_serial);
        loss.mean += (bytes * use->block_ns - use->asked_ns) / span_ns;
        loss.mean_asked += use->asked_ns / span_ns;
        loss.peak += bytes * (double)peak.blocks - (double)peak.bytes;
        loss.peak_asked += (double)peak.bytes;
        loss.requests += (bytes - (double)size) * (double)use->requests;
        loss.requests_asked += (double)(size * use->requests);
    }
    return loss;
}
