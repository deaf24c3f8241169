/* signals.h - requests by signal: MPRESS_TRACE_SIGNAL and MPRESS_MARK_SIGNAL. A handler only counts
 * and shuts the gate; the next allocation serves it (control.h). */
#ifndef MPRESS_SIGNALS_H
#define MPRESS_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/conf.h"

/* Installs the handlers that the options want; a line for each that cannot be. */
void signals_init(const struct conf *conf);

/* Something came that was not taken yet. */
bool signals_are_pending(void);

/* An odd number of deliveries came since the last call: the trace is to be switched. */
bool signals_is_to_switch(void);
void signals_note_switched(void);

/* The number of the next mark; 0: there is none. */
uint32_t signals_take_mark(void);

/* In the child of a fork: what came was its parent's. */
void signals_fork_child(void);

#endif
