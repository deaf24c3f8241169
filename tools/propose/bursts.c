/* bursts.c - see bursts.h */
#include "tools/propose/bursts.h"

#include <stdlib.h>
#include <string.h>

#include "tools/analysis/live.h"
#include "tools/trace/memory.h"

/* A scope in one thread, with the burst that is under way. */
struct state {
    uint32_t node;
    uint32_t callee; /* of its first birth, in the burst */
    bool has_branches;
    uint32_t born, died, tail, foreign; /* tail: deaths since its last birth */
    uint64_t bytes, first, last;
    struct burst_sums sums;   /* of bursts with branches, */
    struct burst_sums single; /* and of those that came through one call, right from there */
};

/* Of a thread. */
struct lane {
    uint32_t *state_of_node; /* + 1; 0: none yet */
    struct state *state;
    size_t states, capacity;
};

struct bursts {
    const struct trace *trace;
    struct live live; /* blocks; `site` is the node */
    size_t nodes;
    struct lane *lane; /* by thread */
    size_t lanes, lane_capacity;
    uint64_t births;
    uint32_t only;
    void (*show)(const struct burst *burst, uint32_t thread, void *context);
    void *context;
};

struct bursts *bursts_create(const struct trace *trace, uint32_t only,
                             void (*show)(const struct burst *burst, uint32_t thread,
                                          void *context),
                             void *context)
{
    struct bursts *bursts = memory_alloc(1, sizeof *bursts);
    bursts->trace = trace;
    bursts->nodes = trace_facts(trace)->nodes;
    bursts->only = only;
    bursts->show = show;
    bursts->context = context;
    live_init(&bursts->live);
    return bursts;
}

void bursts_destroy(struct bursts *bursts)
{
    for (size_t i = 0; i < bursts->lanes; i++) {
        free(bursts->lane[i].state_of_node);
        free(bursts->lane[i].state);
    }
    free(bursts->lane);
    live_fini(&bursts->live);
    free(bursts);
}

/* -- scopes ----------------------------------------------------------------------------------- */

static struct lane *find_lane(struct bursts *bursts, uint32_t thread)
{
    while (thread >= bursts->lanes) {
        bursts->lane = memory_grow(bursts->lane, bursts->lanes, &bursts->lane_capacity,
                                   sizeof bursts->lane[0]);
        bursts->lane[bursts->lanes++] = (struct lane){0};
    }
    struct lane *lane = &bursts->lane[thread];
    if (lane->state_of_node == NULL)
        lane->state_of_node = memory_alloc(bursts->nodes + 1, sizeof lane->state_of_node[0]);
    return lane;
}

static struct state *find_state(struct lane *lane, uint32_t node)
{
    uint32_t known = lane->state_of_node[node];
    if (known != 0)
        return &lane->state[known - 1];
    lane->state = memory_grow(lane->state, lane->states, &lane->capacity, sizeof lane->state[0]);
    lane->state[lane->states] = (struct state){.node = node};
    lane->state_of_node[node] = (uint32_t)++lane->states;
    return &lane->state[lane->states - 1];
}

/* -- bursts ----------------------------------------------------------------------------------- */

static bool is_over(const struct state *state)
{
    return state->born >= BURSTS_BLOCKS && state->tail >= state->born - state->born / 2;
}

static void end_burst(const struct bursts *bursts, struct state *state, uint32_t thread)
{
    const struct burst burst = {.first = state->first,
                                .last = state->last,
                                .blocks = state->born,
                                .bytes = state->bytes,
                                .together = state->tail,
                                .escaped = state->born - state->died + state->foreign};
    if (state->has_branches || state->callee == 0) {
        struct burst_sums *sums = state->has_branches ? &state->sums : &state->single;
        sums->bursts++;
        sums->blocks += burst.blocks;
        sums->bytes += burst.bytes;
        sums->together += burst.together;
        sums->escaped += burst.escaped;
        if (burst.bytes > sums->most_bytes)
            sums->most_bytes = burst.bytes;
        if (bursts->show != NULL)
            bursts->show(&burst, thread, bursts->context);
    }
    state->born = state->died = state->tail = state->foreign = 0;
    state->bytes = 0;
    state->has_branches = false;
}

