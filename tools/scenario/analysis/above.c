/* above.c - see above.h */
#include "tools/scenario/analysis/above.h"

#include <math.h>

#define STEP 0.01 /* of the peak: what breaks node is a band of 3 % */

static bool is_near(double budget, double other, double step)
{
    return fabs(budget - other) < step / 2;
}

static bool is_known(const struct above *above, double budget, double step, const double *held,
                     size_t count)
{
    const struct bisect *found = above->found;
    for (size_t i = 0; i < count; i++) {
        if (is_near(budget, held[i], step))
            return true;
    }
    for (unsigned i = 0; i < found->runs; i++) {
        if (found->run[i].is_good && is_near(budget, found->run[i].budget, step))
            return true;
    }
    return false;
}

/* Every other one of those that are left, from the widest distance on: whenever time is over, what
 * was tried is spread evenly. */
void above_init(struct above *above, struct bisect *found, double peak, const double *held,
                size_t count)
{
    *above = (struct above){.found = found};
    double step = STEP * peak;
    size_t steps = peak > found->good ? (size_t)ceil((peak - found->good) / step) : 0;
    size_t stride = 1;
    while (2 * stride <= steps)
        stride *= 2;
    for (; stride > 0; stride /= 2) {
        for (size_t i = stride; i < steps; i += 2 * stride) {
            double budget = found->good + (double)i * step;
            if (above->count < ABOVE_MOST && !is_known(above, budget, step, held, count))
                above->at[above->count++] = budget;
        }
    }
}

double above_next(const struct above *above)
{
    return above->tried < above->count ? above->at[above->tried] : 0;
}

bool above_tell(struct above *above, enum curve_end end)
{
    double budget = above_next(above);
    bool is_good = end == CURVE_HELD;
    bisect_add_run(above->found, budget, is_good);
    above->good_votes += is_good;
    above->bad_votes += !is_good;
    bool is_broken = above->bad_votes == 2;
    bool is_held = above->good_votes > above->bad_votes;
    if (is_broken)
        bisect_move_up(above->found, budget, end);
    if (!is_broken && !is_held)
        return false;
    above->tried++;
    above->good_votes = above->bad_votes = 0;
    return is_broken;
}
