/* complete.h - whether a trace that was read to its end is proven to be whole. */
#ifndef MPRESS_TOOLS_TRACE_COMPLETE_H
#define MPRESS_TOOLS_TRACE_COMPLETE_H

#include "tools/trace/cursor.h"

struct complete {
    const struct trace *trace;
    const struct trace_totals *totals;
    const struct cursor *damage; /* the lane of a bad record; NULL: none was met */
    bool has_gaps;               /* events of unknown number are missing */
};

/* If not, *why says so in one line. */
bool complete_judge(const struct complete *complete, struct trace_error *why);

#endif
