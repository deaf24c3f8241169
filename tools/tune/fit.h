/* fit.h - which additional size classes lose the fewest bytes to rounding: the exact optimum.
 *
 * Requests are gathered at points, sizes that can be classes. One at point p is served by the first
 * class at or behind p. For given classes the cost is
 *
 *     sum over all points of  weight[p] * (bytes of its class - bytes asked, on average)
 *         + price * classes added
 *
 * The price of a class keeps away those that save less than they bind in slabs of their own. */
#ifndef MPRESS_TOOLS_TUNE_FIT_H
#define MPRESS_TOOLS_TUNE_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIT_POINTS_MOST = 2048, FIT_CHOSEN_MOST = 16 };

struct fit_point {
    uint32_t bytes;
    bool is_class;  /* it is one anyway, at no price */
    double blocks;  /* weight of the requests between the point before and this one */
    double asked;   /* the same times the bytes they asked for */
    bool is_chosen; /* the result */
};

/* Chooses up to `most` points; the last one must be a class. Returns the cost. */
double fit_choose(struct fit_point *points, size_t count, size_t most, double price);

#endif
