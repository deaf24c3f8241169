/* timeline.h - the course of a quantity over a time whose end is not known beforehand: when it
 * grows out of the columns, two become one. */
#ifndef MPRESS_TOOLS_ANALYSIS_TIMELINE_H
#define MPRESS_TOOLS_ANALYSIS_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

enum { TIMELINE_COLUMNS = 512 };

struct timeline {
    uint64_t start_ns;
    uint64_t column_ns; /* width of a column */
    size_t columns;     /* used so far */
    uint64_t last;      /* the value after the last event: holds until the next */
    uint64_t from_ns;   /* the last event's column: from here on */
    uint64_t to_ns;     /* and before that; 0: there was none */
    size_t column;
    uint64_t most[TIMELINE_COLUMNS];
};

void timeline_init(struct timeline *timeline, uint64_t start_ns);

/* From `time_ns` on the quantity is `value`. Times that run back a little are put where they
 * belong; what was filled in between stays. */
void timeline_add_elsewhere(struct timeline *timeline, uint64_t time_ns, uint64_t value);

static inline void timeline_add(struct timeline *timeline, uint64_t time_ns, uint64_t value)
{
    if (time_ns < timeline->from_ns || time_ns >= timeline->to_ns) {
        timeline_add_elsewhere(timeline, time_ns, value);
        return;
    }
    if (value > timeline->most[timeline->column])
        timeline->most[timeline->column] = value;
    timeline->last = value;
}

/* The most in column `column` of `columns` equal ones that span the whole time. */
uint64_t timeline_get(const struct timeline *timeline, size_t column, size_t columns);

#endif
