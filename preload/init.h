/* init.h - what the constructor made of the options. */
#ifndef MPRESS_INIT_H
#define MPRESS_INIT_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/conf.h"

/* The options in effect; the defaults before the constructor ran. */
const struct conf *init_conf(void);

/* mpress_trace_start and mpress_trace_stop (mpress.h). path NULL: the option's. */
int init_start_trace(const char *path, enum conf_trace mode);
int init_stop_trace(void);

/* Under MPRESS_CHECK: a fault within a block whose transaction has ended is named from now on. */
void init_watch_blocks(void);

/* What the door looks at on every way in. */
struct init_mark {
    _Atomic bool is_quiet; /* false: there is something to notice */
    volatile bool
        is_ours; /* false too: in the child of a fork that ran no handlers (_Fork, clone) */
};
extern struct init_mark *init_mark;

/* In the child of a fork: makes whole what the parent was in the middle of. */
void init_fork_child(void);

/* There is: does what the handlers of the fork would have done, serves requests from outside
 * (control.h) as far as a call from this address allows; 0: none. */
void init_notice(uintptr_t caller);

/* Nothing is to be noticed any more: the door stands open as its view wants it. */
void init_settle(void);

#endif
