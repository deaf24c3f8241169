/* plan.h - what an experiment is to do: the command line, or a scenario of a file. */
#ifndef MPRESS_TOOLS_SCENARIO_PLAN_H
#define MPRESS_TOOLS_SCENARIO_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/scenario/analysis/verdict.h"
#include "tools/scenario/shape.h"

enum { PLAN_STRATEGIES = 8, PLAN_WHY_BYTES = 512 };

/* Something that is switched on for some runs: settings of the environment, or a bit of the
 * library's own strategies. */
struct plan_strategy {
    char *name;
    const char *settings; /* "VARIABLE=VALUE,..."; NULL: `bit` */
    unsigned bit;
};

struct plan {
    const char *name;         /* of the scenario in the file; NULL */
    char **arguments;         /* the program's, NULL behind the last */
    const char *trace;        /* whose replay is the program; NULL */
    const char *with;         /* the allocator of that; NULL: mpress */
    const char *how;          /* it is replayed, where that is not as always; NULL */
    const char *preload;      /* a library other than ours that the program runs under; NULL */
    char *const *environment; /* "NAME=value" for it, NULL behind the last; NULL */
    struct shape shape;
    uint64_t limit;       /* the floor; 0: a quarter of the peak */
    double duration;      /* of the pressure phase, seconds */
    double within;        /* of all phases, seconds; 0: as long as it takes, NAN: not said */
    unsigned levels;      /* 0: as many as the duration allows */
    bool is_ramp;         /* the budget glides from one level to the next */
    const char *pressure; /* a mechanism, or "auto" */
    const char *ready;    /* regular expression on its output, or a port */
    const char *load;     /* a shell command: how long it takes is the metric */
    const char *progress; /* regular expression: a line of output that matches is a unit of work */
    const char *metric;   /* a shell command that prints the metric */
    int work_signal;      /* a unit of work is done when the program sends it to its parent; 0 */
    double window;        /* seconds, at least */
    int expected_exit;    /* status of a run of a finite program that did its work */
    double timeout;       /* without pressure: of a run or load, of getting ready */
    double recovery;      /* to wait for its beginning, at most; 0: not at all */
    struct plan_strategy strategy[PLAN_STRATEGIES];
    size_t strategies;
    bool has_no_strategies; /* not the library's own either */
    struct verdict_bounds bounds;
    bool is_preloaded; /* under libmpress.so whatever the mechanism is */
    bool is_searching; /* for the breaking point */
    bool is_json, is_quiet;
    const char *html; /* a file; NULL */
};

void plan_init(struct plan *plan);
void plan_fini(struct plan *plan);

/* One of the library's own strategies (preload/budget.h). */
void plan_add_own_strategy(struct plan *plan, const char *name, unsigned bit);

/* Seconds that all of it may take; INFINITY. By default five minutes, or five times as long as the
 * pressure is to last. */
double plan_get_whole(const struct plan *plan);

/* A program that ends by itself is run again and again: how long it takes is the metric. */
bool plan_is_finite(const struct plan *plan);

/* One setting, by the name of its long option; as in files. False: `why` says what is wrong. */
bool plan_set(struct plan *plan, const char *key, const char *value, char why[PLAN_WHY_BYTES]);

/* A criterion: "degradation", "4". "none" asks for nothing. */
bool plan_set_bound(struct plan *plan, const char *key, const char *value,
                    char why[PLAN_WHY_BYTES]);

#endif
