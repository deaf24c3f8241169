/* follow.h - packs the traces of a recording while the program runs, and the rest afterwards.
 *
 * A thread of low priority looks a few times a second for traces of the family (tools/family.h) and
 * packs what their processes are done with. */
#ifndef MPRESS_TOOLS_PACK_FOLLOW_H
#define MPRESS_TOOLS_PACK_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/trace/trace.h"

struct follow;

/* What could not be done at the end; those traces can be read all the same. */
struct follow_result {
    unsigned live;            /* traces whose process still runs */
    unsigned left;            /* not packed, because the caller wanted no more */
    unsigned failed;          /* could not be packed */
    struct trace_error error; /* of one of these */
};

/* Called between the frames of the end; false: no more. */
typedef bool follow_tick(const char *path, double share, void *context);

/* `trace` and its children's, begun after `since_ns` of CLOCK_MONOTONIC. */
struct follow *follow_start(const char *trace, uint64_t since_ns);

/* The program has ended: packs what is left. */
void follow_finish(struct follow *follow, follow_tick *tick, void *context,
                   struct follow_result *result);

#endif
