/* foresee.h - what is to be expected of the heap, measured against a limit. */
#ifndef MPRESS_FORESEE_H
#define MPRESS_FORESEE_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/bounds.h"
#include "preload/mpress.h"

/* The warning that is in force: that nine tenths of the limit are reached within a minute. */
struct foresee {
    bool is_warned;
    uint32_t percent;    /* the chance; 0: there is no warning */
    uint64_t soonest_ns; /* until then; UINT64_MAX: not in sight */
};
void foresee_warning(const struct bounds_reading *nearest, struct foresee *foreseen);

/* mpress_forecast_read, but for the limit. False: it is too early. */
bool foresee_read(const struct bounds_reading *nearest, struct mpress_forecast *forecast);

#endif
