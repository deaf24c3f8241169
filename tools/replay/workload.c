/* workload.c - lets the model of each thread take its steps in turn and numbers what comes out. */
#include <stdlib.h>
#include <string.h>

#include "tools/replay/maker.h"
#include "tools/trace/memory.h"
#include "tools/trace/seats.h"
#include "tools/trace/trace.h"

enum { EVENT_NS = 100, CHURN_SHARE = 2 };

struct workload_visit {
    const struct model *model;
    unsigned threads;
    unsigned turn;
    struct part parts[WORKLOAD_THREADS_MOST];
    struct trace_event *made; /* by the last step; yielded one by one */
    size_t made_count;
    size_t made_capacity;
    size_t yielded;
    uint64_t born;
    struct seats seats;
    uint64_t steps;
    uint64_t all_steps;
    struct trace_totals totals;
};

const char *workload_name(unsigned kind)
{
    return kind < WORKLOAD_KINDS ? models[kind].name : NULL;
}

const char *workload_summary(unsigned kind)
{
    return kind < WORKLOAD_KINDS ? models[kind].summary : NULL;
}

unsigned workload_find(const char *name)
{
    unsigned kind = 0;
    while (kind < WORKLOAD_KINDS && strcmp(name, models[kind].name) != 0)
        kind++;
    return kind;
}

/* -- chance ----------------------------------------------------------------------------------- */

/* Marsaglia's xorshift with Vigna's multiplier. */
uint64_t maker_random(struct part *part, uint64_t limit)
{
    part->random ^= part->random >> 12;
    part->random ^= part->random << 25;
    part->random ^= part->random >> 27;
    return (part->random * UINT64_C(0x2545F4914F6CDD1D) >> 16) % limit;
}

uint64_t maker_skewed(struct part *part, uint64_t least, unsigned doublings)
{
    uint64_t from = least << maker_random(part, doublings);
    return from + maker_random(part, from);
}

/* -- piles ------------------------------------------------------------------------------------ */

/* What was taken off the front is moved over when it is more than half. */
static void make_room(struct pile *pile)
{
    if (pile->first > 1024 && pile->first > pile_count(pile)) {
        memmove(pile->blocks, pile_at(pile, 0),
                pile_count(pile) * pile->stride * sizeof(*pile->blocks));
        pile->items -= pile->first;
        pile->first = 0;
    }
    size_t wanted = (pile->items + 1) * pile->stride;
    if (wanted <= pile->capacity)
        return;
    struct block *blocks = memory_alloc(2 * wanted, sizeof(*blocks));
    if (pile->items != 0)
        memcpy(blocks, pile->blocks, pile->items * pile->stride * sizeof(*blocks));
    free(pile->blocks);
    pile->blocks = blocks;
    pile->capacity = 2 * wanted;
}

struct block *pile_at(const struct pile *pile, size_t item)
{
    return &pile->blocks[(pile->first + item) * pile->stride];
}

struct block *pile_push(struct pile *pile)
{
    make_room(pile);
    struct block *item = &pile->blocks[pile->items++ * pile->stride];
    memset(item, 0, pile->stride * sizeof(*item));
    return item;
}

void pile_remove(struct pile *pile, size_t item)
{
    size_t last = pile_count(pile) - 1;
    if (item != last)
        memcpy(pile_at(pile, item), pile_at(pile, last), pile->stride * sizeof(struct block));
    pile->items--;
}

struct block *pile_shift(struct pile *pile)
{
    return &pile->blocks[pile->first++ * pile->stride];
}

/* -- events ----------------------------------------------------------------------------------- */

static struct trace_event *make_event(struct workload_visit *visit, unsigned thread, uint8_t kind)
{
    visit->made =
        memory_grow(visit->made, visit->made_count, &visit->made_capacity, sizeof(*visit->made));
    struct trace_event *event = &visit->made[visit->made_count++];
    *event = (struct trace_event){
        .kind = kind, .thread = thread, .lane = thread, .tid = WORKLOAD_FIRST_TID + thread};
    return event;
}

static struct block bear(struct workload_visit *visit, struct trace_event *event, uint64_t bytes)
{
    event->object = ++visit->born;
    event->size = bytes;
    event->seat = seats_take(&visit->seats);
    return (struct block){(uint32_t)event->object, (uint32_t)bytes, event->seat};
}

static void bury(struct workload_visit *visit, struct trace_event *event, struct block block)
{
    event->old_object = block.object;
    event->old_size = block.bytes;
    event->old_seat = block.seat;
    seats_give(&visit->seats, block.seat);
}