static void add_birth(const struct bursts *bursts, struct state *state,
                      const struct trace_event *event, uint32_t callee)
{
    if (is_over(state))
        end_burst(bursts, state, event->thread);
    if (state->born++ == 0) {
        state->first = event->object;
        state->callee = callee;
    }
    state->has_branches |= callee != state->callee;
    state->last = event->object;
    state->bytes += event->size;
    state->tail = 0;
    state->sums.births++;
    state->single.births++;
}

static void add_death(struct state *state, const struct block *block, uint32_t thread)
{
    if (state->born == 0 || block->object < state->first)
        return; /* of an earlier burst: it escaped */
    state->died++;
    state->tail++;
    state->foreign += thread != block->thread;
}

static void note_birth(struct bursts *bursts, const struct trace_event *event)
{
    struct lane *lane = find_lane(bursts, event->thread);
    live_insert(&bursts->live, event->seat,
                &(struct block){.object = event->object,
                                .bytes = event->size,
                                .birth_ns = event->time_ns,
                                .site = event->stack,
                                .thread = event->thread});
    bursts->births++;
    uint32_t callee = 0;
    for (uint32_t node = event->stack; node != 0; node = trace_node(bursts->trace, node).parent) {
        if (bursts->only == 0 || node == bursts->only)
            add_birth(bursts, find_state(lane, node), event, callee);
        callee = node;
    }
}

static void note_death(struct bursts *bursts, uint32_t seat, uint32_t thread)
{
    struct block block;
    if (!live_remove(&bursts->live, seat, &block))
        return;
    struct lane *lane = find_lane(bursts, block.thread);
    for (uint32_t node = block.site; node != 0; node = trace_node(bursts->trace, node).parent) {
        if (bursts->only == 0 || node == bursts->only)
            add_death(find_state(lane, node), &block, thread);
    }
}

void bursts_note(struct bursts *bursts, const struct trace_event *event)
{
    if (event->kind > TRACE_EVENT_REALLOC || (event->bits & TRACE_EVENT_IN_TXN) != 0)
        return;
    if (event->stale_object != 0)
        note_death(bursts, event->stale_seat, event->thread);
    if (event->old_object != 0)
        note_death(bursts, event->old_seat, event->thread);
    if (event->object != 0)
        note_birth(bursts, event);
}

void bursts_finish(struct bursts *bursts)
{
    for (size_t i = 0; i < bursts->lanes; i++) {
        for (size_t k = 0; k < bursts->lane[i].states; k++) {
            if (is_over(&bursts->lane[i].state[k]))
                end_burst(bursts, &bursts->lane[i].state[k], (uint32_t)i);
        }
    }
}

uint64_t bursts_births(const struct bursts *bursts)
{
    return bursts->births;
}

/* -- the choice ------------------------------------------------------------------------------- */

static void add_sums(struct burst_sums *sums, const struct burst_sums *more)
{
    sums->bursts += more->bursts;
    sums->births += more->births;
    sums->blocks += more->blocks;
    sums->bytes += more->bytes;
    sums->together += more->together;
    sums->escaped += more->escaped;
    sums->threads += more->bursts != 0;
    if (more->most_bytes > sums->most_bytes)
        sums->most_bytes = more->most_bytes;
}

static uint32_t depth_of(const struct bursts *bursts, uint32_t node)
{
    uint32_t depth = 0;
    for (; node != 0; node = trace_node(bursts->trace, node).parent)
        depth++;
    return depth;
}

static bool is_worth_it(const struct bursts *bursts, const struct burst_sums *sums)
{
    return sums->bursts >= BURSTS_LEAST && sums->escaped * 100 <= sums->blocks * BURSTS_ESCAPED &&
           sums->blocks * 100 >= sums->births * BURSTS_COVERED &&
           sums->blocks * 100 >= bursts->births * BURSTS_OF_ALL && sums->most_bytes <= BURSTS_BYTES;
}

/* By node, over all threads; `below` is a callee of one. `single`: of bursts through one call,
 * which is `below` itself. */
