/* gaps.h - criteria that an experiment cannot measure, or did not, and why. */
#ifndef MPRESS_TOOLS_SCENARIO_GAPS_H
#define MPRESS_TOOLS_SCENARIO_GAPS_H

#include "tools/scenario/experiment.h"

struct gap {
    const char *why;    /* in a few words */
    const char *remedy; /* what makes it measurable */
};

/* What the plan's settings leave unknown, whatever the program does; NULL: nothing. `mechanism`:
 * NULL as long as nobody knows. */
const struct gap *gaps_find(const struct plan *plan, const struct pressure_mechanism *mechanism,
                            enum verdict_row row);

/* The first criterion that the user asked for and that is such; VERDICT_ROWS: there is none. */
enum verdict_row gaps_find_demanded(const struct plan *plan,
                                    const struct pressure_mechanism *mechanism);

/* Why it was not measured. */
const char *gaps_explain(const struct experiment *experiment, enum verdict_row row);

#endif
