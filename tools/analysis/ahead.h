/* ahead.h - a visit of a trace by a thread of its own: while one batch of events is booked, the
 * next ones are read.
 *
 *     ahead_next --> batch n        the caller books it
 *                    batch n + 1    full, or being filled by the thread
 *                    ...
 *
 * At the end of a batch that says so the visit stands still, and the caller may ask it what is
 * alive and who is called what. Where no thread is to be had, the caller's reads. */
#ifndef MPRESS_TOOLS_ANALYSIS_AHEAD_H
#define MPRESS_TOOLS_ANALYSIS_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/trace/trace.h"

enum {
    AHEAD_BATCHES = 4,
    AHEAD_EVENTS = 1024, /* of a batch; the first lines of all stay in a second-level cache */
    AHEAD_STEP = 32,     /* events between two looks whether it is time to stand still */
};

struct batch {
    struct trace_event event[AHEAD_EVENTS];
    size_t count;
    bool stands; /* the visit has come to its end and no further: it is over, a thread's name
                  * was read last, or a time to stand still has come */
    bool is_last;
    uint64_t events; /* of the trace, up to here */
    double share;    /* of the file's events */
};

struct ahead;

/* When it stands still. */
struct ahead_stops {
    uint64_t at_ns;    /* once an event of that time has come, at a multiple of AHEAD_STEP, */
    uint64_t after_ns; /* and behind the first event after that time */
};

struct ahead *ahead_create(struct trace_visit *visit, const struct ahead_stops *stops);
void ahead_destroy(struct ahead *ahead);

/* The next batch, good until the next call; NULL: there is none. The one before is given back. */
const struct batch *ahead_next(struct ahead *ahead);

/* While it stands still: the next times for it. */
void ahead_stop_at(struct ahead *ahead, const struct ahead_stops *stops);

#endif