static struct burst_scope *sum_scopes(const struct bursts *bursts, bool single)
{
    struct burst_scope *all = memory_alloc(bursts->nodes + 1, sizeof *all);
    for (size_t i = 0; i < bursts->lanes; i++) {
        for (size_t k = 0; k < bursts->lane[i].states; k++) {
            const struct state *state = &bursts->lane[i].state[k];
            all[state->node].node = state->node;
            add_sums(&all[state->node].sums, single ? &state->single : &state->sums);
        }
    }
    for (uint32_t node = 1; node < bursts->nodes; node++) {
        all[trace_node(bursts->trace, node).parent].below = node;
        all[node].is_single = single;
    }
    for (uint32_t node = 1; single && node < bursts->nodes; node++)
        all[node].below = node;
    return all;
}

/* One of them is called by the other. */
static bool are_related(const struct bursts *bursts, uint32_t a, uint32_t b)
{
    uint32_t low = a > b ? a : b, high = a > b ? b : a; /* callers have smaller numbers */
    while (low > high)
        low = trace_node(bursts->trace, low).parent;
    return low == high;
}

/* Blocks that a transaction there could have. */
static uint64_t gain_of(const struct burst_scope *scope)
{
    return scope->sums.blocks - scope->sums.escaped;
}

/* The one that gains most; of those that it calls, and to which it adds nothing in half of the
 * bursts, the innermost. */
static const struct burst_scope *find_best(const struct bursts *bursts,
                                           const struct burst_scope *scopes, size_t count)
{
    const struct burst_scope *outer = &scopes[0];
    for (size_t i = 1; i < count; i++) {
        if (gain_of(&scopes[i]) > gain_of(outer))
            outer = &scopes[i];
    }
    const struct burst_scope *best = outer;
    for (size_t i = 0; i < count; i++) {
        uint64_t added = gain_of(outer) - gain_of(&scopes[i]);
        if (added < outer->sums.bursts - outer->sums.bursts / 2 && scopes[i].depth > best->depth &&
            are_related(bursts, scopes[i].node, outer->node))
            best = &scopes[i];
    }
    return best;
}

/* Hardly anything else is allocated under any of its callers: so none tells where a pile begins. */
static bool is_alone(const struct bursts *bursts, const uint64_t *births, uint32_t node)
{
    uint64_t most = births[node] * 100 / BURSTS_COVERED;
    for (uint32_t at = node; at != 0; at = trace_node(bursts->trace, at).parent) {
        if (births[at] > most)
            return false;
    }
    return true;
}

static size_t find_worthy(const struct bursts *bursts, struct burst_scope *all, bool single)
{
    uint64_t *births = memory_alloc(bursts->nodes + 1, sizeof *births);
    size_t count = 0;
    for (uint32_t node = 1; node < bursts->nodes; node++)
        births[node] = all[node].sums.births;
    for (uint32_t node = 1; node < bursts->nodes; node++) {
        if (!is_worth_it(bursts, &all[node].sums) || (single && !is_alone(bursts, births, node)))
            continue;
        all[count] = all[node]; /* count < node */
        all[count++].depth = depth_of(bursts, node);
    }
    free(births);
    return count;
}

static size_t drop_related(const struct bursts *bursts, struct burst_scope *scopes, size_t count,
                           uint32_t node)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!are_related(bursts, scopes[i].node, node))
            scopes[kept++] = scopes[i];
    }
    return kept;
}

/* Behind those that are chosen already. */
static size_t choose(const struct bursts *bursts, bool single, struct burst_scope *scopes,
                     size_t chosen, size_t most)
{
    struct burst_scope *all = sum_scopes(bursts, single);
    size_t count = find_worthy(bursts, all, single);
    for (size_t i = 0; i < chosen; i++)
        count = drop_related(bursts, all, count, scopes[i].node);
    while (count > 0 && chosen < most) {
        scopes[chosen] = *find_best(bursts, all, count);
        count = drop_related(bursts, all, count, scopes[chosen].node);
        chosen++;
    }
    free(all);
    return chosen;
}

size_t bursts_choose(struct bursts *bursts, struct burst_scope *scopes, size_t most)
{
    size_t chosen = choose(bursts, false, scopes, 0, most);
    return choose(bursts, true, scopes, chosen, most);
}
