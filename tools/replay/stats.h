/* stats.h - several runs of one allocator, summed up. */
#ifndef MPRESS_TOOLS_REPLAY_STATS_H
#define MPRESS_TOOLS_REPLAY_STATS_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/replay/program.h"

/* A figure over all runs. */
struct stats_figure {
    uint64_t median;
    uint64_t least;
    uint64_t most;
};

/* Nanoseconds; the calls of a timed run. */
struct stats_latency {
    bool is_known;
    double mean;
    uint64_t p50;
    uint64_t p99;
    uint64_t p999;
    uint64_t most;
    uint64_t clock_ns;
};

struct stats {
    struct stats_figure wall_ns;
    struct stats_figure resident_before; /* the first call, the allocator's start and all */
    struct stats_figure resident_peak;
    struct stats_figure resident_mean;
    struct stats_figure internal_peak; /* 0 where the heap does not tell */
    struct stats_figure internal_mean;
    struct stats_figure minor_faults;
    struct stats_figure major_faults;
    struct stats_figure waits;
    struct stats_figure behind_ns;      /* the pace */
    struct stats_figure resident_first; /* after the first round; 0 if there is one only */
    struct stats_figure resident_last;
    struct stats_latency latency;
};

/* The runs' order is lost. `timed` may be NULL. */
void stats_make(struct stats *stats, const struct result *runs, size_t count,
                const struct result *timed);

/* (most - least) / median; 0 of nothing. */
double stats_spread(const struct stats_figure *figure);

#endif
