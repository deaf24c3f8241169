/* gaps.c - see gaps.h */
#include "tools/scenario/gaps.h"

static const struct gap no_recovery = {"recovery not waited for", "give a --recovery-time"};
static const struct gap no_search = {"not looked for", "leave --no-search out"};
static const struct gap no_strategy = {"no strategy", "name one, --strategy NAME:VARIABLE=VALUE"};
static const struct gap no_heap = {"only the library tells", "--pressure budget, where it can be"};

const struct gap *gaps_find(const struct plan *plan, const struct pressure_mechanism *mechanism,
                            enum verdict_row row)
{
    bool is_own = mechanism == NULL || mechanism->needs_preload; /* has strategies of its own */
    switch (row) {
    case VERDICT_GRACEFUL:
    case VERDICT_STABILITY:
    case VERDICT_RECOVERY:
        return plan->recovery == 0 ? &no_recovery : NULL;
    case VERDICT_EFFICIENCY:
        return mechanism != NULL && mechanism->heap == NULL ? &no_heap : NULL;
    case VERDICT_IMPROVEMENT:
        return plan->strategies == 0 && (plan->has_no_strategies || !is_own) ? &no_strategy : NULL;
    case VERDICT_BREAKING_POINT:
        return plan->is_searching ? NULL : &no_search;
    default:
        return NULL;
    }
}

enum verdict_row gaps_find_demanded(const struct plan *plan,
                                    const struct pressure_mechanism *mechanism)
{
    unsigned row = 0;
    while (row < VERDICT_ROWS &&
           (!plan->bounds.is_demanded[row] || gaps_find(plan, mechanism, row) == NULL))
        row++;
    return row;
}

const char *gaps_explain(const struct experiment *experiment, enum verdict_row row)
{
    const struct gap *gap =
        gaps_find(experiment->plan, pressure_find_taken(&experiment->pressure), row);
    if (gap != NULL)
        return gap->why;
    switch (row) {
    case VERDICT_GRACEFUL:
    case VERDICT_STABILITY:
    case VERDICT_RECOVERY:
        return "no time for recovery";
    case VERDICT_EFFICIENCY:
        return "nothing was told of it";
    case VERDICT_IMPROVEMENT:
        return "no strategy was measured";
    default:
        return experiment->is_unlimited && !experiment->has_searched ? "nothing limited it"
                                                                     : "not found";
    }
}
