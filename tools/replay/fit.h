/* fit.h - a straight line through points: what memory is fixed, and what each block takes. */
#ifndef MPRESS_TOOLS_REPLAY_FIT_H
#define MPRESS_TOOLS_REPLAY_FIT_H

#include <stddef.h>

struct fit {
    double fixed;   /* y at x = 0 */
    double slope;   /* y per x */
    double quality; /* R^2: 1 is a line */
};

/* By least squares; of two points at least, at different places. */
struct fit fit_line(const double *x, const double *y, size_t points);

#endif
