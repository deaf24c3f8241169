/* told.h - what the processes of a budget have counted in their slots of its page
 * (preload/budget.h), added up over all that there ever were. */
#ifndef MPRESS_TOOLS_SCENARIO_TOLD_H
#define MPRESS_TOOLS_SCENARIO_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/budget.h"
#include "tools/scenario/pressure.h"

/* What a slot had counted when it was last read; another process may have it next. */
struct told_seen {
    uint32_t process_id;
    uint64_t start;
    bool has_ended;   /* and what it had counted by then was read */
    uint32_t threads; /* besides the first, then */
    uint64_t slept_ns, held_ns, fetched_ns, refused, denied;
    struct pressure_latency latency;
};

struct told {
    struct told_seen seen[BUDGET_SLOTS];
    bool is_ours[BUDGET_SLOTS]; /* a slot that this program took: nobody else says that it ended */
    struct pressure_injected injected;
    uint64_t refused, denied; /* requests */
    struct pressure_latency latency;
};

/* Adds what they counted since the last time. */
void told_read(struct told *told, struct budget_page *page);

bool told_is_there(int process);

#endif
