/* walk.h - whether a breaking point is the same in every run; if not, where half of the runs break.
 *
 * Votes at budgets next to each other agree by chance where the target's need of memory differs
 * from run to run (collectors that run beside it): the search then ends anywhere in the range of
 * its needs. So some runs a little above and below what was found must hold and break. When one
 * does not, runs walk up and down around the middle: a step down from each that held, a step up
 * from each that broke (Dixon and Mood 1948). Where needs are known to differ they walk at once. */
#ifndef MPRESS_TOOLS_SCENARIO_WALK_H
#define MPRESS_TOOLS_SCENARIO_WALK_H

#include <stdbool.h>

#include "tools/scenario/analysis/bisect.h"

enum { WALK_RUNS_MOST = 60 };

struct walk {
    double step; /* bytes */
    double next; /* the budget to run at */
    bool is_odd; /* a run went against what was found, or needs are known to differ */
    unsigned runs;
    double budget[WALK_RUNS_MOST];
    bool is_good[WALK_RUNS_MOST];
    unsigned
        turn; /* run that went the other way than the one before it: the middle is near; 0: none */
};

/* Around what the search has found. */
void walk_init(struct walk *walk, const struct bisect *found);

/* The budget to run at next; 0: that was all. */
double walk_next(const struct walk *walk);
void walk_tell(struct walk *walk, bool is_good);

/* Where runs differ, puts the middle and how sure it is (two standard errors to each side) into the
 * search's result; counts there what went against it, in any case. False: there were too few runs
 * to confirm it. */
bool walk_finish(const struct walk *walk, struct bisect *found);

#endif
