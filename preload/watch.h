/* watch.h - holds the process to its limits, and answers to memory that runs short.
 *
 * Off, it is a byte that the slow door looks at. On, every call that comes there is counted, some
 * of them look at the clock, and some ten times a second one looks at what is used (watch_look in
 * watch.c). A request that the heap has no room for comes here as well, before it fails: it may be
 * granted more room, put to sleep first, or refused. */
#ifndef MPRESS_WATCH_H
#define MPRESS_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/base/conf.h"
#include "allocators/growth.h"
#include "preload/bounds.h"
#include "preload/mpress_pressure.h"

struct watch_state {
    _Atomic bool is_on;
};
extern struct watch_state watch_state;

static inline bool watch_is_on(void)
{
    return MP_UNLIKELY(atomic_load_explicit(&watch_state.is_on, memory_order_relaxed));
}

/* Does what the options ask for. While one thread runs. */
void watch_init(const struct conf *conf);

/* Somebody wants to hear of the system's limits. */
void watch_follow_bounds(void);

/* Around a slow call, outside the door. */
struct watch_call {
    uint64_t start_ns;
};
void watch_begin(struct watch_call *call);
void watch_end(const struct watch_call *call, size_t bytes);

/* The heap had no room for a request, or (is_block false) the program wants to map so much. True:
 * try again, now; then call watch_done. `tries`: how often this was called for the request before.
 * Outside the door, without locks: it may sleep, and call the program's functions. */
bool watch_makes_room(size_t bytes, bool is_block, unsigned tries);
static inline void watch_done(void)
{
    growth_is_free = false;
}

/* mpress_limit_set (mpress.h). */
int watch_set_limit(uint64_t soft, uint64_t hard);

/* One thread at a time looks at what is used. False: it is another one, or this one within itself.
 */
bool watch_begin_acting(void);
void watch_end_acting(void);

/* The limit that is nearest, the system's among them, or else the machine's memory. 0; EAGAIN:
 * another thread looks at them just now; ENOENT: none is known. */
int watch_read_nearest(struct bounds_reading *nearest);

/* mpress_signals_read (mpress_pressure.h). */
int watch_read_signals(struct mpress_signals *signals);

/* enum mpress_pressure. */
int watch_level(void);

/* The same; looks first when nobody did for a second. Not from a signal handler. */
int watch_look_if_stale(void);

void watch_fork_child(void);
void watch_exit(void);

#endif
