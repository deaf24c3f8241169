/* unwind.c - memoised exact unwinding: most of a call stack is what it was at the last event.
 *
 * The thread remembers its last stack. A walk steps outward from the caller by the rules of the
 * addresses it meets, until it stands in a frame that is remembered (same ip, sp and bp). If the
 * return addresses and frame pointers saved by all older frames are still in memory as they were,
 * then by induction on the rules those frames are unchanged, and their nodes are reused; where one
 * differs, the walk goes on from there.
 *
 *     remembered  [0] outermost ... [kept-1] | inner frames that are gone
 *                      verified in memory    |
 *     this event  ............................ [fresh] stepped frames, innermost first
 *
 * W1  frame[i - 1] is the caller of frame[i]; frame[0] has no known caller if is_whole, else the
 *     depth cut the rest off
 * W2  frame[i].node is the node of ip[i] under frame[i - 1].node; frame[0]'s is a root
 * W3  every slot that verify() loads was read through memory_read when its frame was remembered */
#include "tracer/unwind.h"

#include <stddef.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "tracer/lane.h"
#include "tracer/own_stack.h"
#include "tracer/learn.h"
#include "tracer/memory.h"
#include "tracer/rules.h"
#include "tracer/stacks.h"

enum {
    WALK_DEPTH = 256,
    WALK_STEPS = 8, /* remembered steps that libunwind had to make; a stack rarely has two */
    WALK_CACHED = 256,
};

/* What the shared tables said lately, in slots by address: they are too big for the first cache. */
struct cached_rule {
    uintptr_t ip; /* a return address; 0: empty */
    struct rule rule;
};

struct cached_node {
    uintptr_t ip; /* a return address; 0: empty */
    uint32_t parent;
    uint32_t node;
};

struct frame {
    struct registers at;
    uintptr_t bp_slot; /* where the caller's bp is saved; 0: it is unchanged */
    uint32_t node;
    bool is_opaque; /* left by libunwind: no slots to verify */
};

/* One thread's memory; lives with the lane. */
struct walk {
    uint32_t count;      /* frames remembered */
    uint32_t generation; /* of the rules they came from */
    bool is_whole;       /* W1 */
    uint32_t next_step;  /* the entry of step[] that is replaced next */
    struct memory memory;
    struct real_step step[WALK_STEPS];
    struct cached_rule rule[WALK_CACHED];
    struct cached_node node[WALK_CACHED];
    struct frame frame[WALK_DEPTH]; /* outermost first */
    struct frame fresh[WALK_DEPTH]; /* innermost first; of the walk going on */
};

void walk_forget(struct walk *walk)
{
    if (walk == NULL)
        return;
    walk->count = 0;
    memset(&walk->memory, 0, sizeof(walk->memory));
    memset(walk->step, 0, sizeof(walk->step));
    memset(walk->rule, 0, sizeof(walk->rule));
    memset(walk->node, 0, sizeof(walk->node));
}

void unwind_visit_memory(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context)
{
    for (const struct lane *lane = lane_newest(); lane != NULL; lane = lane->next) {
        if (lane->walk != NULL)
            visit((uintptr_t)lane->walk, (uintptr_t)(lane->walk + 1), context);
    }
    own_stack_visit(visit, context);
}

static struct walk *walk_of(struct lane *lane)
{
    if (MP_UNLIKELY(lane->walk == NULL))
        lane->walk = os_map(round_up(sizeof(struct walk), os_page_bytes()));
    struct walk *walk = lane->walk;
    if (walk != NULL && walk->generation != rules_generation()) {
        walk_forget(walk);
        walk->generation = rules_generation();
    }
    return walk;
}

/* -- one step --------------------------------------------------------------------------------- */

static bool is_same(const struct registers *a, const struct registers *b)
{
    return a->ip == b->ip && a->sp == b->sp && a->bp == b->bp && a->ip_is_exact == b->ip_is_exact;
}

/* True when libunwind would do now what it did then: it read the same words. */
static bool is_still_right(struct walk *walk, const struct real_step *step)
{
    uint64_t value;
    if (step->reads > LEARN_READS)
        return false;
    for (uint32_t i = 0; i < step->reads; i++)
        if (!memory_read(&walk->memory, step->address[i], &value) || value != step->value[i])
            return false;
    return step->to.ip != 0;
}

