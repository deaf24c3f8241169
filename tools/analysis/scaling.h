/* scaling.h - bytes an object: marks whose labels say how many objects there are ("loaded
 * count=1000") against what was held then. */
#ifndef MPRESS_TOOLS_ANALYSIS_SCALING_H
#define MPRESS_TOOLS_ANALYSIS_SCALING_H

#include "tools/analysis/groups.h"

/* A straight line through the points, by least squares. */
struct scaling_line {
    double each;  /* bytes an object */
    double fixed; /* bytes that do not depend on the count */
    double fit;   /* R^2: 1: all points lie on it, 0: the count explains nothing */
};

/* Points: at least three different counts. */
bool scaling_fit(const double *count, const double *bytes, size_t points,
                 struct scaling_line *line);

struct scaling_point {
    double count;
    double bytes; /* held by all stacks */
};

struct scaling_group {
    struct group group;
    struct scaling_line line;
};

struct scaling {
    size_t points; /* marks with a count; 0: too few, and nothing follows */
    struct scaling_point *point;
    double least, most; /* counts */
    struct scaling_line total;
    size_t groups; /* whose line rises and fits well, most bytes an object first */
    struct scaling_group *group;
};

/* Lives in the analysis's memory. */
void scaling_read(struct scaling *scaling, const struct groups *groups);

#endif
