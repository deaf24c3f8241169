/* trace_threads.c - see trace_threads.h */
#include "tests/unit/trace_threads.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MOST = 64, DEPOT_MOST = 1 << 14, CELLS = 64 };

enum todo { IDLE, TAKEN, TAKE, DRAW, RECORD, PUSH };
enum kind { ALLOC, FREE, REALLOC };

struct object {
    uint64_t number;
    uint64_t address;
    unsigned maker;
};

struct thread {
    uint64_t rounds[ROUNDS_MOST + 1];
    unsigned count;
    enum todo todo;
    enum kind kind;    /* of the operation at hand */
    struct object old; /* what it frees */
    uint64_t address;  /* what it allocated */
    uint64_t freed;    /* recorded as freed, not yet in the magazine; 0: none */
};

/* Who was born last among the addresses of a cell. Few cells: many are overwritten. */
struct cell {
    uint64_t address;
    unsigned lane;
};

struct model {
    const struct threads_plan *plan;
    struct builder *builder;
    struct threads_truth *truth;
    uint64_t random;
    uint64_t tids;
    uint64_t fresh; /* next address never used */
    struct thread threads[64];
    struct cell cells[CELLS];
    uint64_t depot[DEPOT_MOST];
    unsigned depot_count;
    struct object *live;
    unsigned live_count;
};

static unsigned roll(struct model *model, unsigned below)
{
    model->random = model->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)((model->random >> 33) % below);
}

static void note_death(struct threads_truth *truth, unsigned lane, uint64_t number)
{
    if (truth->count[lane] == truth->capacity[lane]) {
        truth->capacity[lane] = truth->capacity[lane] * 2 + 64;
        truth->killed[lane] =
            realloc(truth->killed[lane], truth->capacity[lane] * sizeof(*truth->killed[lane]));
    }
    truth->killed[lane][truth->count[lane]++] = number;
    truth->alive[number] = 0;
}

/* Takes rounds from the depot, or new ones; the epoch is drawn in a later step (S1). */
static void refill(struct model *model, struct thread *thread)
{
    unsigned wanted = 1 + roll(model, model->plan->rounds);
    while (thread->count < wanted)
        thread->rounds[thread->count++] =
            model->depot_count > 0 ? model->depot[--model->depot_count] : (model->fresh += 16);
}

static struct object take_live(struct model *model, unsigned lane)
{
    unsigned index = roll(model, model->live_count);
    if (roll(model, 100) >= model->plan->foreign) {
        for (unsigned i = 0; i < model->live_count; i++) { /* an own one, if there is any */
            unsigned at = (index + i) % model->live_count;
            if (model->live[at].maker == lane) {
                index = at;
                break;
            }
        }
    }
    struct object object = model->live[index];
    model->live[index] = model->live[--model->live_count];
    return object;
}

/* -- steps ------------------------------------------------------------------------------------ */

static struct cell *cell_of(struct model *model, uint64_t address)
{
    return &model->cells[address / 16 % CELLS];
}

static void begin_operation(struct model *model, struct thread *thread)
{
    const struct threads_plan *plan = model->plan;
    unsigned lane = (unsigned)(thread - model->threads) + TRACE_LANE_EVENTS;
    unsigned chance = 30 + 40 * (model->live_count < plan->live_most / 2);
    bool is_birth = model->live_count == 0 ||
                    (model->live_count < plan->live_most && roll(model, 100) < chance);
    unsigned choice = roll(model, 100);
    bool is_in_place = !is_birth && choice >= 95;
    thread->kind = is_birth ? ALLOC : choice < 90 ? FREE : REALLOC;
    if (!is_birth)
        thread->old = take_live(model, lane);
    if (is_in_place)
        thread->address = thread->old.address;
    thread->todo = thread->kind == FREE || is_in_place ? DRAW : TAKE;
}

static void take(struct model *model, struct thread *thread)
{
    if (thread->count == 0) {
        refill(model, thread);
        thread->todo = TAKEN;
        return;
    }
    thread->address = thread->rounds[--thread->count];
    thread->todo = DRAW;
}

