/* moments.h - what was alive, by call stack, at moments all over the run: at most MOMENTS of them,
 * whose distance doubles when they are used up, as in timeline.h. */
#ifndef MPRESS_TOOLS_ANALYSIS_MOMENTS_H
#define MPRESS_TOOLS_ANALYSIS_MOMENTS_H

#include <stddef.h>
#include <stdint.h>

struct analysis;

enum { MOMENTS = 128, MOMENT_SITES = 200 };

struct moment_site {
    uint64_t bytes;
    uint32_t site; /* number in the analysis */
};

struct moment {
    uint64_t time_ns;
    uint64_t bytes; /* of all stacks */
    size_t sites;
    struct moment_site site[MOMENT_SITES]; /* the largest, in no order */
};

struct moments {
    struct moment *moment; /* by time */
    size_t count;
    uint64_t step_ns;
    uint64_t next_ns; /* an event at or after it takes the next one, before it is booked */
};

void moments_init(struct analysis *analysis);

/* The first event from moments.next_ns on comes, at `time_ns`. */
void moments_take(struct analysis *analysis, uint64_t time_ns);

/* What was alive at the peak; what is alive now. */
void moments_read_peak(const struct analysis *analysis, struct moment *moment);
void moments_read_now(const struct analysis *analysis, uint64_t time_ns, struct moment *moment);

#endif
