/* foresee.h - what is to be expected of the heap, measured against a limit. */
#ifndef MPRESS_FORESEE_H
#define MPRESS_FORESEE_H

#include <stdint.h>

#include "preload/bounds.h"
#include "preload/mpress.h"

/* The chance in percent that a warning is about: that nine tenths of the limit are reached within a
 * minute; 0: there is no warning. */
uint32_t foresee_chance(const struct bounds_reading *nearest);

/* mpress_forecast_read, but for the limit. False: it is too early. */
bool foresee_read(const struct bounds_reading *nearest, struct mpress_forecast *forecast);

#endif
