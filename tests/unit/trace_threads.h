/* trace_threads.h - a model of threads over a heap with magazines and a shared depot, recorded as
 * format.h says, with the truth kept beside it: which object each free really freed.
 *
 * Threads move in small steps that a seeded generator interleaves, so that another thread may get
 * between the drawing of an epoch and what it stands for. The size of an object is its number. */
#ifndef MPRESS_TESTS_UNIT_TRACE_THREADS_H
#define MPRESS_TESTS_UNIT_TRACE_THREADS_H

#include "tests/unit/trace_builder.h"

struct threads_plan {
    uint64_t seed;
    unsigned lanes;      /* threads alive at a time, up to 64 */
    unsigned steps;      /* small steps altogether */
    unsigned rounds;     /* of a magazine, up to 64 */
    unsigned live_most;  /* objects alive that the threads stay below */
    unsigned foreign;    /* of 100 frees, those that may hit any thread's objects */
    unsigned end_thread; /* of 10000 operations, those that end their thread */
    bool every;          /* an epoch is drawn for every event, not by S1 and S2 */
};

/* What a lane's deaths killed, in its order. */
struct threads_truth {
    uint64_t *killed[BUILDER_LANES];
    size_t count[BUILDER_LANES];
    size_t capacity[BUILDER_LANES];
    uint64_t *alive; /* by object number: its address at the end, 0 if dead */
    uint64_t objects;
};

/* Records a run into `builder` (no end record). */
void threads_record(const struct threads_plan *plan, struct builder *builder,
                    struct threads_truth *truth);
void threads_truth_fini(struct threads_truth *truth);

#endif
