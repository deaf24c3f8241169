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
 * F1  frame[-1] is the caller of frame[0], but for the outermost one
 * F2  needs_bp is false only if neither this frame nor, unless it saves bp, its caller needs it
 * F3  at.bp is right if needs_bp, or as old as the frame; frame_refresh makes it right
 * F4  *proof is what the caller's bp was; NULL: that is not needed, or this one's; it is unlike
 * that for ever in the outermost frame, and in those that libunwind left: none proves their callers
 */
#ifndef MPRESS_TRACER_FRAME_H
#define MPRESS_TRACER_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "tracer/learn.h"
#include "tracer/memory.h"

struct frame {
    struct registers at;
    const uint64_t *bp_slot; /* what the caller's bp was in: memory, or one of the following */
    const uint64_t *proof;   /* F4: bp_slot, a word of ours, or NULL */
    bool uses_bp;            /* its rule does */
    bool needs_bp;           /* F2 */
    uint32_t node;
};

#define FRAME_BP_UNCHANGED ((const uint64_t *)0)
#define FRAME_BP_UNKNOWN ((const uint64_t *)1) /* left by libunwind */

static const uint64_t frame_unlike[2] = {0, 1}; /* one of them is unlike any bp */

/* At a frame that is remembered, the same for all that matters of it. */
static inline bool frame_is_at(const struct frame *frame, const struct registers *at)
{
    return frame->at.ip == at->ip && frame->at.sp == at->sp &&
           (!frame->needs_bp || frame->at.bp == at->bp) && frame->at.ip_is_exact == at->ip_is_exact;
}

static inline void frame_make_outermost(struct frame *frame)
{
    frame->bp_slot = FRAME_BP_UNKNOWN;
    frame->proof = &frame_unlike[frame[-1].at.bp == frame_unlike[0]];
}

/* Puts a frame behind that of its caller; all of `from->at` is right. */
static inline void frame_put(struct frame *frame, const struct frame *from)
{
    const struct frame *caller = &frame[-1];
    bool is_unchanged = from->bp_slot == FRAME_BP_UNCHANGED;
    *frame = *from;
    frame->needs_bp = from->uses_bp || (is_unchanged && caller->needs_bp);
    frame->proof = is_unchanged || !caller->needs_bp ? NULL : from->bp_slot;
    if (MP_UNLIKELY(from->bp_slot == FRAME_BP_UNKNOWN))
        frame_make_outermost(frame);
    frame->node = 0;
}

/* The outermost frame that is proven to be as remembered, given that `frame` is. What it loads is
 * of frames that are proven by then. */
MEMORY_UNCHECKED static inline struct frame *frame_verify(struct frame *frame)
{
    for (;; frame--) {
        if (frame->proof != NULL && memory_load((uintptr_t)frame->proof) != frame[-1].at.bp)
            return frame;
        if (memory_load(frame[-1].at.sp - 8) != frame[-1].at.ip)
            return frame;
    }
}

/* The same, if also its bp is right: makes that of all proven ones right. */
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
