/* course.h - what each call stack held at chosen moments: at the marks of the trace; where none
 * returns often enough to be a cycle, also at equal distances over the whole run. */
#ifndef MPRESS_TOOLS_ANALYSIS_COURSE_H
#define MPRESS_TOOLS_ANALYSIS_COURSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct analysis;

enum {
    COURSE_MOST = 256,       /* moments */
    COURSE_SLICES = 128,     /* without cycles: equal parts of the run */
    COURSE_CYCLES_LEAST = 8, /* a mark that comes so often is one of a cycle */
};

struct course_moment {
    uint64_t time_ns;
    uint32_t mark; /* number in the trace's facts, + 1; 0: none is here */
    bool is_low;   /* one of those that growth is judged by */
};

/* What a site changed by between two moments. Most change in few of them, so only these are kept:
 * by moment, each moment once. */
struct course_change {
    uint32_t moment; /* the one behind it; course.moments: the end */
    uint64_t delta;  /* modulo 2^64 */
};

struct course_changes {
    struct course_change *change;
    uint32_t count, room;
};

struct course {
    size_t moments; /* by time */
    struct course_moment *moment;
    const char *label; /* of the marks that are cycles, digits as '#'; NULL: there are none */
    uint64_t *delta;   /* of all sites together; see course_read */
    uint64_t *born;    /* bytes asked for between moments, and alive at the end */
    size_t at;         /* the moment that events are counted towards now, */
    uint64_t from_ns;  /* those from here on */
    uint64_t to_ns;    /* and before that */
};

/* Chooses the moments. */
void course_init(struct analysis *analysis);

/* At `time_ns` what a site holds changes by `delta`, modulo 2^64. */
void course_add(struct analysis *analysis, uint32_t site, uint64_t time_ns, uint64_t delta);

/* Nothing is added any more: the sums can be read. */
void course_finish(struct analysis *analysis);

/* A block born at `time_ns` is alive at the end. */
void course_add_survivor(struct analysis *analysis, uint64_t time_ns, uint64_t bytes);

/* The bytes of all sites at each moment and, last, at the end: in `bytes` there is room for
 * moments + 1. */
void course_read(const struct course *course, int64_t *bytes);

/* Adds those of a site. */
void course_add_site(const struct course *course, const struct course_changes *changes,
                     int64_t *bytes);

#endif
