/* unwind.c - memoised exact unwinding: most of a call stack is what it was at the last event.
 *
 * The thread remembers its last stack. A walk steps outward from the caller by the rules of the
 * addresses it meets, until it stands in a frame that is remembered (same ip, sp and bp). If the
 * return addresses and frame pointers saved by all older frames are still in memory as they were,
 * then by induction on the rules those frames are unchanged, and their nodes are reused; where one
 * differs, the walk goes on from there.
 *
 *     remembered  [0] guard, [1] outermost ... kept | inner frames that are gone
 *                             verified in memory    |
 *     this event  ................................... [fresh] stepped frames, innermost first
 *
 * What was stepped until a remembered frame was met is kept by the call site it began at
 * (sites.h), where mostly nothing is stepped the next time. (115 instructions a stepped frame, 8 a
 * proven one.)
 *
 * In front of all that, walk_find (walk.h) sees by two comparisons of words whether the whole stack
 * is one it knows: the site's frames within remembered ones. */
#include "tracer/unwind.h"

#include <stddef.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "tracer/frame.h"
#include "tracer/lane.h"
#include "tracer/own_stack.h"
#include "tracer/learn.h"
#include "tracer/memory.h"
#include "tracer/rules.h"
#include "tracer/sites.h"
#include "tracer/stacks.h"
#include "tracer/turn.h"
#include "tracer/walk.h"

/* One of so many searches is timed: 50 ns where one takes 200. An odd number: two call sites in
 * turn must not have always the same one timed. */
enum { UNWIND_TIMED = 17 };

static void clear_frames(struct walk *walk)
{
    walk->count = 0;
    walk->frame[0].at.sp = UINTPTR_MAX;
    walk->frame[0].proofs = PROOFS_ASIDE;
    proofs_init(walk->proof);
}

uint32_t unwind_last(const struct lane *lane)
{
    const struct walk *walk = lane->walk;
    return walk != NULL ? walk->last : 0;
}

void walk_forget(struct walk *walk)
{
    if (walk == NULL)
        return;
    clear_frames(walk);
    walk->last = 0;
    memset(&walk->memory, 0, sizeof(walk->memory));
    memset(walk->step, 0, sizeof(walk->step));
    memset(walk->rule, 0, sizeof(walk->rule));
    memset(walk->node, 0, sizeof(walk->node));
    sites_forget(&walk->sites);
}

void unwind_visit_memory(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context)
{
    for (const struct lane *lane = lane_newest(); lane != NULL; lane = lane->next) {
        if (lane->walk != NULL)
            visit((uintptr_t)lane->walk, (uintptr_t)(lane->walk + 1), context);
    }
    own_stack_visit(visit, context);
}

static __attribute__((noinline)) struct walk *renew_walk(struct lane *lane, uint32_t generation)
{
    struct walk *walk = lane->walk;
    if (walk != NULL)
        walk_forget(walk);
    else if ((walk = os_map(round_up(sizeof(struct walk), os_page_bytes()))) == NULL)
        return NULL;
    clear_frames(walk);
    walk->generation = generation;
    lane->walk = walk;
    return walk;
}

