/* trace_threads.c - see trace_threads.h */
#include "tests/unit/trace_threads.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MOST = 64, ADDRESSES = 1 << 16, DEPOT_MOST = 1 << 14 };

enum todo { IDLE, TAKEN, DRAW_BIRTH, RECORD_BIRTH, DRAWN, DRAW_DEATH, GIVE, PUSH, END_DRAWN };

struct object {
    uint64_t number;
    uint64_t address;
    unsigned maker;
};

struct thread {
    uint64_t rounds[ROUNDS_MOST + 1];
    unsigned count;
    enum todo todo;
    uint64_t address;   /* allocated, not yet recorded */
    uint64_t freed;     /* recorded as freed, not yet in the magazine; 0: none */
    bool is_realloc;    /* the birth at hand is that of a realloc */
    struct object old;  /* what it replaces */
    struct object born; /* recorded, not yet in the program's hands; number 0: none */
    uint64_t tid;
};

struct model {
    const struct threads_plan *plan;
    struct builder *builder;
    struct threads_truth *truth;
    uint64_t random;
    uint64_t tids;
    uint64_t fresh; /* next address never used */
    struct thread threads[64];
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

/* Takes rounds from the depot, or new ones; the epoch is drawn in a later step. */
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

static void begin_birth(struct model *model, struct thread *thread)
{
    if (thread->count == 0) {
        refill(model, thread);
        thread->todo = TAKEN;
        return;
    }
    thread->address = thread->rounds[--thread->count];
    thread->todo = model->plan->every ? DRAW_BIRTH : RECORD_BIRTH;
}

static enum todo after_death(const struct model *model)
{
    return model->plan->every ? DRAW_DEATH : PUSH;
}

/* The call returns: the program has the object. */
static void publish(struct model *model, struct thread *thread)
{
    if (thread->born.number != 0)
        model->live[model->live_count++] = thread->born;
    thread->born.number = 0;
}

static void record_birth(struct model *model, struct thread *thread, unsigned lane)
{
    uint64_t number = ++model->truth->objects;
    if (thread->is_realloc) {
        builder_realloc(model->builder, lane, thread->old.address, thread->address, number, 0);
        note_death(model->truth, lane, thread->old.number);
        thread->freed = thread->old.address == thread->address ? 0 : thread->old.address;
    } else {
        builder_alloc(model->builder, lane, thread->address, number, 0, 0, 0);
    }
    bool is_draw_due = thread->is_realloc && model->plan->every;
    thread->is_realloc = false;
    model->truth->alive[number] = thread->address;
    thread->born = (struct object){number, thread->address, lane};
    if (!is_draw_due)
        publish(model, thread);
    thread->todo = thread->freed != 0 || is_draw_due ? after_death(model) : IDLE;
}

static void push(struct model *model, struct thread *thread, unsigned lane)
{
    if (thread->freed == 0) {
        thread->todo = IDLE;
        return;
    }
    if (thread->count >= model->plan->rounds) {
        builder_sync(model->builder, lane);
        thread->todo = GIVE;
        return;
    }
    thread->rounds[thread->count++] = thread->freed;
    thread->freed = 0;
    thread->todo = IDLE;
}

static void give(struct model *model, struct thread *thread, unsigned keep)
{
    while (thread->count > keep)
        model->depot[model->depot_count++] = thread->rounds[--thread->count];
}

static void end_thread(struct model *model, struct thread *thread, unsigned lane)
{
    give(model, thread, 0);
    builder_thread(model->builder, lane, TRACE_THREAD_END, 0, NULL);
    thread->tid = ++model->tids;
    builder_thread(model->builder, lane, TRACE_THREAD_START, thread->tid, NULL);
    thread->todo = IDLE;
}

static void begin_operation(struct model *model, struct thread *thread, unsigned lane)
{
    if (roll(model, 10000) < model->plan->end_thread) {
        builder_sync(model->builder, lane);
        thread->todo = END_DRAWN;
        return;
    }
    unsigned chance = 30 + 40 * (model->live_count < model->plan->live_most / 2);
    if (model->live_count == 0 ||
        (model->live_count < model->plan->live_most && roll(model, 100) < chance)) {
        begin_birth(model, thread);
        return;
    }
    struct object object = take_live(model, lane);
    unsigned kind = roll(model, 100);
    if (kind < 90) {
        builder_free(model->builder, lane, object.address);
        note_death(model->truth, lane, object.number);
        thread->freed = object.address;
        thread->todo = after_death(model);
        return;
    }
    thread->is_realloc = true;
    thread->old = object;
    thread->address = object.address;
    if (kind < 95)
        thread->todo = model->plan->every ? DRAW_BIRTH : RECORD_BIRTH; /* in place */
    else
        begin_birth(model, thread);
}

static void step(struct model *model, unsigned index)
{
    struct thread *thread = &model->threads[index];
    unsigned lane = index + TRACE_LANE_EVENTS;
    switch (thread->todo) {
    case IDLE:
        begin_operation(model, thread, lane);
        break;
    case TAKEN:
        builder_sync(model->builder, lane);
        thread->todo = DRAWN;
        break;
    case DRAWN:
        begin_birth(model, thread);
        break;
    case RECORD_BIRTH:
        record_birth(model, thread, lane);
        break;
    case DRAW_BIRTH:
        builder_sync(model->builder, lane);
        thread->todo = RECORD_BIRTH;
        break;
    case DRAW_DEATH:
        builder_sync(model->builder, lane);
        publish(model, thread);
        thread->todo = PUSH;
        break;
    case GIVE:
        give(model, thread, model->plan->rounds / 2);
        thread->todo = PUSH;
        break;
    case PUSH:
        push(model, thread, lane);
        break;
    case END_DRAWN:
        end_thread(model, thread, lane);
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
        model->threads[i].tid = ++model->tids;
        builder_thread(builder, i + TRACE_LANE_EVENTS, TRACE_THREAD_START, model->threads[i].tid,
                       NULL);
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
