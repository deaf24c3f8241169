/* stats_pressure.h - the part of `mpress stats` about memory that runs short. */
#ifndef MPRESS_TOOLS_STATS_PRESSURE_H
#define MPRESS_TOOLS_STATS_PRESSURE_H

#include <jansson.h>
#include <stdbool.h>

#include "preload/control.h"

/* What came is another process's: its count of actions and their names are made safe. */
bool stats_pressure_is_sound(struct control_stats *stats);

void stats_pressure_print(const struct control_stats *stats);
json_t *stats_pressure_json(const struct control_stats *stats); /* null: it could not say */

#endif
