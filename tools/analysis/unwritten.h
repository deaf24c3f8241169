/* unwritten.h - what calloc handed out and nobody touched, by call stack: the tracer's looks at
 * such blocks (tracer/format.h, UNWRITTEN), and how many there were to look at. */
#ifndef MPRESS_TOOLS_ANALYSIS_UNWRITTEN_H
#define MPRESS_TOOLS_ANALYSIS_UNWRITTEN_H

#include "tools/analysis/groups.h"

/* Looks at some blocks; bytes are those asked for. */
struct unwritten_sum {
    struct amount looked;    /* at so many */
    struct amount untouched; /* of these, in pages that nobody ever touched; its blocks mean
                              * nothing, nor do those of */
    struct amount zero;      /* in other pages that hold nothing but zeros, maybe again */
};

struct unwritten_group {
    const struct group *group;
    struct unwritten_sum sum;
};

struct unwritten {
    struct unwritten_sum all;
    uint64_t alive_blocks; /* that were looked at as the trace ended */
    size_t groups;         /* with untouched bytes or zeros, most untouched first */
    struct unwritten_group *group;
};

/* Of calloc, and as large as those that are looked at. */
bool unwritten_concerns(const struct analysis *analysis, const struct trace_event *event);

/* Lives in the analysis's memory. */
void unwritten_read(struct unwritten *unwritten, const struct groups *groups);

#endif
