/* rest.h - runs of a millisecond one after the other would have this program busy all the time with
 * starting them: in between it rests, so that it takes no more than its share of a processor.
 *
 * What it has used too much is owed, and paid before the next run; what it used too little is no
 * credit, so that all runs of an experiment begin alike. An experiment that is to end in time is to
 * have its runs all the same: no rest is longer than a five hundredth of it. */
#ifndef MPRESS_TOOLS_SCENARIO_REST_H
#define MPRESS_TOOLS_SCENARIO_REST_H

#define REST_SHARE 0.0095 /* of a processor; what is not between runs comes on top */
#define REST_LONGEST 0.1  /* seconds */
#define REST_OF_ALL 0.002 /* of all the time that there is */

struct rest {
    double used, at; /* processor time of this program, and when it was read last */
    double owed;     /* seconds */
    double longest;
};

/* `used`: seconds of processor time so far; `whole`: seconds that all may take, or INFINITY. */
void rest_begin(struct rest *rest, double used, double now, double whole);

/* Seconds to rest now. (That they were rested shows as time that has passed by the next call.) */
double rest_find(struct rest *rest, double used, double now);

#endif