struct block maker_alloc(struct part *part, uint64_t bytes)
{
    struct trace_event *event = make_event(part->visit, part->thread, TRACE_EVENT_ALLOC);
    return bear(part->visit, event, bytes);
}

struct block maker_alloc_zeroed(struct part *part, uint64_t bytes)
{
    struct trace_event *event = make_event(part->visit, part->thread, TRACE_EVENT_ALLOC);
    event->bits = TRACE_EVENT_ZEROED;
    return bear(part->visit, event, bytes);
}

void maker_free(struct part *part, unsigned thread, struct block block)
{
    if (block.object == 0)
        return;
    bury(part->visit, make_event(part->visit, thread, TRACE_EVENT_FREE), block);
}

struct block maker_realloc(struct part *part, struct block block, uint64_t bytes)
{
    struct trace_event *event = make_event(part->visit, part->thread, TRACE_EVENT_REALLOC);
    bury(part->visit, event, block);
    return bear(part->visit, event, bytes);
}

/* -- a visit ---------------------------------------------------------------------------------- */

static void init_part(struct workload_visit *visit, const struct workload *workload,
                      unsigned thread)
{
    uint64_t objects = workload->objects / workload->threads;
    struct part *part = &visit->parts[thread];
    part->visit = visit;
    part->thread = thread;
    part->threads = workload->threads;
    part->random = UINT64_C(0x9E3779B97F4A7C15) * (thread + 1);
    part->target = objects / visit->model->item_blocks + 1;
    part->churns = CHURN_SHARE * objects / visit->model->churn_events + 1;
    part->items.stride = visit->model->stride;
    part->others.stride = 1;
    visit->all_steps += 2 * part->target + part->churns;
}

struct workload_visit *workload_visit_create(const struct workload *workload)
{
    struct workload_visit *visit = memory_alloc(1, sizeof(*visit));
    visit->model = &models[workload->kind];
    visit->threads = workload->threads;
    for (unsigned thread = 0; thread < workload->threads; thread++)
        init_part(visit, workload, thread);
    return visit;
}

/* False: this thread is done. */
static bool take_step(const struct model *model, struct part *part)
{
    if (part->added < part->target) {
        part->added++;
        model->add(part);
    } else if (part->churned < part->churns) {
        part->churned++;
        model->churn(part);
    } else {
        return model->drop(part);
    }
    return true;
}

static bool make_more(struct workload_visit *visit)
{
    visit->made_count = 0;
    visit->yielded = 0;
    for (unsigned idle = 0; idle < visit->threads && visit->made_count == 0;) {
        struct part *part = &visit->parts[visit->turn];
        visit->turn = (visit->turn + 1) % visit->threads;
        idle = take_step(visit->model, part) ? 0 : idle + 1;
        visit->steps++;
    }
    return visit->made_count != 0;
}

static void add_up(struct trace_totals *totals, const struct trace_event *event)
{
    totals->events++;
    totals->allocs += event->kind == TRACE_EVENT_ALLOC;
    totals->frees += event->kind == TRACE_EVENT_FREE;
    totals->reallocs += event->kind == TRACE_EVENT_REALLOC;
    totals->live_bytes += event->size - event->old_size;
    totals->live_objects += (event->object != 0) - (uint64_t)(event->old_object != 0);
    if (event->object != 0)
        totals->objects = event->object;
    if (totals->live_bytes <= totals->peak_bytes)
        return;
    totals->peak_bytes = totals->live_bytes;
    totals->peak_event = totals->events;
}

bool workload_visit_next(struct workload_visit *visit, struct trace_event *event)
{
    if (visit->yielded == visit->made_count && !make_more(visit))
        return false;
    *event = visit->made[visit->yielded++];
    add_up(&visit->totals, event);
    event->time_ns = visit->totals.events * EVENT_NS;
    visit->totals.threads = visit->threads;
    return true;
}

const struct trace_totals *workload_visit_totals(const struct workload_visit *visit)
{
    return &visit->totals;
}

double workload_visit_progress(const struct workload_visit *visit)
{
    double share = (double)visit->steps / (double)visit->all_steps;
    return share < 1 ? share : 1;
}

void workload_visit_destroy(struct workload_visit *visit)
{
    for (unsigned thread = 0; thread < visit->threads; thread++) {
        free(visit->parts[thread].items.blocks);
        free(visit->parts[thread].others.blocks);
    }
    seats_fini(&visit->seats);
    free(visit->made);
    free(visit);
}
