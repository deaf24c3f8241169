/* rules.h - what is known about code addresses: how a frame that stands there is left.
 *
 *     higher    | ...                  |
 *     addresses | return address       | <- CFA - 8, always in a FRAME_SIMPLE
 *               | saved frame pointer  | <- CFA + bp_offset, when it was saved
 *               | ...                  |
 *               | locals               | <- sp: CFA = sp + cfa_offset, or bp + cfa_offset
 *
 * The CFA is the caller's sp. Rules are read (cfi.h) or learned (learn.h) once for each address and
 * shared by all threads; finding one takes no lock. */
#ifndef MPRESS_TRACER_RULES_H
#define MPRESS_TRACER_RULES_H

#include <stdbool.h>
#include <stdint.h>

enum { RULE_CFA_REACH = 1 << 23, RULE_BP_REACH = 1 << 15 }; /* offsets are smaller, or not less */

enum frame_kind {
    FRAME_UNKNOWN, /* not learned yet */
    FRAME_SIMPLE,  /* as drawn */
    FRAME_OTHER,   /* needs an interpreter: signal frames, DWARF expressions, other registers */
    FRAME_LAST,    /* the outermost of its stack */
    FRAME_BLIND,   /* no unwind information */
};

struct rule {
    enum frame_kind kind;
    bool cfa_from_bp;   /* else from sp */
    bool bp_is_saved;   /* else it is unchanged */
    int32_t cfa_offset; /* 24 bits */
    int32_t bp_offset;  /* from the CFA; 16 bits */
};

/* How the frame at that address is left; learned now if need be. A return address looks at the call
 * before it, an exact one (interrupted by a signal) at itself. The calling thread is busy. */
struct rule rules_find(uintptr_t ip, bool is_exact);

/* Rules that were read or learned, since the process began to be traced. */
uint64_t rules_count(void);

/* Counts how often everything was forgotten. */
uint32_t rules_generation(void);
void rules_forget(void);

/* In a forked child. */
void rules_abandon(void);

#endif
