/* watch_limits.h - which limit holds the process, and which of all is nearest.
 *
 *     kept (growth beyond it is refused)     the process's own; a tool's budget; under
 *                                            MPRESS_PRESSURE that of a control group, in which
 *                                            growth would end with SIGKILL
 *     followed (levels only)                 these, RLIMIT_AS, RLIMIT_DATA, the machine's memory */
#ifndef MPRESS_WATCH_LIMITS_H
#define MPRESS_WATCH_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/conf.h"
#include "allocators/pressure/pressure.h"
#include "preload/bounds.h"
#include "preload/gauge.h"

/* What the options say. While one thread runs. */
void watch_limits_init(const struct conf *conf);

/* The process's own (mpress_limit_set); hard 0: none. */
void watch_limits_set(uint64_t soft, uint64_t hard);

/* Somebody wants to hear of the system's limits. */
void watch_limits_follow(void);

/* The limit to be kept that leaves least; limit.hard 0: there is none. */
struct watch_limit {
    struct pressure_limit limit;
    uint64_t used; /* of it */
};
void watch_limits_find(struct watch_limit *found, const struct gauge *gauge);

/* For the level: the limit of which the largest part is used. `all`: also where nobody asked for
 * the system's to be followed. */
struct watch_nearest {
    struct bounds_reading reading; /* limit 0: there is none */
    bool is_machine;               /* it is the memory of all programs */
};
void watch_limits_nearest(struct watch_nearest *nearest, const struct gauge *gauge, bool all);

/* Stalls in hundredths of a percent, as struct pressure_sample wants them. */
uint32_t watch_limits_stalls(const struct gauge *gauge);

#endif