static bool step_by_libunwind(struct walk *walk, struct registers *at)
{
    for (size_t i = 0; i < WALK_STEPS; i++) {
        if (is_same(&walk->step[i].from, at) && is_still_right(walk, &walk->step[i])) {
            *at = walk->step[i].to;
            return true;
        }
    }
    struct real_step *step = &walk->step[walk->next_step++ % WALK_STEPS];
    memset(step, 0, sizeof(*step));
    step->from = *at;
    if (!learn_step(step))
        return false;
    *at = step->to;
    return true;
}

/* A stack grows down: the caller's part of it lies above. */
static bool step_by_rule(struct walk *walk, const struct rule *rule, struct frame *frame,
                         struct registers *at)
{
    uintptr_t base = rule->cfa_from_bp ? at->bp : at->sp;
    uintptr_t cfa = base + (uintptr_t)(intptr_t)rule->cfa_offset;
    uint64_t ip;
    uint64_t bp = at->bp;
    if (cfa <= at->sp || !memory_read(&walk->memory, cfa - 8, &ip) || ip == 0)
        return false;
    frame->bp_slot = rule->bp_is_saved ? cfa + (uintptr_t)(intptr_t)rule->bp_offset : 0;
    if (rule->bp_is_saved && !memory_read(&walk->memory, frame->bp_slot, &bp))
        return false;
    *at = (struct registers){.ip = ip, .sp = cfa, .bp = bp};
    return true;
}

static inline size_t slot_of(uintptr_t ip, uint32_t parent)
{
    return ((ip + parent) * UINT64_C(0x9E3779B97F4A7C15)) >> 56;
}

_Static_assert(WALK_CACHED == 256, "slot_of has 8 bits");

static inline struct rule find_rule(struct walk *walk, const struct registers *at)
{
    struct cached_rule *cached = &walk->rule[slot_of(at->ip, 0)];
    if (MP_LIKELY(cached->ip == at->ip && !at->ip_is_exact))
        return cached->rule;
    struct rule rule = rules_find(at->ip, at->ip_is_exact);
    if (rule.kind == FRAME_SIMPLE && !at->ip_is_exact)
        *cached = (struct cached_rule){at->ip, rule};
    return rule;
}

static inline uint32_t get_node(struct walk *walk, uint32_t parent, const struct registers *at)
{
    struct cached_node *cached = &walk->node[slot_of(at->ip, parent)];
    if (MP_LIKELY(cached->ip == at->ip && cached->parent == parent && !at->ip_is_exact))
        return cached->node;
    uint32_t node = stacks_get_node(parent, at->ip, at->ip_is_exact);
    if (node != 0 && !at->ip_is_exact)
        *cached = (struct cached_node){at->ip, parent, node};
    return node;
}

/* Notes the frame *at and moves *at to its caller. False: it has none that can be found. */
static bool step_out(struct walk *walk, struct frame *frame, struct registers *at)
{
    struct rule rule = find_rule(walk, at);
    *frame = (struct frame){.at = *at, .is_opaque = rule.kind == FRAME_OTHER};
    if (MP_LIKELY(rule.kind == FRAME_SIMPLE))
        return step_by_rule(walk, &rule, frame, at);
    return rule.kind == FRAME_OTHER && step_by_libunwind(walk, at);
}

/* -- what is remembered ----------------------------------------------------------------------- */

/* Drops the frames inside of *at; true when the innermost left is *at itself. On the way from an
 * alternate stack the order by address is broken: then less is found than could be. */
static bool find_remembered(const struct walk *walk, uint32_t *kept, const struct registers *at)
{
    while (*kept > 0 && walk->frame[*kept - 1].at.sp < at->sp)
        (*kept)--;
    return *kept > 0 && is_same(&walk->frame[*kept - 1].at, at);
}

/* The outermost frame that is proven to be as remembered, given that frame `from` is. */
MEMORY_UNCHECKED static uint32_t verify(const struct walk *walk, uint32_t from)
{
    uint32_t i = from;
    for (; i > 0; i--) {
        const struct frame *frame = &walk->frame[i];
        const struct registers *caller = &walk->frame[i - 1].at;
        if (frame->is_opaque || memory_load(caller->sp - 8) != caller->ip)
            break;
        if (frame->bp_slot != 0 && memory_load(frame->bp_slot) != caller->bp)
            break;
    }
    return i;
}

/* -- a walk ----------------------------------------------------------------------------------- */

