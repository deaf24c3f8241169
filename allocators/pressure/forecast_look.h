/* forecast_look.h - what one look at the newest samples tells of the next ones: the methods of the
 * forecaster, and its chances. */
#ifndef MPRESS_PRESSURE_FORECAST_LOOK_H
#define MPRESS_PRESSURE_FORECAST_LOOK_H

#include "allocators/pressure/forecast.h"

struct forecast_look {
    const struct forecast *forecast;
    double last;                /* points now */
    struct forecast_line whole; /* through the last FORECAST_FIT_LONG ticks */
    struct forecast_line fresh; /* through the last FORECAST_FIT_SHORT */
    double slope;               /* the method's */
    double start;               /* what its forecast starts from, points */
    double fade;                /* a tick's growth is so much of the one before; 1: it goes on */
    double slowing;             /* that of FORECAST_FIT_SHORT ticks; 1: it goes on */
    double fallen;              /* the largest fall within the window, points */
    double step;                /* forecast_fit_step of the last FORECAST_FIT_LONG */
};

/* At the window, which is filled and is the forecast's own. */
void forecast_look_at(struct forecast *forecast, struct forecast_look *look);

bool forecast_look_is_beyond_doubt(const struct forecast_line *line);

/* What is expected in so many ticks; how often the threshold is reached by then. */
void forecast_look_ahead(const struct forecast_look *look, unsigned horizon,
                         struct forecast_point *point);

#endif
