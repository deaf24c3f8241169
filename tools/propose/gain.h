/* gain.h - what a proposal is worth: the trace replayed as it is, and with the blocks of a scope's
 * bursts in transactions, in turns.
 *
 * What else the machine does only adds. So of each window of events (program.h) the least counts of
 * all rounds of a run, and what that makes of runs is compared pair by pair.
 *
 * The replay's own work is no program's. So each is run with calls that do nothing, too: what is
 * left without the least of these is what allocation takes. In traces of fewer than two million
 * operations, which are replayed in several rounds, that is in a heap that has grown: what comes in
 * the first round only, as first touches of most pages do, is not among the least.
 * What the program itself does to free its blocks one by one is not in it. */
#ifndef MPRESS_TOOLS_PROPOSE_GAIN_H
#define MPRESS_TOOLS_PROPOSE_GAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/replay/program.h"
#include "tools/trace/trace.h"

/* A proposal pays if allocation takes at least so many percent less. */
enum { GAIN_LEAST = 3, GAIN_RUNS_MOST = 1000 };

/* Of a replay: medians of all runs. */
struct gain_side {
    uint64_t ns;   /* processor time of allocation */
    uint64_t peak; /* resident bytes; the least */
};

/* Runs are compared pair by pair, one after the other: what disturbs a while disturbs both. */
struct gain {
    struct gain_side before, with;
    double percent; /* less time: the median of the pairs; below 0 it would cost */
    double low,
        high; /* what it is, 19 times in 20; with fewer than 6 pairs where all of them lie */
    unsigned runs;
    char error[RESULT_TEXT_BYTES]; /* "": it is known */
};

void gain_measure(const struct trace *trace, uint32_t node, unsigned runs, struct gain *gain);

/* What runs of both took, and the replay's own share of each: the times and percentages of so many
 * runs. (The arrays are changed.) */
void gain_compare(double *before, double before_own, double *with, double with_own,
                  struct gain *gain);

/* It is enough, and sure. */
bool gain_is_worth_it(const struct gain *gain);

#endif
