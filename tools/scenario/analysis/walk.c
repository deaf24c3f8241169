/* walk.c - see walk.h */
#include "tools/scenario/analysis/walk.h"

#include <math.h>

/* Of what was found: the walk goes to and fro once or twice where needs spread by 5 %, and reaches
 * the middle from anywhere within them. */
#define STEP 0.03
/* Of the middle, to each side, 19 times in 20: 99 in 100 are then within 5 %. */
#define SURE 0.035

/* But where it holds below, the walk must not get there over what breaks: from there it would find
 * a middle of its own. */
static double find_step(const struct bisect *found, double middle)
{
    return found->is_held_below ? found->tolerance / 2 : fmax(STEP * middle, found->tolerance);
}

void walk_init(struct walk *walk, struct bisect *found)
{
    double middle = (found->good + found->bad) / 2;
    *walk = (struct walk){
        .found = found,
        .step = find_step(found, middle),
        .is_odd = found->is_varying,
    };
    walk->next = middle + walk->step;
    bisect_believe(found, &walk->belief);
}

static bool is_sure(const struct walk *walk)
{
    struct belief_figures figures;
    if (walk->runs < WALK_CHECKS)
        return false;
    belief_read(&walk->belief, &figures);
    double error = (figures.high - figures.low) / 2;
    return error <= fmax(SURE * figures.middle, walk->found->tolerance);
}

double walk_next(const struct walk *walk)
{
    bool is_over = walk->runs == WALK_RUNS_MOST || walk->next <= 0 || is_sure(walk);
    return is_over ? 0 : walk->next;
}

/* Did more runs near it break than hold? */
static bool is_broken_near(const struct walk *walk)
{
    int broke = 0;
    for (unsigned i = 0; i < walk->found->runs; i++) {
        const struct bisect_run *run = &walk->found->run[i];
        if (fabs(run->budget - walk->next) <= walk->step / 2)
            broke += run->is_good ? -1 : 1;
    }
    return broke > 0;
}

/* Down from what held, up from what broke. */
static double step_from(const struct walk *walk, bool is_good)
{
    if (!is_good)
        return walk->next + walk->step;
    return walk->found->is_held_below && is_broken_near(walk) ? walk->next
                                                              : walk->next - walk->step;
}

/* So narrow a walk tells little of needs that differ widely: where much holds just below what
 * broke, there is nothing to fall through. By runs of which half or nine in ten break (Wald 1945):
 * one that holds weighs as much as three that break, and four more of these are enough. */
static void doubt_gap(struct walk *walk, double at, bool is_good)
{
    const double nearest = 0.25, farthest = 3; /* tolerances */
    const int held = 3, enough = 4 * held;
    struct bisect *found = walk->found;
    double below = (found->bad - at) / found->tolerance;
    if (!found->is_held_below || below < nearest || below > farthest)
        return;
    walk->doubt += is_good ? held : -1;
    if (walk->doubt < enough)
        return;
    found->is_held_below = false;
    walk->is_gapless = true;
    walk->step = find_step(found, at);
}

/* The first that holds below what broke: perhaps it is less that it needs there. */
static bool suspect_gap(struct walk *walk, double at, bool is_good)
{
    struct bisect *found = walk->found;
    if (!is_good || at >= found->bad || found->is_held_below || walk->is_gapless)
        return false;
    found->is_held_below = true;
    walk->step = find_step(found, at);
    walk->next = found->bad;
    return true;
}

/* Checks are above and below in turns: what is to hold and what is to break. */
void walk_tell(struct walk *walk, bool is_good)
{
    double at = walk->next;
    bool is_above = walk->runs++ % 2 == 0;
    bisect_add_run(walk->found, at, is_good);
    belief_tell(&walk->belief, at, is_good);
    walk->is_odd |= is_good != is_above;
    if (walk->is_odd)
        doubt_gap(walk, at, is_good);
    if (suspect_gap(walk, at, is_good))
        return;
    if (walk->is_odd)
        walk->next = step_from(walk, is_good);
    else
        walk->next = is_above ? at - 2 * walk->step : at + 2 * walk->step;
}

bool walk_finish(const struct walk *walk)
{
    struct bisect *found = walk->found;
    belief_read(&walk->belief, &found->figures);
    found->is_varying |= walk->is_odd;
    found->is_settled = walk->runs > 0 && walk_next(walk) == 0;
    for (unsigned i = found->runs - walk->runs; i < found->runs; i++)
        found->odd += found->run[i].is_good != (found->run[i].budget > bisect_get_result(found));
    return found->is_settled;
}
