/* analysis.h - one pass over a trace, and what the reports are made of.
 *
 * Memory grows with the blocks that are alive, the call stacks and the threads, never with the
 * number of events. */
#ifndef MPRESS_TOOLS_ANALYSIS_ANALYSIS_H
#define MPRESS_TOOLS_ANALYSIS_ANALYSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/analysis/course.h"
#include "tools/analysis/estimate.h"
#include "tools/analysis/flows.h"
#include "tools/analysis/held.h"
#include "tools/analysis/map.h"
#include "tools/analysis/moments.h"
#include "tools/analysis/rate.h"
#include "tools/analysis/spare.h"
#include "tools/analysis/timeline.h"
#include "tools/analysis/txns.h"
#include "tools/progress.h"
#include "tools/store.h"
#include "tools/trace/trace.h"

/* Of blocks not freed, those that the last look did not find by their first byte (enum trace_leak).
 * What is in none of these is reachable, if there was a look. */
struct leak {
    struct amount lost;    /* nothing leads to them */
    struct amount by_lost; /* a lost one leads to them */
    struct amount inside;  /* only by pointers into the middle of blocks */
};

/* Lives of 10^n <= ns < 10^(n+1); class 0 holds what is shorter than 10 ns. */
enum { LIFE_CLASSES = 20 };

/* What happened under one call stack: an allocation site. Reallocations count as allocations by
 * the stack that asked for them; the block's birth stays that of its first allocation. */
struct site {
    uint32_t node;         /* in the trace's stack tree; 0: no stack was recorded */
    uint32_t course_at;    /* the moment that the change is of which is not in `course` yet */
    uint64_t course_delta; /* that change */
    struct held held;
    struct amount all;  /* over all allocations */
    uint64_t temporary; /* freed by their thread before it allocated again; 0 in a sampled trace */
    uint64_t moved;     /* blocks that its reallocs moved; */
    uint64_t copied;    /* bytes of them, at most */
    uint64_t life[LIFE_CLASSES]; /* blocks, by how long they lived */
    struct leak leak;            /* of what is alive at the end */
    struct course_changes course;
    struct site_rate rate;   /* in the window that is open */
    struct site_spare spare; /* what its blocks can hold beyond what was asked for */
    uint64_t oldest_ns; /* first and last birth of what is alive at the end; set by analysis_run */
    uint64_t newest_ns;
};

/* Sizes 2^(n-1) < size <= 2^n; class 0 holds sizes 0 and 1. */
enum { SIZE_CLASSES = 65 };

struct size_class {
    uint64_t allocations;
    uint64_t bytes;
    struct held held;
};

struct life_class {
    uint64_t blocks;
    uint64_t bytes;
};

struct thread {
    uint32_t tid;
    char *name; /* NULL: none */
    uint64_t allocations;
    uint64_t bytes;
    uint64_t frees;
    uint64_t frees_of_others; /* blocks that another thread allocated */
    uint64_t temporary;
    struct held held;   /* of the blocks it allocated, whoever frees them */
    uint32_t last_seat; /* that an object of its own took */
    uint64_t began_ns;  /* its first event */
    uint64_t ended_ns;  /* 0: it lives */
};

struct realloc_facts {
    uint64_t calls;
    uint64_t in_place;
    uint64_t moved;
    uint64_t grown;
    uint64_t shrunk;
    uint64_t copied_bytes; /* by those that moved, at most: the smaller of both sizes */
};

/* The heap at one moment: a sample of the file with what the events say was asked by then. */
struct look {
    struct trace_sample sample;
    uint64_t asked;         /* bytes the program had asked for and held; at most sample.live */
    uint64_t internal;      /* sample.live - asked */
    uint64_t resident_heap; /* asked + internal + external + cached + dirty + meta */
    double fragmentation;   /* 1 - asked / resident_heap; 0 if unknown */
    double scatter;         /* 1 - largest / all free spans (X) */
    double coverage;        /* resident_heap / rss_anon; 0 if unknown */
    bool is_known;          /* the heap told its parts (foreign heaps do not), and nothing was
                             * written over: what is asked for can be counted */
};

struct analysis {
    struct store *store;
    const struct trace *trace;
    const struct trace_facts *facts;

    uint32_t *site_of_node; /* site number + 1; 0: none yet */
    struct site *site;
    size_t sites, site_room;
    struct thread *thread;
    size_t threads;

    struct held total;
    struct leak leak;
    uint64_t peak_serial; /* A1: number of the peak; grows when total.now.bytes is a new maximum */
    uint64_t peak_bytes;
    uint64_t peak_ns;
    uint64_t last_ns; /* of the last event, or the end record's */

    struct size_class size[SIZE_CLASSES];
    struct life_class life[LIFE_CLASSES];
    unsigned shortest_life; /* class of what is too short for the clock; none below has any */
    struct realloc_facts reallocs;
    uint64_t allocations; /* with reallocations */
    uint64_t allocated_bytes;
    uint64_t temporary;
    uint64_t frees_of_others;
    struct flows flows; /* of these, from whom to whom */
    uint64_t failed;
    struct amount callocs;    /* as large as those that the tracer looks at (unwritten.h) */
    struct timeline timeline; /* of total.now.bytes */
    struct rate rate;         /* of allocations */
    struct moments moments;   /* of what each site holds */
    struct maps maps;         /* of where the blocks lie */
    struct txns_booked txns;  /* what became of them */
    struct spares spares;     /* what they can hold beyond what was asked for */

    struct course course; /* what sites held at the marks */

    size_t looks; /* by time; one for each sample */
    struct look *look;
    size_t look_at;        /* the look that events are counted towards now: */
    uint64_t look_from_ns; /* those from here */
    uint64_t look_to_ns;   /* to here, both included */
    uint64_t *asked_delta; /* A2: change of the asked bytes between look i-1 and look i, mod 2^64 */

    struct trace_totals totals;
    bool is_complete;
    struct trace_error incomplete_why;
};

/* Reads the whole trace. `progress` may be NULL. */
struct analysis *analysis_run(const struct trace *trace, struct progress *progress);
void analysis_destroy(struct analysis *analysis);

/* The look with the largest resident set (within 2 %, the one with most asked for); NULL: the trace
 * holds no sample. */
const struct look *analysis_find_rss_peak(const struct analysis *analysis);

/* The trace holds samples, and all amounts are estimates. */
bool analysis_is_estimate(const struct analysis *analysis);

/* The 95 % interval of an amount's bytes. */
struct interval analysis_interval(const struct analysis *analysis, const struct amount *amount);

/* The last look. */
const struct look *analysis_find_last_look(const struct analysis *analysis);

/* The largest resident heap over the largest number of bytes asked for, minus 1 (Johnstone & Wilson
 * 1998): comparable between allocators, and not fooled by an empty heap. 0: not known. */
double analysis_get_overhead(const struct analysis *analysis, uint64_t *resident_heap);

/* Time from the process's start to `time_ns`. */
uint64_t analysis_since_start(const struct analysis *analysis, uint64_t time_ns);

#endif
