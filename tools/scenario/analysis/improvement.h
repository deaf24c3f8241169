/* improvement.h - what one strategy is worth: runs without, with, without it (A/B/A) at one level.
 */
#ifndef MPRESS_TOOLS_SCENARIO_IMPROVEMENT_H
#define MPRESS_TOOLS_SCENARIO_IMPROVEMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/scenario/analysis/bisect.h"
#include "tools/scenario/analysis/sample.h"

/* Measurements of one side: mean resident bytes and service time, one of each per run or window. */
struct improvement_side {
    const double *resident;
    const double *service;
    size_t count;
};

struct improvement {
    double reduction; /* of resident memory, 1 - with/without */
    struct sample_interval reduction_interval;
    double overhead; /* of time, with/without - 1 */
    struct sample_interval overhead_interval;
    double drift;          /* between the first and the last A: what else changed meanwhile */
    bool is_counted;       /* the interval excludes 0, and the overhead is at most a tenth */
    const char *objection; /* why it is not; NULL */
};

void improvement_read(const struct improvement_side *before, const struct improvement_side *with,
                      const struct improvement_side *after, struct sample_random *random,
                      struct improvement *improvement);

/* How much less memory is survived in: the breaking point with it against that without, 1 - with /
 * without; the interval is of both intervals. Where nothing breaks it with the strategy, it is as
 * much at least. Votes of runs whose needs differ count for
 * nothing: where they do, both must be walked around (walk.h). */
struct improvement_shift {
    double shift; /* NAN: not known */
    bool is_open; /* as there was no time to look: not because nothing breaks it without */
    struct sample_interval interval;
    bool is_counted; /* both are sure, the interval excludes 0, the overhead is at most a tenth */
    const char *objection; /* why it is not; NULL */
};

/* `with` is not looked at where nothing is known to break it without. */
void improvement_read_shift(const struct bisect *without, const struct bisect *with,
                            double overhead, struct improvement_shift *shift);

#endif
