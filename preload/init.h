/* init.h - what the constructor made of the options. */
#ifndef MPRESS_INIT_H
#define MPRESS_INIT_H

#include "allocators/base/conf.h"

/* The options in effect; the defaults before the constructor ran. */
const struct conf *init_conf(void);

/* mpress_trace_start and mpress_trace_stop (mpress.h). path NULL: the option's. */
int init_start_trace(const char *path, enum conf_trace mode);
int init_stop_trace(void);

/* A byte that is 0 in the child of a fork that ran no handlers (_Fork, a bare clone). */
extern const volatile char *init_fork_mark;

/* In such a child: does what the handlers would have done. */
void init_notice_fork(void);

#endif
