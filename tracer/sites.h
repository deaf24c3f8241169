/* sites.h - a thread's inner frames by call site: what a walk stepped from its caller to a frame
 * that was remembered. They are a small remembered stack of their own and proven like the large
 * one, from the caller outward.
 *
 *     [0] guard, [1] the frame that was met, [2] its callee, ... [1 + count] the caller
 *
 * I1  a slot of a frame lies within the frame, which is proven to be on the stack before it is
 *     loaded: it can be read, though a shorter stack may lie where the frame's once did
 * I2  frame[i].node is the node of ip[i] under frame[i - 1].node, i > 1
 * I3  `node` is that of the caller, if the frame that was met has the node join_node */
#ifndef MPRESS_TRACER_SITES_H
#define MPRESS_TRACER_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/frame.h"

enum {
    SITES_SETS = 32, /* twice as many save one step in fifteen more */
    SITES_WAYS = 4,  /* a call site is called from several places, at one place of the stack */
    SITES_FRAMES = 12,
};

struct site {
    _Alignas(64) uintptr_t ip; /* the caller's; 0: none */
    uintptr_t sp, bp;
    uintptr_t join_sp, join_bp; /* of the frame that was met */
    uint32_t node, join_node;   /* I3 */
    uint16_t join;              /* where that frame was among the remembered ones, the last time */
    uint16_t count;             /* frames stepped; 0: the caller is that frame */
    uint16_t proofs;            /* end of them (frame.h, F4) */
    bool needs_bp, join_needs_bp;
    struct proof proof[PROOFS_ASIDE + 2 * SITES_FRAMES];
    struct frame frame[2 + SITES_FRAMES];
};

struct sites {
    uint32_t next; /* the way that is replaced next */
    struct site site[SITES_SETS][SITES_WAYS];
};

static inline struct site *sites_ways(struct sites *sites, const struct registers *at)
{
    return sites->site[((at->ip + at->sp) * UINT64_C(0x9E3779B97F4A7C15)) >> 59];
}

_Static_assert(SITES_SETS == 32, "sites_ways takes 5 bits");

static inline bool site_is_at(const struct site *site, const struct registers *at)
{
    return site->ip == at->ip && site->sp == at->sp && (!site->needs_bp || site->bp == at->bp);
}

/* The one whose frames are on the stack now, the innermost at *at; NULL: none. */
static inline struct site *sites_find(struct sites *sites, const struct registers *at)
{
    struct site *site = sites_ways(sites, at);
    for (unsigned way = 0; way < SITES_WAYS; way++, site++)
        if (site_is_at(site, at) && proofs_hold(site->proof, site->proofs))
            return site;
    return NULL;
}

/* One to be set anew. */
static inline struct site *sites_choose(struct sites *sites, const struct registers *at)
{
    return &sites_ways(sites, at)[sites->next++ % SITES_WAYS];
}

/* Left by a rule, and from slots within it (I1). */
static inline bool site_is_closed(const struct frame *frame, const struct registers *caller)
{
    uintptr_t slot = (uintptr_t)frame->bp_slot;
    return frame->bp_slot == FRAME_BP_UNCHANGED || (slot >= frame->at.sp && slot < caller->sp);
}

/* The site's frames are under `met` now, and have nodes. */
static inline void site_join(struct site *site, const struct frame *met, uint32_t number)
{
    site->join = (uint16_t)number;
    site->join_sp = met->at.sp;
    site->join_bp = met->at.bp;
    site->join_node = met->node;
    site->node = site->frame[1 + site->count].node;
}

/* `stepped`: innermost first; called by the remembered frame *met, behind which they are remembered
 * too and have nodes. What cannot be a site is none. */
static inline void site_set(struct site *site, const struct frame *met, uint32_t number,
                            const struct frame *stepped, uint32_t count)
{
    if (count > SITES_FRAMES || met->at.ip_is_exact)
        return;
    site->ip = 0;
    site->count = (uint16_t)count;
    proofs_init(site->proof);
    site->frame[1] = *met;
    frame_make_outermost(&site->frame[1]);
    for (uint32_t i = 1; i <= count; i++) {
        if (!site_is_closed(&stepped[count - i], &site->frame[i].at))
            return;
        frame_put(&site->frame[1 + i], &stepped[count - i], site->proof);
        site->frame[1 + i].node = met[i].node;
    }
    const struct frame *caller = &site->frame[1 + count];
    site->proofs = (uint16_t)caller->proofs;
    site->needs_bp = caller->needs_bp;
    site->join_needs_bp = met->needs_bp;
    site->sp = caller->at.sp;
    site->bp = caller->at.bp;
    site_join(site, met, number);
    site->ip = caller->at.ip;
}

static inline void sites_forget(struct sites *sites)
{
    for (size_t i = 0; i < SITES_SETS; i++)
        for (size_t way = 0; way < SITES_WAYS; way++)
            sites->site[i][way].ip = 0;
}

#endif
