/* learn.h - libunwind as the interpreter of .eh_frame, asked once for each code address whose rule
 * is not as simple as cfi.h wants it.
 *
 * To learn a rule, libunwind steps one frame in which every register has a symbolic value: sp is
 * 2^60, bp 2^61 and so on, far apart. The CFA it comes to says from which register and offset it
 * was made, and the places it reads from say where return address and bp were saved. Done twice
 * with different symbols, so that rounding (an AND in an expression) does not pass for an offset.
 *
 * libunwind is the remote kind with accessors of ours: it takes no loader lock and reads nothing
 * that is not readable. It is opened RTLD_LOCAL, because it exports an unwinder that would replace
 * the program's, and it runs on a stack of ours, because it needs more than a small one has. */
#ifndef MPRESS_TRACER_LEARN_H
#define MPRESS_TRACER_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#include "tracer/rules.h"

/* The registers that rules speak of. */
struct registers {
    uintptr_t ip;
    uintptr_t sp;
    uintptr_t bp;
    bool ip_is_exact; /* interrupted there by a signal, not returned to */
};

enum { LEARN_READS = 8 };

/* A frame stepped for real, and all that the outcome depends on: its registers and the words read.
 */
struct real_step {
    struct registers from;
    struct registers to;
    uint32_t reads; /* above LEARN_READS: not all are noted */
    uintptr_t address[LEARN_READS];
    uint64_t value[LEARN_READS];
};

/* False, after one line: there is no libunwind. */
bool learn_init(void);

/* The rule of an address in a module of ours; FRAME_UNKNOWN: libunwind cannot be asked (see
 * learn_abandon). */
struct rule learn_rule(uintptr_t address);

/* Leaves the frame step->from. False: it has no caller that can be found. */
bool learn_step(struct real_step *step);

/* What libunwind allocated for us, like any library of the program; NULL: nothing. */
const void *learn_block(void);

/* How many steps were asked for, since the process began to be traced. */
uint64_t learn_count_steps(void);

/* In a forked child: if another thread was inside libunwind, its lock is held for ever, and what is
 * not learned yet never will be. */
void learn_abandon(void);

#endif
