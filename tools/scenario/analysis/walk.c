/* walk.c - see walk.h */
#include "tools/scenario/analysis/walk.h"

#include <math.h>

enum { CHECKS = 4, WALKED = 20, WALKED_LEAST = 8 };

/* Of what was found: the walk goes to and fro once or twice where needs spread by 5 %, and reaches
 * the middle from anywhere within them. */
#define STEP 0.03

void walk_init(struct walk *walk, const struct bisect *found)
{
    double middle = bisect_get_result(found);
    *walk = (struct walk){
        .step = fmax(STEP * middle, found->tolerance),
        .is_odd = found->is_varying,
    };
    walk->next = middle + walk->step;
}

double walk_next(const struct walk *walk)
{
    bool is_over =
        walk->is_odd ? walk->turn != 0 && walk->runs - walk->turn >= WALKED : walk->runs == CHECKS;
    return is_over || walk->runs == WALK_RUNS_MOST || walk->next <= 0 ? 0 : walk->next;
}

/* Checks are above and below in turns: what is to hold and what is to break. */
void walk_tell(struct walk *walk, bool is_good)
{
    double at = walk->next;
    unsigned run = walk->runs++;
    bool is_above = run % 2 == 0;
    walk->budget[run] = at;
    walk->is_good[run] = is_good;
    if (walk->is_odd && run != 0 && walk->turn == 0 && is_good != walk->is_good[run - 1])
        walk->turn = run;
    walk->is_odd |= is_good != is_above;
    if (walk->is_odd)
        walk->next = is_good ? at - walk->step : at + walk->step;
    else
        walk->next = is_above ? at - 2 * walk->step : at + 2 * walk->step;
}

/* The middle of the places from the turn on, and the spread of needs that makes it so wide. */
static double find_middle(const struct walk *walk, double *spread)
{
    double sum = 0, squares = 0, count = walk->runs - walk->turn;
    for (unsigned i = walk->turn; i < walk->runs; i++)
        sum += walk->budget[i];
    double middle = sum / count;
    for (unsigned i = walk->turn; i < walk->runs; i++)
        squares += (walk->budget[i] - middle) * (walk->budget[i] - middle);
    *spread = 1.62 * walk->step * (squares / count / (walk->step * walk->step) + 0.029);
    return middle;
}

/* How sure the middle is, instead of the bracket. */
static void tell_middle(const struct walk *walk, struct bisect *found)
{
    double spread, middle = find_middle(walk, &spread);
    double error = 2 * spread / sqrt((walk->runs - walk->turn) / 2.0);
    found->good = middle + fmax(error, found->tolerance / 2);
    found->bad = middle - fmax(error, found->tolerance / 2);
    found->spread = spread;
}

bool walk_finish(const struct walk *walk, struct bisect *found)
{
    bool is_walked = walk->turn != 0 && walk->runs - walk->turn >= WALKED_LEAST;
    if (is_walked)
        tell_middle(walk, found);
    found->is_varying |= walk->is_odd;
    found->runs += walk->runs;
    for (unsigned i = 0; i < walk->runs; i++)
        found->odd += walk->is_good[i] != (walk->budget[i] > bisect_get_result(found));
    return is_walked || (!walk->is_odd && walk->runs == CHECKS);
}
