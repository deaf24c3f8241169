/* belief.c - see belief.h */
#define _GNU_SOURCE /* M_SQRT1_2 */
#include "tools/scenario/analysis/belief.h"

#include <math.h>
#include <stddef.h>

#define RANGE 0.4 /* of the middle, to each side */
#define RANGE_TOLERANCES 4
#define SPREAD_LEAST 0.1 /* of the tolerance */
#define SPREAD_MOST 0.4  /* of the middle */
#define LAPSES 0.02      /* runs that say nothing (Wichmann and Hill 2001) */
#define NOTHING 1e-12

/* Middles are all as likely at first; so is the logarithm of the spread. */
void belief_init(struct belief *belief, double around, double tolerance)
{
    double range = fmax(RANGE * around, RANGE_TOLERANCES * tolerance);
    belief->around = around;
    belief->least = fmax(around - range, 0);
    belief->step = (around + range - belief->least) / (BELIEF_MIDDLES - 1);
    double least = SPREAD_LEAST * tolerance, most = fmax(SPREAD_MOST * around, 2 * tolerance);
    for (size_t i = 0; i < BELIEF_SPREADS; i++) {
        belief->spread[i] = least * pow(most / least, (double)i / (BELIEF_SPREADS - 1));
        for (size_t j = 0; j < BELIEF_MIDDLES; j++)
            belief->weight[i][j] = 1.0 / (BELIEF_SPREADS * BELIEF_MIDDLES);
    }
}

/* Between the two spreads of the grid that it lies between, by its logarithm; at an end if it is
 * beyond that. */
static void add_spread(const struct belief *belief, double spread, double weight,
                       double share[BELIEF_SPREADS])
{
    const double *grid = belief->spread;
    double step = log(grid[1] / grid[0]);
    double place = fmin(fmax(log(spread / grid[0]) / step, 0), BELIEF_SPREADS - 1);
    size_t below = (size_t)fmin(place, BELIEF_SPREADS - 2);
    share[below] += weight * (1 - (place - (double)below));
    share[below + 1] += weight * (place - (double)below);
}

void belief_take_spread(struct belief *belief, const struct belief_spread *known)
{
    const double doubt = 0.02; /* it may be another one here all the same */
    double share[BELIEF_SPREADS] = {0};
    for (size_t i = 0; i < BELIEF_SPREADS; i++)
        add_spread(belief, known->of_around[i] * belief->around, known->weight[i], share);
    for (size_t i = 0; i < BELIEF_SPREADS; i++) {
        for (size_t j = 0; j < BELIEF_MIDDLES; j++)
            belief->weight[i][j] =
                ((1 - doubt) * share[i] + doubt / BELIEF_SPREADS) / BELIEF_MIDDLES;
    }
}

static double weight_of_spread(const struct belief *belief, size_t index)
{
    double sum = 0;
    for (size_t j = 0; j < BELIEF_MIDDLES; j++)
        sum += belief->weight[index][j];
    return sum;
}

void belief_give_spread(const struct belief *belief, struct belief_spread *known)
{
    for (size_t i = 0; i < BELIEF_SPREADS; i++) {
        known->of_around[i] = belief->spread[i] / belief->around;
        known->weight[i] = weight_of_spread(belief, i);
    }
}

static double middle_at(const struct belief *belief, size_t index)
{
    return belief->least + (double)index * belief->step;
}

/* That a run holds whose budget is so many spreads above the middle. */
static double hold(double distance)
{
    const double far = 5; /* there it is certain, but for lapses */
    if (fabs(distance) > far)
        return distance > 0 ? 1 - LAPSES / 2 : LAPSES / 2;
    return LAPSES / 2 + (1 - LAPSES) * 0.5 * erfc(-distance * M_SQRT1_2);
}

void belief_tell(struct belief *belief, double budget, bool is_good)
{
    double sum = 0;
    for (size_t i = 0; i < BELIEF_SPREADS; i++) {
        for (size_t j = 0; j < BELIEF_MIDDLES; j++) {
            double *weight = &belief->weight[i][j];
            if (*weight > 0) {
                double share = hold((budget - middle_at(belief, j)) / belief->spread[i]);
                *weight *= is_good ? share : 1 - share;
            }
            sum += *weight;
        }
    }
    for (size_t i = 0; i < BELIEF_SPREADS; i++) {
        for (size_t j = 0; j < BELIEF_MIDDLES; j++) {
            double *weight = &belief->weight[i][j];
            *weight = *weight < NOTHING * sum ? 0 : *weight / sum;
        }
    }
}

/* -- what it says ----------------------------------------------------------------------------- */

static double weight_of_middle(const struct belief *belief, size_t index)
{
    double sum = 0;
    for (size_t i = 0; i < BELIEF_SPREADS; i++)
        sum += belief->weight[i][index];
    return sum;
}

/* Each middle stands for those around it, half a step to each side. */
static double find_middle(const struct belief *belief, double share)
{
    double sum = 0;
    for (size_t i = 0; i < BELIEF_MIDDLES; i++) {
        double weight = weight_of_middle(belief, i);
        if (sum + weight >= share && weight > 0)
            return middle_at(belief, i) + ((share - sum) / weight - 0.5) * belief->step;
        sum += weight;
    }
    return middle_at(belief, BELIEF_MIDDLES - 1);
}

static double find_spread(const struct belief *belief)
{
    double sum = 0;
    for (size_t i = 0; i < BELIEF_SPREADS; i++) {
        sum += weight_of_spread(belief, i);
        if (sum >= 0.5)
            return belief->spread[i];
    }
    return belief->spread[BELIEF_SPREADS - 1];
}

void belief_read(const struct belief *belief, struct belief_figures *figures)
{
    *figures = (struct belief_figures){.middle = find_middle(belief, 0.5),
                                       .low = find_middle(belief, 0.025),
                                       .high = find_middle(belief, 0.975),
                                       .spread = find_spread(belief)};
}

double belief_share_below(const struct belief *belief, double budget)
{
    double sum = 0;
    for (size_t i = 0; i < BELIEF_MIDDLES && middle_at(belief, i) <= budget; i++)
        sum += weight_of_middle(belief, i);
    return sum;
}