/* S2; and more draws now and then. */
static void draw(struct model *model, struct thread *thread, unsigned lane)
{
    const struct cell *cell = cell_of(model, thread->old.address);
    bool is_foreign = cell->address != thread->old.address || cell->lane != lane;
    if (model->plan->every || (thread->kind != ALLOC && is_foreign) || roll(model, 64) == 0)
        builder_sync(model->builder, lane);
    thread->todo = RECORD;
}

static void record_birth(struct model *model, struct thread *thread, unsigned lane)
{
    uint64_t number = ++model->truth->objects;
    if (thread->kind == REALLOC)
        builder_realloc(model->builder, lane, thread->old.address, thread->address, number, 0);
    else
        builder_alloc(model->builder, lane, thread->address, number, 0, 0, 0);
    model->truth->alive[number] = thread->address;
    *cell_of(model, thread->address) = (struct cell){thread->address, lane};
    model->live[model->live_count++] = (struct object){number, thread->address, lane};
}

static void record(struct model *model, struct thread *thread, unsigned lane)
{
    bool is_in_place = thread->kind == REALLOC && thread->address == thread->old.address;
    if (thread->kind == FREE)
        builder_free(model->builder, lane, thread->old.address);
    else
        record_birth(model, thread, lane);
    if (thread->kind != ALLOC)
        note_death(model->truth, lane, thread->old.number);
    thread->freed = thread->kind == ALLOC || is_in_place ? 0 : thread->old.address;
    thread->todo = PUSH;
}

static void give(struct model *model, struct thread *thread, unsigned keep)
{
    while (thread->count > keep)
        model->depot[model->depot_count++] = thread->rounds[--thread->count];
}

/* Giving draws nothing. */
static void push(struct model *model, struct thread *thread)
{
    thread->todo = IDLE;
    if (thread->freed == 0)
        return;
    if (thread->count >= model->plan->rounds)
        give(model, thread, model->plan->rounds / 2);
    thread->rounds[thread->count++] = thread->freed;
}

static void end_thread(struct model *model, struct thread *thread, unsigned lane)
{
    give(model, thread, 0);
    builder_thread(model->builder, lane, TRACE_THREAD_END, 0, NULL);
    builder_thread(model->builder, lane, TRACE_THREAD_START, ++model->tids, NULL);
}

static void step(struct model *model, unsigned index)
{
    struct thread *thread = &model->threads[index];
    unsigned lane = index + TRACE_LANE_EVENTS;
    switch (thread->todo) {
    case IDLE:
        if (roll(model, 10000) < model->plan->end_thread)
            end_thread(model, thread, lane);
        else
            begin_operation(model, thread);
        break;
    case TAKEN:
        builder_sync(model->builder, lane);
        thread->todo = TAKE;
        break;
    case TAKE:
        take(model, thread);
        break;
    case DRAW:
        draw(model, thread, lane);
        break;
    case RECORD:
        record(model, thread, lane);
        break;
    case PUSH:
        push(model, thread);
        break;
    }
}

/* Lets every thread finish what it is in the middle of. */
static void settle(struct model *model)
{
    for (unsigned i = 0; i < model->plan->lanes; i++) {
        while (model->threads[i].todo != IDLE)
            step(model, i);
    }
}

void threads_record(const struct threads_plan *plan, struct builder *builder,
                    struct threads_truth *truth)
{
    struct model *model = calloc(1, sizeof(*model));
    model->plan = plan;
    model->builder = builder;
    model->truth = truth;
    model->random = plan->seed;
    model->fresh = 0x10000;
    model->live = calloc(plan->live_most + 2 * plan->lanes + 1, sizeof(*model->live));
    memset(truth, 0, sizeof(*truth));
    truth->alive = calloc((size_t)plan->steps + 1000, sizeof(*truth->alive));
    for (unsigned i = 0; i < plan->lanes; i++) {
        builder_thread(builder, i + TRACE_LANE_EVENTS, TRACE_THREAD_START, ++model->tids, NULL);
    }
    for (unsigned i = 0; i < plan->steps;) {
        unsigned index = roll(model, plan->lanes);
        for (unsigned burst = 1 + roll(model, 20); burst > 0; burst--, i++)
            step(model, index);
    }
    settle(model);
    free(model->live);
    free(model);
}

void threads_truth_fini(struct threads_truth *truth)
{
    for (unsigned i = 0; i < BUILDER_LANES; i++)
        free(truth->killed[i]);
    free(truth->alive);
}
