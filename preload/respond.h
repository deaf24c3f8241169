/* respond.h - what is done when memory runs short: memory that holds no block goes back, and the
 * program is asked to drop what it can. One caller at a time, outside the door, without locks. */
#ifndef MPRESS_RESPOND_H
#define MPRESS_RESPOND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/pressure/pressure.h"

/* Does the step of a level: its actions and those of the levels below it. Bytes by which RssAnon
 * fell. `used` and `limit` are for the line. */
struct respond_reason {
    enum pressure_level step;
    bool by_forecast;
    uint64_t used, limit;
};
uint64_t respond_step(const struct respond_reason *reason);

/* The last step was so long ago that another one would take 5 % of the time, even in vain. */
bool respond_may_step(uint64_t now_ns);

/* Takes cold memory away while the process alone has more than 98 % of `budget` bytes, and no more
 * than that. For the helper: asks the system, not the heap. */
void respond_swap(uint64_t budget);

/* A request for so much was refused. */
void respond_note_refused(size_t bytes);

/* mpress_pressure_subscribe and mpress_pressure_unsubscribe (mpress.h). */
int respond_subscribe(void (*function)(int level, void *context), void *context);
int respond_unsubscribe(void (*function)(int level, void *context), void *context);

/* Calls all that are subscribed. False: nobody is. */
bool respond_tell(enum pressure_level level);

void respond_fork_child(void);

#endif
