/* belief.h - what all runs of a search together say of the breaking point.
 *
 * The need of memory is taken as normal: a middle, the budget at which half of the runs break, and
 * a spread, 0 for programs that always need the same. Which runs held and which broke makes each
 * pair of the two more or less likely (Kontsevich and Tyler 1999, whose grid this is); what the
 * middle is, whatever the spread, is an interval. One run in fifty may have broken, or held, for
 * another reason. So it does not matter in which order and why there were runs where they were, and
 * how few there were shows in the interval. */
#ifndef MPRESS_TOOLS_SCENARIO_BELIEF_H
#define MPRESS_TOOLS_SCENARIO_BELIEF_H

#include <stdbool.h>

enum { BELIEF_MIDDLES = 128, BELIEF_SPREADS = 12 };

/* What is known of a spread, apart from the middle it was found around and how finely. */
struct belief_spread {
    double of_around[BELIEF_SPREADS]; /* rising; shares of `around` */
    double weight[BELIEF_SPREADS];    /* their sum is 1 */
};

struct belief {
    double around;
    double least, step; /* bytes: of the middles */
    double spread[BELIEF_SPREADS];
    double weight[BELIEF_SPREADS][BELIEF_MIDDLES]; /* their sum is 1 */
};

/* The middle is `around`, or not far from there; a spread less than a part of `tolerance` is none.
 */
void belief_init(struct belief *belief, double around, double tolerance);
/* What is known of the spread from another search of the same program, whose middle may be another:
 * relative to `around` it is the same. */
void belief_take_spread(struct belief *belief, const struct belief_spread *known);
void belief_give_spread(const struct belief *belief, struct belief_spread *known);

void belief_tell(struct belief *belief, double budget, bool is_good);

struct belief_figures {
    double middle;    /* as likely above as below */
    double low, high; /* 19 times in 20 it is between these */
    double spread;    /* standard deviation of needs: the middle of what it may be */
};

void belief_read(const struct belief *belief, struct belief_figures *figures);

/* How likely is it that the middle is at most that? */
double belief_share_below(const struct belief *belief, double budget);

#endif
