/* pressure.h - the ways to make memory scarce for a program, behind one interface. Which one ran is
 * part of every result: the same program dies under one and slows down under another. */
#ifndef MPRESS_TOOLS_SCENARIO_PRESSURE_H
#define MPRESS_TOOLS_SCENARIO_PRESSURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/scenario/backstop.h"
#include "tools/scenario/environment.h"
#include "tools/scenario/histogram.h"
#include "tools/scenario/victim.h"

enum { PRESSURE_WHY_BYTES = 256, PRESSURE_CHOICES = 12, PRESSURE_PATH_BYTES = 1024 };

struct pressure;

/* What the heap says of itself, bytes. */
struct pressure_heap {
    uint64_t asked,
        resident;     /* what the program holds, as far as it asked for it; all of the heap */
    uint64_t objects; /* blocks that it holds */
    uint64_t mapped;  /* by the program itself */
    /* pages of both that are there, and RssAnon at the same moment */
    uint64_t heap_resident, mapped_resident, resident_anon;
};

/* Counts of calls by their duration since the mechanism was opened. */
struct pressure_latency {
    struct histogram slow;     /* calls that the fast path did not serve, by themselves */
    struct histogram injected; /* what the mechanism added to them */
    struct histogram fast;     /* one in 64 of those that it served, on average; */
    struct histogram freed;    /* and of the frees */
};

/* Seconds that the mechanism itself held the program up, since it was opened: of several threads of
 * a process as long as one of them on average, of several processes at the same time as long as the
 * one that was held up most. */
struct pressure_injected {
    double slept;   /* where growth is slowed down */
    double held;    /* at the wall, until there was room */
    double fetched; /* until memory that was taken away was back */
};

/* What stands behind a mechanism that works from inside (backstop.h), since it was opened. */
struct pressure_backstop {
    uint64_t head_room;       /* bytes beyond what the budget leaves; 0: it was never set */
    uint64_t refused, denied; /* requests that the budget refused; that the system did instead */
    unsigned outside;         /* processes that the library could not be in */
    unsigned unreached;       /* of them, those whose limit could not be moved */
    char name[BACKSTOP_NAME_BYTES]; /* of one outside; "" */
};

struct pressure_mechanism {
    const char *name;
    const char *enforces; /* a line for the report: what counts, and what happens at the limit */
    const char *unit;     /* what a budget of so many bytes is a budget of */
    bool needs_preload;
    bool spares_what_is_there; /* what a process has as the budget falls stays: more is refused */
    /* Why `auto` does not take it though it works; NULL, or returning NULL: it does. */
    const char *(*objection)(void);
    /* Why it cannot be had with a program, as was seen while that ran without pressure; NULL, or
     * returning NULL: it can. */
    const char *(*objection_to_program)(const struct pressure *pressure);
    /* Made ready for the experiment; false: `why` says why not here. */
    bool (*open)(struct pressure *pressure, char why[PRESSURE_WHY_BYTES]);
    void (*close)(struct pressure *pressure);
    /* Before the program is started once more, when nobody is left of it; NULL: nothing to do. */
    void (*forget)(struct pressure *pressure);
    /* What the program is to find in its environment, and what its process is to do before it
     * executes it: system calls only, it has this program's memory until then. NULL: nothing. */
    void (*adorn)(const struct pressure *pressure, struct environment *environment);
    void (*prepare)(const struct pressure *pressure);
    /* The budget of the tree from now on; 0: none. Also before there is a tree. */
    void (*set)(struct pressure *pressure, uint64_t bytes);
    /* What counts against the budget now. */
    uint64_t (*used)(const struct pressure *pressure);
    /* The most that a process had, or all of them since the budget was set, as whoever counts it
     * knows; NULL: only what was seen now and then. */
    uint64_t (*most)(const struct pressure *pressure);
    /* NULL: nobody tells. */
    void (*heap)(const struct pressure *pressure, struct pressure_heap *heap);
    const struct pressure_latency *(*latency)(const struct pressure *pressure);
    void (*backstop)(const struct pressure *pressure, struct pressure_backstop *backstop);
    /* A hundred times a second; NULL: nothing to do. */
    void (*tick)(struct pressure *pressure);
    /* NULL: it does so by the kernel only, whose pressure stalls tell. */
    void (*injected)(const struct pressure *pressure, struct pressure_injected *injected);
    /* The kernel's pressure file of its own group; NULL, or false: it has none. */
    bool (*stalls)(const struct pressure *pressure, char path[PRESSURE_PATH_BYTES]);
    /* At the wall for good: where it would be killed. NULL: it shows by itself. */
    bool (*is_over)(const struct pressure *pressure);
    /* Was the wall reached since the budget was set? Of what has failed then a killer would have
     * come instead. NULL: there is none, or it shows by itself. */
    bool (*has_refused)(const struct pressure *pressure);
};

/* What is put under pressure. */
struct pressure_target {
    const char *library;     /* libmpress.so; NULL: it cannot be preloaded, as */
    const char *library_why; /* says */
    bool is_replay;          /* of a trace: it passes none of its blocks to system calls */
};

/* Why one mechanism was taken and others were not. */
struct pressure_choice {
    const struct pressure_mechanism *mechanism;
    bool is_taken;
    char why[PRESSURE_WHY_BYTES];
};

struct pressure {
    const struct pressure_mechanism *mechanism;
    const struct victim *victim;
    uint64_t budget;        /* that is asked for now */
    uint64_t lends;         /* times that the budget was exceeded on purpose for a moment */
    const char *library;    /* libmpress.so; NULL: the target is not preloaded */
    bool is_replay;         /* as of its target */
    bool is_strategy_alone; /* of the library's own strategies only those of `strategy` are on */
    uint32_t strategy;      /* bits of enum budget_strategy */
    void *state;            /* the mechanism's */
    /* The kernel's pressure file of the group that this program is in, the target with it. */
    char around[PRESSURE_PATH_BYTES];
    struct pressure_choice choice[PRESSURE_CHOICES];
    size_t choices;
};

/* All there are, strongest first; NULL behind the last. */
const struct pressure_mechanism *pressure_mechanism(size_t index);

/* Why `auto` passes it by; NULL: it does not. */
const char *pressure_object(const struct pressure_mechanism *mechanism);

/* `name`: one of them, "cgroup" for that of either version, or "auto". False: none can be had, and
 * `why` is a line for the user. */
bool pressure_open(struct pressure *pressure, const char *name,
                   const struct pressure_target *target, char why[PRESSURE_WHY_BYTES]);
void pressure_close(struct pressure *pressure);

/* The mechanism that is in use, or was. */
const struct pressure_mechanism *pressure_find_taken(const struct pressure *pressure);

/* The kernel's account of memory pressure that is nearest to the program: of its group, or of the
 * machine. */
struct pressure_stalls {
    bool is_of_group;
    struct victim_stall seconds; /* -1: the system does not tell */
};
void pressure_read_stalls(const struct pressure *pressure, struct pressure_stalls *stalls);
/* Of a mechanism that has one; else all is 0. */
struct pressure_backstop pressure_read_backstop(const struct pressure *pressure);

/* Writes `text` into a file of the kernel's: 0 or errno. */
int pressure_write(const char *path, const char *text);

extern const struct pressure_mechanism pressure_rlimit, pressure_cgroup1, pressure_cgroup2,
    pressure_budget, pressure_throttle, pressure_swap, pressure_ballast, pressure_signal;

#endif
