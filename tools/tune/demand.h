/* demand.h - what a program asks of the size classes: one pass over its trace.
 *
 * A block counts under the size that placed it: that of its malloc, or of the realloc that moved
 * it. (A realloc leaves a block where it is while it fits and fills half; then more or less is lost
 * in the same object, whatever the classes are.) Blocks above 32 KiB and those with an alignment of
 * their own are outside: profiles do not touch them. */
#ifndef MPRESS_TOOLS_TUNE_DEMAND_H
#define MPRESS_TOOLS_TUNE_DEMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/analysis/held.h"
#include "tools/progress.h"
#include "tools/trace/trace.h"
#include "tools/tune/ladder.h"

/* Blocks placed by requests of one size. */
struct size_use {
    uint64_t requests;
    struct held held;    /* blocks and the bytes asked for them, now and at the peak */
    double block_ns;     /* integral of the blocks over time */
    double asked_ns;     /* integral of the bytes asked */
    uint64_t changed_ns; /* the integrals reach to here */
};

/* What a thread's first magazine could begin with: 8 << choice rounds. */
enum { DEMAND_CHOICES = 6 };

/* Calls of all threads in one class, and how many of them would come to the slow door. */
struct traffic {
    uint64_t calls;
    uint64_t doors[DEMAND_CHOICES];
};

struct demand {
    const struct ladder *ladder;
    struct size_use *use;    /* by size, 0..LADDER_BYTES_MOST */
    struct traffic *traffic; /* by rung */
    uint64_t requests;       /* of all sizes */
    uint64_t outside;        /* requests */
    uint64_t threads;
    uint64_t peak_bytes; /* asked, all sizes */
    uint64_t peak_serial;
    double span_ns; /* the integrals' time */
    double all_asked_ns;
    bool is_complete;
    struct trace_error incomplete_why;
};

/* Reads the whole trace. */
void demand_read(struct demand *demand, const struct trace *trace, const struct ladder *ladder,
                 struct progress *progress);
void demand_free(struct demand *demand);

/* Bytes that rounding takes, and the bytes asked for that they are compared with. */
struct loss {
    double mean, mean_asked;         /* averages over time */
    double peak, peak_asked;         /* when most bytes were asked for */
    double requests, requests_asked; /* summed over all requests */
};

/* What the sizes in (above, upto] lose with a ladder. */
struct loss demand_lose(const struct demand *demand, const struct ladder *ladder, uint64_t above,
                        uint64_t upto);

#endif
