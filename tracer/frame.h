/* frame.h - frames of a stack that are remembered, the caller's before those it called; and the
 * proof that they are as they were.
 *
 * If a frame's ip and sp are what they were, and its bp where that matters, its rule finds its
 * caller's by the same words, at the same places: the return address below the caller's sp, and
 * what bp_slot points to. If these are as they were too, so is the caller, and so on outward.
 *
 * Where does bp matter? Where a rule finds the caller's frame by it, and in the frames that such a
 * one called, up to one that has saved it. Elsewhere it is any register of the program's, unlike
 * from event to event, and what is remembered of it may be old.
 *
 * All these words of a stack and what they were stand side by side, those of the outermost frame
 * first: so a stack of 24 frames is proven by comparing 24 words or some more, 4 instructions each,
 * with what lies in 6 lines of the cache.
 *
 * F1  frame[-1] is the caller of frame[0], but for the outermost one
 * F2  needs_bp is false only if neither this frame nor, unless it saves bp, its caller needs it
 * F3  at.bp is right if needs_bp, or as old as the frame
 * F4  proof[PROOFS_ASIDE .. frame.proofs) are all that proves the callers of a frame that is as it
 *     was; one of them never holds if libunwind left a frame among these
 */
#ifndef MPRESS_TRACER_FRAME_H
#define MPRESS_TRACER_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "tracer/learn.h"
#include "tracer/memory.h"

/* A word of the stack, or one of ours, as it was. */
struct proof {
    uintptr_t at;
    uint64_t was;
};

/* In front of the others, and always true: proofs are looked at four at a time. */
enum { PROOFS_ASIDE = 3 };

struct frame {
    _Alignas(64) struct registers at;
    const uint64_t *bp_slot; /* what the caller's bp was in: memory, or one of the following */
    uint32_t node;
    uint32_t proofs; /* F4 */
    bool uses_bp;    /* its rule does */
    bool needs_bp;   /* F2 */
};

#define FRAME_BP_UNCHANGED ((const uint64_t *)0)
#define FRAME_BP_UNKNOWN ((const uint64_t *)1) /* left by libunwind */

static const uint64_t frame_zero;

static inline void proofs_init(struct proof proof[PROOFS_ASIDE])
{
    for (unsigned i = 0; i < PROOFS_ASIDE; i++)
        proof[i] = (struct proof){(uintptr_t)&frame_zero, 0};
}

/* The innermost first: what is loaded is of frames that are proven by then. */
MEMORY_UNCHECKED static inline bool proofs_hold(const struct proof *proof, uint32_t end)
{
    const struct proof *next = proof + end;
    for (; next > proof + PROOFS_ASIDE; next -= 4) {
        if (memory_load(next[-1].at) != next[-1].was || memory_load(next[-2].at) != next[-2].was ||
            memory_load(next[-3].at) != next[-3].was || memory_load(next[-4].at) != next[-4].was)
            return false;
    }
    return true;
}

/* At a frame that is remembered, the same for all that matters of it. */
static inline bool frame_is_at(const struct frame *frame, const struct registers *at)
{
    return frame->at.ip == at->ip && frame->at.sp == at->sp &&
           (!frame->needs_bp || frame->at.bp == at->bp) && frame->at.ip_is_exact == at->ip_is_exact;
}

static inline void frame_make_outermost(struct frame *frame)
{
    frame->bp_slot = FRAME_BP_UNKNOWN;
    frame->proofs = PROOFS_ASIDE;
}

/* What proves the caller of a frame, behind what proves the caller's. */
static inline void frame_prove(struct frame *frame, struct proof *proof)
{
    const struct frame *caller = &frame[-1];
    uint32_t end = caller->proofs;
    if (MP_UNLIKELY(frame->bp_slot == FRAME_BP_UNKNOWN))
        proof[end++] = (struct proof){(uintptr_t)&frame_zero, 1};
    else if (frame->bp_slot != FRAME_BP_UNCHANGED && caller->needs_bp)
        proof[end++] = (struct proof){(uintptr_t)frame->bp_slot, caller->at.bp};
    proof[end++] = (struct proof){caller->at.sp - 8, caller->at.ip};
    frame->proofs = end;
}

/* Puts a frame behind that of its caller; all of `from->at` is right. */
static inline void frame_put(struct frame *frame, const struct frame *from, struct proof *proof)
{
    bool is_unchanged = from->bp_slot == FRAME_BP_UNCHANGED;
    *frame = *from;
    frame->needs_bp = from->uses_bp || (is_unchanged && frame[-1].needs_bp);
    frame->node = 0;
    frame_prove(frame, proof);
}

/* The outermost frame that is proven to be as remembered, given that `frame` is and also its bp is
 * right: makes that of all proven ones right. */
MEMORY_UNCHECKED static inline struct frame *frame_refresh(struct frame *frame)
{
    for (; frame->bp_slot != FRAME_BP_UNKNOWN; frame--) {
        struct frame *caller = &frame[-1];
        uint64_t bp = frame->at.bp;
        if (frame->bp_slot != FRAME_BP_UNCHANGED)
            bp = memory_load((uintptr_t)frame->bp_slot);
        if ((caller->needs_bp && caller->at.bp != bp) ||
            memory_load(caller->at.sp - 8) != caller->at.ip)
            break;
        caller->at.bp = bp;
    }
    return frame;
}

#endif
