/* watch_options.h - what MPRESS_LIMIT and MPRESS_PRESSURE_* say. A text that says nothing is
 * named in a line, and the default stays. */
#ifndef MPRESS_WATCH_OPTIONS_H
#define MPRESS_WATCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/conf.h"
#include "allocators/pressure/pressure.h"

/* The limits of the system are to be kept: MPRESS_PRESSURE says so, or memory is to be packed when
 * it runs short and nobody names another limit to tell when that is. */
bool watch_option_keeps_groups(const struct conf *conf);

/* "512M", or "80%" of what the kernel leaves the process, in bytes. 0: none. */
uint64_t watch_option_limit(const char *text);

/* "70,80,90,95": percent of the limit. */
struct pressure_rules watch_option_levels(const char *text);

/* "trim,compact" or "-refuse": a set of actions (actions.h). */
uint32_t watch_option_actions(const char *text);

#endif
