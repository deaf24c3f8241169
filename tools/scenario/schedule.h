/* schedule.h - how an experiment keeps within its time (--within): each phase has an end, later
 * ones share what earlier ones leave, nothing is begun that does not fit as far as runs so far
 * tell, and what goes on at the end of its phase is cut. What that changed is noted. */
#ifndef MPRESS_TOOLS_SCENARIO_SCHEDULE_H
#define MPRESS_TOOLS_SCENARIO_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>

enum { SCHEDULE_NOTES = 8, SCHEDULE_NOTE_BYTES = 96 };

enum schedule_phase {
    SCHEDULE_CALIBRATION,
    SCHEDULE_LEVELS,
    SCHEDULE_RELEASE,
    SCHEDULE_STRATEGIES,
    SCHEDULE_SEARCH,
    SCHEDULE_RELEASE_AGAIN,
    SCHEDULE_LEFT_OUT, /* strategies that did not fit before the search */
    SCHEDULE_SHIFTS
};

struct schedule {
    double began; /* process_now() */
    double whole; /* seconds; INFINITY: as long as it takes */
    double until; /* process_now(): the end of the phase that goes on */
    double cut;   /* what goes on then is broken off; INFINITY: nothing is */
    bool is_cut;  /* it was */
    double run;   /* seconds that a fresh run takes from start to stop; 0: nobody knows */
    size_t runs;  /* the mean of so many; 0: it was derived from the calibration */
    char note[SCHEDULE_NOTES][SCHEDULE_NOTE_BYTES];
    size_t notes;
};

void schedule_init(struct schedule *schedule, double whole);

/* When all of it is to be over (process_now()), and seconds until then. */
double schedule_end(const struct schedule *schedule);
double schedule_left(const struct schedule *schedule);

/* Sets `until`. */
void schedule_begin(struct schedule *schedule, enum schedule_phase phase);
/* The end of the first of so many parts of what is left of the phase. */
double schedule_part(const struct schedule *schedule, size_t parts);

/* What goes on from now on is broken off at `until`; with INFINITY, it is not. */
void schedule_cut(struct schedule *schedule, double until);

/* Does so much fit before `until`? */
bool schedule_fits(double seconds, double until);

/* The same, of what the user asked for: not more than this phase is to take in all. */
double schedule_limit(const struct schedule *schedule, enum schedule_phase phase, double wanted);

void schedule_add_run(struct schedule *schedule, double seconds);
void schedule_note(struct schedule *schedule, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
