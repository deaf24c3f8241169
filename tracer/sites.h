/* sites.h - a thread's inner frames by call site: what a walk stepped from its caller to a frame
 * that was remembered. They are a small remembered stack of their own and proven like the large
 * one, from the caller outward.
 *
 *     [0] guard, [1] the frame that was met, [2] its callee, ... [1 + count] the caller
 *
 * I1  a slot of a frame lies within the frame, which is proven to be on the stack before it is
 *     loaded: it can be read, though a shorter stack may lie where the frame's once did
 * I2  frame[i].node is the node of ip[i] under frame[i - 1].node, i > 1 */
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
    uint64_t key;   /* sites_key of the caller; 0: none */
    uint32_t count; /* frames stepped */
    struct frame frame[2 + SITES_FRAMES];
};

struct sites {
    uint32_t next; /* the way that is replaced next */
    struct site site[SITES_SETS][SITES_WAYS];
};

static inline uint64_t sites_key(const struct registers *at)
{
    return ((at->ip + at->sp) * UINT64_C(0x9E3779B97F4A7C15)) | 1;
}

static inline struct site *sites_ways(struct sites *sites, uint64_t key)
{
    return sites->site[key >> 59];
}

_Static_assert(SITES_SETS == 32, "sites_ways takes 5 bits");

/* The one whose frames are on the stack now, the innermost at *at; NULL: none. */
static inline struct site *sites_find(struct sites *sites, uint64_t key, const struct registers *at)
{
    struct site *site = sites_ways(sites, key);
    for (unsigned way = 0; way < SITES_WAYS; way++, site++) {
        struct frame *last = &site->frame[1 + site->count];
        if (site->key == key && frame_is_at(last, at) && frame_verify(last) == &site->frame[1])
            return site;
    }
    return NULL;
}

/* One to be set anew. */
static inline struct site *sites_choose(struct sites *sites, uint64_t key)
{
    return &sites_ways(sites, key)[sites->next++ % SITES_WAYS];
}

/* Left by a rule, and from slots within it (I1). */
static inline bool site_is_closed(const struct frame *frame, const struct registers *caller)
{
    uintptr_t slot = (uintptr_t)frame->bp_slot;
    return frame->bp_slot == FRAME_BP_UNCHANGED || (slot >= frame->at.sp && slot < caller->sp);
}

/* `stepped`: innermost first; called by the remembered frame *met, behind which they are remembered
 * too and have nodes. What cannot be a site is none. */
static inline void site_set(struct site *site, uint64_t key, const struct frame *met,
                            const struct frame *stepped, uint32_t count)
{
    if (count == 0 || count > SITES_FRAMES)
        return;
    site->key = 0;
    site->count = count;
    site->frame[1] = *met;
    frame_make_outermost(&site->frame[1]);
    for (uint32_t i = 1; i <= count; i++) {
        if (!site_is_closed(&stepped[count - i], &site->frame[i].at))
            return;
        frame_put(&site->frame[1 + i], &stepped[count - i]);
        site->frame[1 + i].node = met[i].node;
    }
    site->key = key;
}

static inline void sites_forget(struct sites *sites)
{
    for (size_t i = 0; i < SITES_SETS; i++)
        for (size_t way = 0; way < SITES_WAYS; way++)
            sites->site[i][way].key = 0;
}

#endif
