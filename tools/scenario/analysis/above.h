/* above.h - whether something above the budget that a search found breaks the target too.
 *
 * The search takes for granted that who holds with less memory holds with more. Not everybody does:
 * node, whose collector runs more often the less it may have, breaks with 42 to 43 of its 45 MiB,
 * holds with 40 to 42, and breaks with less. The breaking point is the largest budget that breaks
 * it: so others between what was found and the peak are tried, a run each, far from each other
 * first; those near budgets that are known to hold are not. What breaks is asked again, and by two
 * votes of three the search goes on there. */
#ifndef MPRESS_TOOLS_SCENARIO_ABOVE_H
#define MPRESS_TOOLS_SCENARIO_ABOVE_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/scenario/analysis/bisect.h"

enum { ABOVE_MOST = 128 };

struct above {
    struct bisect *found; /* gets every run */
    double at[ABOVE_MOST];
    size_t count, tried;
    unsigned good_votes, bad_votes; /* of the budget that is asked now */
};

/* `held`: budgets, in any order, that the target was seen to hold at. */
void above_init(struct above *above, struct bisect *found, double peak, const double *held,
                size_t count);

/* The budget to run at next; 0: that was all. */
double above_next(const struct above *above);
/* True: it breaks there; what was found begins anew, between that and what holds above. */
bool above_tell(struct above *above, enum curve_end end);

#endif
