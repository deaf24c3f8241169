/* growth.h - which call stacks hold more and more: judged by what they held at the same point of
 * each cycle (course.h), early ones against late ones.
 *
 * Warming up, the first fifth of the cycles, is left out; the means of up to ten batches of the
 * others remain. A stack grows if all of this holds:
 *
 *  1  The means rise: Kendall's S of them against time, which needs no assumption about what they
 *     are like (Mann, Econometrica 13, 1945). Under "in any order", which batches make true for
 *     levels that wander about a mean, its distribution is that of the inversions of a permutation
 *     (Kendall, Biometrika 30, 1938). GROWTH_ALARM divided by the number of stacks that changed at
 *     all (Bonferroni) is the chance that a false alarm is given.
 *  2  It is no random walk: there the differences of neighbouring means have no direction.
 * Student's t of them must be beyond 99 %. 3  It goes on: the second half of the batches grew at
 * least half as much as the first. A cache that fills does not. */
#ifndef MPRESS_TOOLS_ANALYSIS_GROWTH_H
#define MPRESS_TOOLS_ANALYSIS_GROWTH_H

#include "tools/analysis/groups.h"

#define GROWTH_ALARM 0.01

enum { GROWTH_BATCHES = 10 };

/* Of one series of levels, in their unit. */
struct growth_trend {
    double early, late; /* means of the first and the last third behind the warm-up */
    double rate;        /* (late - early) / distance, a cycle */
    double low, high;   /* the rate's 95 % interval, by Student's t of the differences */
    double chance;      /* of a rise like that by accident (1), of one series */
    bool goes_on;       /* 2 and 3 hold */
};

/* False: too few levels to tell. */
bool growth_judge(const double *level, size_t count, struct growth_trend *trend);

struct growing {
    struct group group;
    struct growth_trend trend; /* bytes */
};

enum growth_basis { GROWTH_UNKNOWN, GROWTH_MARKS, GROWTH_PERIODS, GROWTH_SLICES };

struct growth {
    enum growth_basis basis;
    const char *label; /* MARKS: see struct course */
    size_t cycles;     /* or slices */
    uint64_t cycle_ns; /* mean length of one */
    size_t tested;     /* stacks that changed behind the warm-up */
    double confidence; /* at least so sure is each that was found */
    struct growth_trend total;
    size_t found;
    struct growing *growing; /* by rate, largest first */
};

/* Lives in the analysis's memory. */
void growth_read(struct growth *growth, const struct groups *groups);

#endif
