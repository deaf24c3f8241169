/* groups.h - call stacks as a reader sees them: those that agree in their innermost frames are one
 * group, since a thousand ways to reach the same loop are one place in the program. */
#ifndef MPRESS_TOOLS_ANALYSIS_GROUPS_H
#define MPRESS_TOOLS_ANALYSIS_GROUPS_H

#include "tools/analysis/analysis.h"

struct group {
    uint32_t node;      /* one of its stacks */
    uint32_t site;      /* number + 1 of one of its sites; the next one: see struct groups */
    uint32_t stacks;    /* how many it unites */
    struct amount end;  /* alive at the end */
    struct amount peak; /* alive at the peak */
    struct amount all;  /* ever allocated */
    uint64_t temporary;
    uint64_t moved;  /* blocks that reallocs under these stacks moved; */
    uint64_t copied; /* bytes, at most */
    uint64_t life[LIFE_CLASSES];
    struct leak leak;   /* of what is alive at the end */
    uint64_t oldest_ns; /* births of what is alive at the end; 0: nothing is */
    uint64_t newest_ns;
};

struct groups {
    struct analysis *analysis;
    size_t depth; /* frames that decide; 0: all */
    size_t groups;
    struct group *group;
    uint32_t *next_site; /* of each site: number + 1 of the next one of its group; 0: none */
};

enum groups_order {
    GROUPS_BY_END,
    GROUPS_BY_LOST,
    GROUPS_BY_PEAK,
    GROUPS_BY_ALLOCATIONS,
    GROUPS_BY_TEMPORARY,
    GROUPS_BY_COPIED
};

/* Lives in the analysis's memory. */
void groups_init(struct groups *groups, struct analysis *analysis, size_t depth);

/* Largest first; equal ones by node, so that the same trace gives the same report. */
void groups_sort(struct groups *groups, enum groups_order order);

/* What the order compares: bytes for END, LOST (with those by way of them), PEAK and COPIED, counts
 * for the others. */
uint64_t groups_get_weight(const struct group *group, enum groups_order order);

/* What the group held at each moment of the course and, last, at the end. */
void groups_read_course(const struct groups *groups, const struct group *group, int64_t *bytes);

/* The frames of a stack, innermost first, without those of libmpress.so at its top. */
size_t groups_read_stack(const struct analysis *analysis, uint32_t node, struct trace_node *frames,
                         size_t max);

#endif
