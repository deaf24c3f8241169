/* rate.h - how fast a program allocates, over time: counts in windows of equal length, and of the
 * busiest windows the call stacks that were at it.
 *
 * Events have no times of their own: those between two readings of the clock are spread evenly
 * (`resolution_ns` in tools/trace/trace.h), so a window that is much shorter than that says
 * little. */
#ifndef MPRESS_TOOLS_ANALYSIS_RATE_H
#define MPRESS_TOOLS_ANALYSIS_RATE_H

#include <stddef.h>
#include <stdint.h>

#include "tools/analysis/held.h"

struct analysis;

enum {
    RATE_WINDOWS = 512, /* two become one when the run is longer than was known */
    RATE_PARTS = 32,    /* of the run: the busiest window of each is looked at */
    RATE_STACKS = 16,   /* of it are kept */
};

enum rate_measure { RATE_ALLOCATIONS, RATE_BYTES, RATE_MEASURES };

struct rate_window {
    uint64_t count[RATE_MEASURES];
    uint64_t frees;
};

/* Of a site, in the window that is open. */
struct site_rate {
    uint64_t opening; /* number of the opening that `count` is of */
    uint64_t count[RATE_MEASURES];
};

struct rate_stack {
    uint32_t site;
    uint64_t count[RATE_MEASURES];
};

/* A window in which much happened. */
struct rate_burst {
    uint64_t time_ns;
    uint64_t length_ns; /* 0: there is none */
    uint64_t count[RATE_MEASURES];
    size_t stacks;
    struct rate_stack stack[RATE_STACKS]; /* most of the measure first */
};

struct rate {
    uint64_t start_ns;
    uint64_t window_ns;
    size_t windows; /* used so far */
    struct rate_window window[RATE_WINDOWS];
    struct rate_burst burst[RATE_MEASURES][RATE_PARTS];

    /* The window that is open: its events are counted by site too. Threads are merged, so times
     * run back and forth a little; R1: an event is at most one window away from the one it is
     * counted in here. */
    uint64_t from_ns, to_ns; /* it spans these times */
    size_t open_at;          /* window[open_at] holds its beginning */
    uint64_t opening;        /* its number; windows are opened again where times run back far */
    uint64_t open_count[RATE_MEASURES];
    uint32_t *touched; /* sites with events in it */
    size_t touches, touched_room;
};

void rate_init(struct analysis *analysis);

/* So much was asked for at that site. */
void rate_add(struct analysis *analysis, uint32_t site, uint64_t time_ns, const struct amount *one);
void rate_add_free(struct analysis *analysis, uint64_t time_ns, uint64_t blocks);

/* After the last event. */
void rate_finish(struct analysis *analysis);

/* The busiest bursts, each of another part of the run, busiest first; how many, at most `most`. */
size_t rate_find_bursts(const struct rate *rate, enum rate_measure measure,
                        const struct rate_burst **bursts, size_t most);

/* A second, of the whole time that the windows span; of column `column` of `columns`. */
double rate_get_mean(const struct rate *rate, enum rate_measure measure);
double rate_get(const struct rate *rate, enum rate_measure measure, size_t column, size_t columns);

#endif