struct progress {
    struct registers at; /* the frame that is looked at */
    uint32_t kept;       /* remembered frames that may still be right */
    uint32_t fresh;      /* frames in walk->fresh */
    uint32_t depth;      /* at most that many are wanted */
    bool is_whole;       /* the walk came to the end of the stack */
};

/* Takes remembered frames from progress->at outward as far as they are proven. True: all are, and
 * nothing more is needed; the frames [0, kept) are part of the stack. */
static bool reuse(struct walk *walk, struct progress *progress)
{
    uint32_t outermost = verify(walk, progress->kept - 1);
    bool is_enough = progress->fresh + progress->kept >= progress->depth;
    if (outermost == 0 && (walk->is_whole || is_enough)) {
        progress->is_whole = walk->is_whole;
        return true;
    }
    while (progress->kept - 1 > outermost && progress->fresh < progress->depth)
        walk->fresh[progress->fresh++] = walk->frame[--progress->kept];
    progress->at = walk->frame[progress->kept - 1].at;
    progress->kept--;
    return false;
}

static void collect(struct walk *walk, struct progress *progress)
{
    while (progress->fresh < progress->depth) {
        if (find_remembered(walk, &progress->kept, &progress->at) && reuse(walk, progress))
            return;
        if (progress->fresh == progress->depth)
            break;
        struct frame *frame = &walk->fresh[progress->fresh++];
        if (!step_out(walk, frame, &progress->at)) {
            progress->is_whole = true;
            break;
        }
    }
    progress->kept = 0;
}

/* Gives up the outermost frames that are too many: another frame is the root now. */
static void cut(struct walk *walk, struct progress *progress)
{
    uint32_t excess = progress->fresh + progress->kept - progress->depth;
    MP_ASSERT(excess <= progress->kept);
    progress->kept -= excess;
    memmove(walk->frame, walk->frame + excess, progress->kept * sizeof(struct frame));
    progress->is_whole = false;
    for (uint32_t i = 0; i < progress->kept; i++)
        walk->frame[i].node = 0;
}

/* Remembers the stack and gives every frame its node. False: a node could not be written. */
static bool remember(struct walk *walk, struct progress *progress)
{
    if (progress->fresh + progress->kept > progress->depth)
        cut(walk, progress);
    walk->is_whole = progress->is_whole;
    walk->count = progress->kept + progress->fresh;
    for (uint32_t i = progress->kept; i < walk->count; i++) {
        walk->frame[i] = walk->fresh[walk->count - 1 - i];
        walk->frame[i].node = 0;
    }
    uint32_t first = progress->kept;
    while (first > 0 && walk->frame[first - 1].node == 0)
        first--;
    uint32_t parent = first == 0 ? 0 : walk->frame[first - 1].node;
    for (uint32_t i = first; i < walk->count; i++) {
        parent = get_node(walk, parent, &walk->frame[i].at);
        walk->frame[i].node = parent;
        if (parent == 0) {
            walk->count = 0;
            return false;
        }
    }
    return true;
}

bool unwind(struct lane *lane, const struct tracer_caller *caller, unsigned depth, uint32_t *id)
{
    struct walk *walk = walk_of(lane);
    *id = 0;
    if (walk == NULL || caller->ip == 0)
        return true;
    MP_ASSERT(depth > 0 && depth <= WALK_DEPTH);
    struct progress progress = {
        .at = {.ip = caller->ip, .sp = caller->sp, .bp = caller->bp},
        .kept = walk->count,
        .depth = depth,
    };
    collect(walk, &progress);
    lane->walks++;
    lane->proven += progress.kept;
    lane->stepped += progress.fresh;
    if (!remember(walk, &progress))
        return false;
    *id = walk->frame[walk->count - 1].node;
    return true;
}

/* -- life ------------------------------------------------------------------------------------- */

bool unwind_init(void)
{
    return learn_init();
}

void walk_purge(struct walk *walk)
{
    os_purge(walk, round_up(sizeof(*walk), os_page_bytes()));
}

void unwind_forget_code(void)
{
    stacks_start_anew(); /* first: who sees new rules makes new roots */
    rules_forget();
}

void unwind_count(struct trace_costs *costs)
{
    learn_count(&costs->learned, &costs->by_libunwind);
}

void unwind_abandon(void)
{
    rules_abandon();
    learn_abandon();
}
