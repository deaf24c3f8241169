/* verdict.h - the criteria, each with its number, its bound, and how sure that is. */
#ifndef MPRESS_TOOLS_SCENARIO_VERDICT_H
#define MPRESS_TOOLS_SCENARIO_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/scenario/analysis/curve.h"

enum verdict_row {
    VERDICT_DEGRADATION,
    VERDICT_GRACEFUL,
    VERDICT_STABILITY,
    VERDICT_RECOVERY,
    VERDICT_EFFICIENCY,
    VERDICT_IMPROVEMENT,
    VERDICT_BREAKING_POINT,
    VERDICT_ROWS
};

/* What is asked for; NAN: nothing. Those of the seed are the default. */
struct verdict_bounds {
    double at[VERDICT_ROWS];
    bool is_demanded[VERDICT_ROWS]; /* by the user: nothing passes if it is not measured */
};
extern const struct verdict_bounds verdict_seed;

const char *verdict_row_name(enum verdict_row row); /* as in files and JSON */

struct verdict_criterion {
    bool is_asked;
    bool is_needed; /* nothing passes if it is not known: the user asked for it, or it is one of
                     * degradation, grace and stability, on which the rest rests */
    bool is_known;  /* measured in this experiment */
    bool is_met;
    double value;
    struct sample_interval interval;
    double
        confidence; /* that the answer is right: share of the redrawn experiments; NAN: not known */
};

struct verdict {
    struct curve_figures figures;
    struct verdict_criterion row[VERDICT_ROWS];
    unsigned asked, measured; /* criteria that were asked for; of them, those that are known */
    bool is_possible;         /* the baseline is calm enough */
    bool is_failed;           /* one of them is known and not met */
    bool is_whole;            /* all that are needed are known */
    bool is_limited;          /* it was kept to the budgets */
    bool is_passed;           /* all of these, not failed, and something was asked for */
};

/* What the curve does not hold; NAN: not measured. */
struct verdict_extras {
    bool is_unlimited; /* nothing kept it to the budgets of its levels */
    double efficiency;
    double improvement;
    struct sample_interval improvement_interval;
    double breaking_point; /* bytes; the largest budget that breaks it */
    struct sample_interval breaking_interval;
    double breaking_confidence; /* that it is on the side of its bound that it was found on */
};

/* The answers; how sure they are is not known. */
void verdict_judge(const struct curve *curve, const struct verdict_extras *extras,
                   const struct verdict_bounds *bounds, struct verdict *verdict);

/* And how sure they are. */
void verdict_reach(const struct curve *curve, const struct verdict_extras *extras,
                   const struct verdict_bounds *bounds, struct verdict *verdict);

#endif
