/* limits.h - whether anything kept a program to its budget at the levels that it held: what goes on
 * with as much memory as before has told nothing of how it does with less. */
#ifndef MPRESS_TOOLS_SCENARIO_LIMITS_H
#define MPRESS_TOOLS_SCENARIO_LIMITS_H

#include "tools/scenario/experiment.h"

/* Of a lap that ends: what was in use to its end, and whether nothing limited that. */
void limits_judge(const struct experiment *experiment, struct experiment_lap *lap);

struct limits {
    size_t levels; /* that were held with far more than the budget in use */
    double most;   /* times as much */
    bool is_open;  /* by a mechanism that was to prevent it */
};
struct limits limits_add_up(const struct experiment *experiment);

#endif
