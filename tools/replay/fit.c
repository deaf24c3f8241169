/* fit.c - see fit.h */
#include "tools/replay/fit.h"

struct fit fit_line(const double *x, const double *y, size_t points)
{
    double n = (double)points;
    double mean_x = 0;
    double mean_y = 0;
    for (size_t i = 0; i < points; i++) {
        mean_x += x[i] / n;
        mean_y += y[i] / n;
    }
    double xx = 0;
    double xy = 0;
    double yy = 0;
    for (size_t i = 0; i < points; i++) {
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        xy += (x[i] - mean_x) * (y[i] - mean_y);
        yy += (y[i] - mean_y) * (y[i] - mean_y);
    }
    double slope = xy / xx;
    return (struct fit){.fixed = mean_y - slope * mean_x,
                        .slope = slope,
                        .quality = yy > 0 ? xy * xy / (xx * yy) : 1};
}
