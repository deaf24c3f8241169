/* gain.h - what a proposal is worth: the trace replayed as it is, and with the blocks of a scope's
 * bursts in transactions, in turns. */
#ifndef MPRESS_TOOLS_PROPOSE_GAIN_H
#define MPRESS_TOOLS_PROPOSE_GAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/replay/program.h"
#include "tools/trace/trace.h"

/* A proposal pays if the replay's time gets at least so many percent less. */
enum { GAIN_LEAST = 3 };

/* Of a replay: the least of all runs, as others disturb it and nobody helps. */
struct gain_side {
    uint64_t ns;
    uint64_t peak; /* resident bytes */
};

struct gain {
    struct gain_side before, with;
    unsigned runs;
    char error[RESULT_TEXT_BYTES]; /* "": it is known */
};

void gain_measure(const struct trace *trace, uint32_t node, unsigned runs, struct gain *gain);

/* In percent of the time before; below 0 it would cost. */
double gain_percent(const struct gain *gain);

#endif
