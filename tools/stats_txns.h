/* stats_txns.h - the part of `mpress stats` about transactions. */
#ifndef MPRESS_TOOLS_STATS_TXNS_H
#define MPRESS_TOOLS_STATS_TXNS_H

#include <jansson.h>
#include <stdbool.h>

#include "preload/control.h"

/* What came is another process's: its count of names and their ends are checked. */
bool stats_txns_are_sound(struct control_txns *txns);

/* Nothing where there never was one. `top`: so many names. */
void stats_txns_print(struct control_txns *txns, unsigned top);
json_t *stats_txns_json(const struct control_txns *txns);

#endif
