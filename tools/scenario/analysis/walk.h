/* walk.h - whether a breaking point is the same in every run; if not, where half of the runs break.
 *
 * Votes at budgets next to each other agree by chance where the target's need of memory differs
 * from run to run (collectors that run beside it): the search then ends anywhere in the range of
 * its needs. So some runs a little above and below what was found must hold and break. When one
 * does not, runs walk up and down around the middle: a step down from each that held, a step up
 * from each that broke (Dixon and Mood 1948). Where needs are known to differ they walk at once.
 * Where it holds with less than breaks it (above.h), steps are small, and none is down from a place
 * where most runs broke: so the walk stays at the largest budget that breaks it. But where many
 * runs hold just below, there is no such gap: needs differ.
 * It goes on until all runs together (belief.h) leave little room for the middle. */
#ifndef MPRESS_TOOLS_SCENARIO_WALK_H
#define MPRESS_TOOLS_SCENARIO_WALK_H

#include <stdbool.h>

#include "tools/scenario/analysis/bisect.h"

enum { WALK_CHECKS = 4, WALK_RUNS_MOST = 60 };

struct walk {
    struct bisect *found; /* gets every run; what it has found stays */
    struct belief belief;
    double step;     /* bytes */
    double next;     /* the budget to run at */
    int doubt;       /* that there is a gap, and it did not hold below by chance */
    bool is_gapless; /* it is not */
    bool is_odd;     /* a run went against what was found, or needs are known to differ */
    unsigned runs;
};

/* Around what the search has found: it has a bracket. */
void walk_init(struct walk *walk, struct bisect *found);

/* The budget to run at next; 0: that was all. */
double walk_next(const struct walk *walk);
void walk_tell(struct walk *walk, bool is_good);

/* Says in the search what came of it: whether needs differ, and the middle. False: there were too
 * few runs. */
bool walk_finish(const struct walk *walk);

#endif