static inline struct walk *walk_of(struct lane *lane)
{
    struct walk *walk = lane->walk;
    uint32_t generation = stacks_generation();
    if (MP_LIKELY(walk != NULL && walk->generation == generation))
        return walk;
    return renew_walk(lane, generation);
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
static inline bool step_by_rule(struct walk *walk, const struct rule *rule, struct frame *frame,
                                struct registers *at)
{
    uintptr_t base = rule->cfa_from_bp ? at->bp : at->sp;
    uintptr_t cfa = base + (uintptr_t)(intptr_t)rule->cfa_offset;
    uint64_t ip;
    if (cfa <= at->sp || !memory_read(&walk->memory, cfa - 8, &ip) || ip == 0)
        return false;
    if (rule->bp_is_saved) {
        uintptr_t slot = cfa + (uintptr_t)(intptr_t)rule->bp_offset;
        frame->bp_slot = (const uint64_t *)slot;
        if (!memory_read(&walk->memory, slot, &at->bp))
            return false;
    }
    at->ip = ip;
    at->sp = cfa;
    at->ip_is_exact = false;
    return true;
}

static inline size_t slot_of(uintptr_t ip, uint32_t parent)
{
    return ((ip + parent) * UINT64_C(0x9E3779B97F4A7C15)) >> 53;
}

_Static_assert(WALK_CACHED == 2048, "slot_of has 11 bits");

/* Cached ones are all simple. *own: room for others. */
static inline const struct rule *find_rule(struct walk *walk, const struct registers *at,
                                           struct rule *own)
{
    struct cached_rule *cached = &walk->rule[slot_of(at->ip, 0)];
    if (MP_LIKELY(cached->ip == at->ip && !at->ip_is_exact))
        return &cached->rule;
    *own = rules_find(at->ip, at->ip_is_exact);
    if (own->kind == FRAME_SIMPLE && !at->ip_is_exact)
        *cached = (struct cached_rule){at->ip, *own};
    return own;
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
static inline bool step_out(struct walk *walk, struct frame *frame, struct registers *at)
{
    struct rule own;
    const struct rule *rule = find_rule(walk, at, &own);
    frame->at = *at;
    frame->bp_slot = FRAME_BP_UNCHANGED;
    frame->uses_bp = rule->cfa_from_bp;
    if (MP_LIKELY(rule->kind == FRAME_SIMPLE))
        return step_by_rule(walk, rule, frame, at);
    frame->bp_slot = FRAME_BP_UNKNOWN;
    frame->uses_bp = true;
    return rule->kind == FRAME_OTHER && step_by_libunwind(walk, at);
}

struct progress {
    struct registers at; /* the frame that is looked at */
    struct frame *kept;  /* the innermost remembered one that may still be right, or the guard */
    uint32_t fresh;      /* frames in walk->fresh */
    uint32_t known;      /* of these, proven in a site */
    uint32_t depth;      /* at most that many are wanted */
    bool is_whole;       /* the walk came to the end of the stack */
};

static inline uint32_t count_kept(const struct walk *walk, const struct progress *progress)
{
    return (uint32_t)(progress->kept - walk->frame);
}

/* Drops the frames inside of the one that is looked at; true when the innermost left is that one.
 * On the way from an alternate stack the order by address is broken: then less is found than could
 * be. */
static inline bool find_remembered(struct progress *progress)
{
    struct frame *kept = progress->kept;
    while (kept->at.sp < progress->at.sp)
        kept--;
    progress->kept = kept;
    return frame_is_at(kept, &progress->at);
}

/* -- a walk ----------------------------------------------------------------------------------- */

/* All from there outward, given that this one is. */
static inline bool is_proven(struct walk *walk, const struct frame *frame)
{
    return proofs_hold(walk->proof, frame->proofs);
}

/* Takes remembered frames from progress->at outward as far as they are proven. True: all are, and
 * nothing more is needed; the frames up to `kept` are part of the stack. */
static bool reuse(struct walk *walk, struct progress *progress)
{
    bool is_enough = progress->fresh + count_kept(walk, progress) >= progress->depth;
    if (MP_LIKELY((walk->is_whole || is_enough) && is_proven(walk, progress->kept))) {
        progress->is_whole = walk->is_whole;
        return true;
    }
    progress->kept->at.bp = progress->at.bp;
    const struct frame *outermost = frame_refresh(progress->kept);
    while (progress->kept > outermost && progress->fresh < progress->depth)
        walk->fresh[progress->fresh++] = *progress->kept--;
    progress->at = progress->kept->at;
    progress->kept--;
    return false;
}

static void collect(struct walk *walk, struct progress *progress)
{
    while (progress->fresh < progress->depth) {
        if (find_remembered(progress) && reuse(walk, progress))
            return;
        if (progress->fresh == progress->depth)
            break;
        struct frame *frame = &walk->fresh[progress->fresh++];
        if (!step_out(walk, frame, &progress->at)) {
            progress->is_whole = true;
            break;
        }
    }
    progress->kept = walk->frame;
}

/* Gives up the outermost frames that are too many: another frame is the root now. */
static void cut(struct walk *walk, struct progress *progress)
{
    uint32_t kept = count_kept(walk, progress);
    uint32_t excess = progress->fresh + kept - progress->depth;
    MP_ASSERT(excess <= kept);
    for (uint32_t i = 1; i <= kept - excess; i++) {
        walk->frame[i] = walk->frame[i + excess];
        walk->frame[i].node = 0;
        if (i == 1)
            frame_make_outermost(&walk->frame[1]);
        else
            frame_prove(&walk->frame[i], walk->proof);
    }
    progress->kept -= excess;
    progress->is_whole = false;
}

/* Gives the frames behind `frame` up to `last` their nodes. False: one could not be written. */
static inline bool name_frames(struct walk *walk, struct frame *frame, const struct frame *last)
{
    uint32_t parent = frame->node; /* the guard's is 0 */
    while (frame < last) {
        frame++;
        parent = frame->node = get_node(walk, parent, &frame->at);
        if (MP_UNLIKELY(parent == 0))
            return false;
    }
    return true;
}

/* Remembers the stack and gives every frame its node. False: a node could not be written. */
static inline bool remember(struct walk *walk, struct progress *progress)
{
    if (MP_UNLIKELY(progress->fresh + count_kept(walk, progress) > progress->depth))
        cut(walk, progress);
    walk->is_whole = progress->is_whole;
    struct frame *named = progress->kept;
    while (named > walk->frame && named->node == 0)
        named--;
    struct frame *last = progress->kept;
    for (uint32_t i = progress->fresh; i > 0; i--) {
        frame_put(++last, &walk->fresh[i - 1], walk->proof);
        if (MP_UNLIKELY(last == &walk->frame[1]))
            frame_make_outermost(last);
    }
    bool is_named = name_frames(walk, named, last);
    walk->count = is_named ? (uint32_t)(last - walk->frame) : 0;
    return is_named;
}

/* -- call sites -------------------------------------------------------------------------------- */

/* True: the stack is the site's frames, and within remembered ones that are all proven. Else the
 * site's are in walk->fresh. */
static inline bool revisit(struct walk *walk, struct site *site, struct progress *progress)
{
    struct frame *join = &site->frame[1];
    struct frame *last = join + site->count;
    last->at.bp = progress->at.bp;
    progress->at = join->at;
    progress->fresh = progress->known = site->count;
    if (MP_LIKELY(find_remembered(progress) && walk->is_whole &&
                  (!progress->kept->needs_bp || join->needs_bp) &&
                  site->count + count_kept(walk, progress) <= progress->depth &&
                  is_proven(walk, progress->kept)))
        return true;
    (void)frame_refresh(last);
    progress->fresh = 0;
    while (last > join && progress->fresh < progress->depth)
        walk->fresh[progress->fresh++] = *last--;
    progress->known = progress->fresh;
    progress->at = last->at;
    return false;
}

/* The remembered stack stays as it is, also what is inside of the frame that was met: it is of an
 * older stack, and may be there again. False: a node could not be written. */
static inline bool name_site(struct walk *walk, struct site *site, const struct frame *kept)
{
    struct frame *join = &site->frame[1];
    if (join->node != kept->node) {
        join->node = kept->node;
        if (!name_frames(walk, join, join + site->count)) {
            site->ip = 0;
            return false;
        }
    }
    site_join(site, kept, (uint32_t)(kept - walk->frame));
    return true;
}

static void count_walk(struct lane *lane, const struct walk *walk, const struct progress *progress)
{
    lane->walks++;
    lane->proven += count_kept(walk, progress) + progress->known;
    lane->stepped += progress->fresh - progress->known;
}

static bool find_stack(struct lane *lane, struct walk *walk, const struct tracer_caller *caller,
                       unsigned depth, uint32_t *id)
{
    MP_ASSERT(depth > 0 && depth <= WALK_DEPTH);
    walk->frame[0].at.sp = UINTPTR_MAX; /* also when a signal's walk was purged under it */
    struct progress progress = {
        .at = {.ip = caller->ip, .sp = caller->sp, .bp = caller->bp},
        .kept = walk->frame + walk->count,
        .depth = depth,
    };
    struct site *site = sites_find(&walk->sites, &progress.at);
    if (site == NULL)
        site = sites_choose(&walk->sites, &progress.at);
    else if (revisit(walk, site, &progress)) {
        count_walk(lane, walk, &progress);
        bool is_named = name_site(walk, site, progress.kept);
        *id = site->node;
        return is_named;
    }
    collect(walk, &progress);
    count_walk(lane, walk, &progress);
    if (!remember(walk, &progress))
        return false;
    if (progress.kept != walk->frame)
        site_set(site, progress.kept, count_kept(walk, &progress), walk->fresh, progress.fresh);
    *id = walk->last = walk->frame[walk->count].node;
    return true;
}

/* One that the short way did not know. False: it could not be written. */
static bool search(struct lane *lane, struct walk *walk, const struct tracer_caller *caller,
                   unsigned depth, uint32_t *id)
{
    while (MP_UNLIKELY(!find_stack(lane, walk, caller, depth, id))) {
        if (walk->generation == stacks_generation())
            return false;
        (void)walk_of(lane); /* the tree began anew under the walk */
    }
    return true;
}

static bool search_timed(struct lane *lane, struct walk *walk, const struct tracer_caller *caller,
                         unsigned depth, uint32_t *id)
{
    uint64_t begun_ns = os_time_ns();
    bool is_found = search(lane, walk, caller, depth, id);
    turn_note_time(lane, &lane->timed.searched, lane->searched, os_time_ns() - begun_ns);
    return is_found;
}

bool unwind(struct lane *lane, const struct tracer_caller *caller, unsigned depth, uint32_t *id)
{
    struct walk *walk = walk_of(lane);
    *id = 0;
    if (walk == NULL || caller->ip == 0)
        return true;
    if (MP_LIKELY(walk_find(lane, walk, caller, depth, id)))
        return true;
    if (MP_UNLIKELY(++lane->searched % UNWIND_TIMED == 0))
        return search_timed(lane, walk, caller, depth, id);
    return search(lane, walk, caller, depth, id);
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
    stacks_start_anew(); /* who forgot between the two has old rules again */
}

void unwind_count(struct trace_costs *costs)
{
    costs->learned = rules_count();
    costs->by_libunwind = learn_count_steps();
}

void unwind_abandon(void)
{
    rules_abandon();
    learn_abandon();
}
