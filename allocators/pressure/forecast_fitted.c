/* forecast_fitted.c - numbers of the forecaster that come from recorded programs, as
 *
 *     mpress forecast --fit tests/series/NAME.csv.gz...   (all of them)
 *
 * prints them: from every other series of each class, with what they are worth on those and on the
 * others. What is measured on all series is therefore in sample by half. The shape of the method
 * (forecast_look.c) was chosen with all of them in view. */
#include "allocators/pressure/forecast.h"

const struct forecast_fitted forecast_fitted = {
    .lasts = 1,
    .beyond = 20,
    .falls = 8,
    .sudden = 0.98,
    .slowing = 6,
    .newborn = 20,
    .chance = {{-1.04, 0.50, 1.04}, {-0.47, 0.49, 0.71}, {0.52, 0.63, 0.42}},
};
