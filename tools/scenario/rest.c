/* rest.c - see rest.h */
#include "tools/scenario/rest.h"

#include <math.h>

void rest_begin(struct rest *rest, double used, double now, double whole)
{
    *rest =
        (struct rest){.used = used, .at = now, .longest = fmin(REST_LONGEST, REST_OF_ALL * whole)};
}

/* (What there is no room to rest is not owed for ever: later runs are to begin as these did.) */
double rest_find(struct rest *rest, double used, double now)
{
    double owed = rest->owed + (used - rest->used) / REST_SHARE - (now - rest->at);
    rest->owed = fmin(rest->longest, fmax(0, owed));
    rest->used = used;
    rest->at = now;
    return rest->owed;
}
