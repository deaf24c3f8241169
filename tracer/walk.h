/* walk.h - what a thread remembers of its call stacks, and the short way from a caller to the id of
 * one that it knows. All else is unwind.c.
 *
 * W1  frame[1] has no known caller if is_whole, else the depth cut the rest off
 * W2  frame[i].node is the node of ip[i] under frame[i - 1].node; frame[1]'s is a root
 * W3  every slot that is loaded to prove a frame was read through memory_read when it was
 *     remembered */
#ifndef MPRESS_TRACER_WALK_H
#define MPRESS_TRACER_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "tracer/frame.h"
#include "tracer/lane.h"
#include "tracer/learn.h"
#include "tracer/memory.h"
#include "tracer/rules.h"
#include "tracer/sites.h"
#include "tracer/stacks.h"
#include "tracer/tracer.h"

enum {
    WALK_DEPTH = 256,
    WALK_STEPS = 8,     /* remembered steps that libunwind had to make; a stack rarely has two */
    WALK_CACHED = 2048, /* g++ asks the shared tables for 42 % less nodes and 67 % less rules than
                         * by 512, which saves it 1.2 % of all its instructions */
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

/* One thread's memory; lives with the lane. */
struct walk {
    uint32_t count;      /* frames remembered; frame[count] is the innermost */
    uint32_t generation; /* of the stacks that their nodes and rules are of */
    uint32_t last;       /* the node of the last stack that was not found at once; 0: none */
    bool is_whole;       /* W1 */
    uint32_t next_step;  /* the entry of step[] that is replaced next */
    struct memory memory;
    struct real_step step[WALK_STEPS];
    struct cached_rule rule[WALK_CACHED];
    struct cached_node node[WALK_CACHED];
    struct proof proof[PROOFS_ASIDE + 2 * WALK_DEPTH]; /* of frame[] */
    struct sites sites;
    struct frame frame[1 + WALK_DEPTH]; /* a guard above all stacks, then outermost first */
    struct frame fresh[WALK_DEPTH];     /* innermost first; of the walk going on */
};

/* The frame that the site met, as it is remembered now, if that is the same one. */
static inline bool walk_joins(const struct walk *walk, const struct site *site)
{
    const struct frame *join = &walk->frame[site->join];
    return site->join <= walk->count && join->node == site->join_node &&
           join->at.sp == site->join_sp &&
           (!join->needs_bp || (site->join_needs_bp && join->at.bp == site->join_bp));
}

/* True: the stack of the caller is that of a call site (sites.h) within remembered frames, all
 * proven. The thread's turn at the lane has begun. */
static inline bool walk_find(struct lane *lane, struct walk *walk,
                             const struct tracer_caller *caller, unsigned depth, uint32_t *id)
{
    const struct registers at = {.ip = caller->ip, .sp = caller->sp, .bp = caller->bp};
    const struct site *site = sites_find(&walk->sites, &at);
    if (MP_UNLIKELY(site == NULL) || MP_UNLIKELY(!walk_joins(walk, site)))
        return false;
    unsigned frames = (unsigned)site->join + site->count;
    if (MP_UNLIKELY(!walk->is_whole || frames > depth) ||
        MP_UNLIKELY(!proofs_hold(walk->proof, walk->frame[site->join].proofs)))
        return false;
    lane->walks++;
    lane->proven += frames;
    *id = site->node;
    return true;
}

#endif
