/* bisect.h - the search for the breaking point: the largest budget that breaks the target, between
 * one that is known to break it and one that is known not to, by probes with fresh runs. A probe is
 * decided by two votes of three, so that one odd run does not mislead it. */
#ifndef MPRESS_TOOLS_SCENARIO_BISECT_H
#define MPRESS_TOOLS_SCENARIO_BISECT_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/scenario/analysis/belief.h"
#include "tools/scenario/analysis/curve.h"

enum { BISECT_RUNS_MOST = 320, BISECT_BELOW_MOST = 8 };

/* A fresh run at one budget. */
struct bisect_run {
    double budget;
    bool is_good;
};

struct bisect {
    double good, bad;                /* bytes; 0: none is known yet */
    double told_good, told_bad;      /* what was known at first: tried once each */
    double below[BISECT_BELOW_MOST]; /* that broke it, too: taken where it holds at `bad` */
    unsigned belows;
    bool is_below;       /* `bad` is one of them: votes are to confirm it */
    double least, most;  /* where to look at all */
    double tolerance;    /* bytes: what good - bad may be in the end; max(1 MiB, 1 % of the peak),
                          * where that is more than 2 %, these */
    double hint[2];      /* asked before others; 0: none */
    enum curve_end kind; /* of the newest bad vote that decided */
    unsigned good_votes, bad_votes; /* of the probe that is asked now */
    unsigned probes, odd;           /* decided; votes against the decision */
    struct bisect_run run[BISECT_RUNS_MOST];
    unsigned runs;   /* votes, and runs that were to confirm what they found (walk.h) */
    bool is_varying; /* a run contradicted what was found, here or where the hint is from: needs
                      * differ from run to run */
    struct belief_spread spread; /* what the hint's search knew of it */
    bool is_spread_known;        /* else nothing */
    bool is_held_below;          /* it was seen to hold with less than breaks it */
    bool is_settled;             /* there were enough runs around it, whether needs differ or not */
    struct belief_figures figures; /* what all runs together say; `high` 0: there is no bracket */
};

void bisect_init(struct bisect *bisect, double good, double bad, double peak);

/* Levels that broke it; the first of those below `bad` count. */
void bisect_note_broken(struct bisect *bisect, const double *broken, size_t count);
/* Levels that it held at. */
void bisect_note_held(struct bisect *bisect, const double *held, size_t count);

/* Another search of the program ended so: where it is asked first, whether it ends so here too. As
 * much as needs differed there, they do here. */
void bisect_hint(struct bisect *bisect, const struct bisect *other);

/* The budget to run at next; 0: nothing is left to ask. A bracket that is small enough from the
 * beginning is believed when votes have confirmed what broke. */
double bisect_next(const struct bisect *bisect);
void bisect_tell(struct bisect *bisect, enum curve_end end);

/* How many more it takes, if votes agree. */
unsigned bisect_runs_left(const struct bisect *bisect);

/* A run that is no vote. */
void bisect_add_run(struct bisect *bisect, double budget, bool is_good);

/* It breaks above what was found: begins anew there, with the least that held above it. What held
 * below it is of no use to a belief that more is better. */
void bisect_move_up(struct bisect *bisect, double bad, enum curve_end kind);

/* Out of all runs so far, and what was known at first, what they say; false: there is no bracket.
 * `figures` are such. */
bool bisect_believe(const struct bisect *bisect, struct belief *belief);
void bisect_conclude(struct bisect *bisect);

/* Was it found: good - bad <= tolerance? If not and `bad` is 0, nothing down to `least` broke it.
 */
bool bisect_is_found(const struct bisect *bisect);
/* Has all of it been asked, and no budget broke it? */
bool bisect_is_unbroken(const struct bisect *bisect);
/* Is what was found no chance of votes: needs do not differ, or there were enough runs? */
bool bisect_is_sure(const struct bisect *bisect);
/* The budget at which half of the runs break; of the bracket, as long as nothing is concluded. It
 * is below that, or above, where nothing is known to break it, or to hold. */
double bisect_get_result(const struct bisect *bisect);
double bisect_get_agreement(const struct bisect *bisect); /* share of the votes that agreed */

#endif
