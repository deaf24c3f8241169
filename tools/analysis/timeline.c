/* timeline.c - maxima per column; a column without events holds the value that was in force. */
#include "tools/analysis/timeline.h"

enum { FIRST_COLUMN_NS = 1000 };

void timeline_init(struct timeline *timeline, uint64_t start_ns)
{
    *timeline = (struct timeline){.start_ns = start_ns, .column_ns = FIRST_COLUMN_NS};
}

static uint64_t max_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void halve(struct timeline *timeline)
{
    for (size_t i = 0; i < TIMELINE_COLUMNS / 2; i++)
        timeline->most[i] = max_of(timeline->most[2 * i], timeline->most[2 * i + 1]);
    for (size_t i = TIMELINE_COLUMNS / 2; i < TIMELINE_COLUMNS; i++)
        timeline->most[i] = 0;
    timeline->column_ns *= 2;
    timeline->columns = (timeline->columns + 1) / 2;
}

/* In another column than the last event. */
void timeline_add_elsewhere(struct timeline *timeline, uint64_t time_ns, uint64_t value)
{
    uint64_t at = time_ns > timeline->start_ns ? time_ns - timeline->start_ns : 0;
    while (at / timeline->column_ns >= TIMELINE_COLUMNS)
        halve(timeline);
    size_t column = (size_t)(at / timeline->column_ns);
    while (timeline->columns <= column)
        timeline->most[timeline->columns++] = timeline->last;
    timeline->most[column] = max_of(timeline->most[column], value);
    timeline->last = value;
    timeline->column = column;
    timeline->from_ns = timeline->start_ns + column * timeline->column_ns;
    timeline->to_ns = timeline->from_ns + timeline->column_ns;
}

uint64_t timeline_get(const struct timeline *timeline, size_t column, size_t columns)
{
    size_t from = column * timeline->columns / columns;
    size_t to = (column + 1) * timeline->columns / columns;
    uint64_t most = from < timeline->columns ? timeline->most[from] : 0;
    for (size_t i = from; i < to; i++)
        most = max_of(most, timeline->most[i]);
    return most;
}
