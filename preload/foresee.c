/* foresee.c - see foresee.h. */
#include "preload/foresee.h"

#include <string.h>

#include "allocators/base/os.h"
#include "allocators/pressure/outlook.h"
#include "preload/door.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
_Static_assert(COUNT_OF(((struct mpress_forecast *)0)->in) == FORECAST_HORIZONS,
               "as many horizons");
_Static_assert(COUNT_OF(((struct mpress_forecast *)0)->soonest) == FORECAST_THRESHOLDS,
               "as many thresholds");

enum { WARNED_OF = 2, WARNED_AT = 1 }; /* 90 %, in a minute */

/* Under the scavenger's lock, which a handler of this thread must not meet: hence the door. */
static bool read_outlook(const struct bounds_reading *nearest, struct outlook *outlook)
{
    if (!door_come_in())
        return false;
    bool is_there = outlook_read(os_time_coarse_ns(), nearest->used, nearest->limit, outlook);
    door_go_out();
    return is_there;
}

void foresee_warning(const struct bounds_reading *nearest, struct foresee *foreseen)
{
    struct outlook outlook;
    *foreseen = (struct foresee){false, 0, UINT64_MAX};
    if (nearest->limit == 0 || !read_outlook(nearest, &outlook) ||
        !outlook.reading.is_warned[WARNED_OF])
        return;
    double soonest = outlook.reading.soonest[WARNED_OF];
    foreseen->is_warned = true;
    foreseen->percent = (uint32_t)(100 * outlook.reading.at[WARNED_AT].chance[WARNED_OF]);
    if (soonest >= 0)
        foreseen->soonest_ns = (uint64_t)(soonest * 1e9);
}

static uint64_t bytes_of(double points, uint64_t limit)
{
    return (uint64_t)(points / 100 * (double)limit);
}

static void copy_point(struct mpress_forecast *forecast, unsigned i,
                       const struct forecast_point *point)
{
    forecast->in[i].seconds = forecast_horizons[i]; /* a tick is a second */
    forecast->in[i].used = bytes_of(point->points, forecast->limit);
    forecast->in[i].least = bytes_of(point->low, forecast->limit);
    forecast->in[i].most = bytes_of(point->high, forecast->limit);
    memcpy(forecast->in[i].chance, point->chance, sizeof(point->chance));
}

bool foresee_read(const struct bounds_reading *nearest, struct mpress_forecast *forecast)
{
    static const int trends[] = {[FORECAST_DECREASING] = -1,
                                 [FORECAST_STABLE] = 0,
                                 [FORECAST_INCREASING] = 1,
                                 [FORECAST_CRITICAL] = 2};
    struct outlook outlook;
    if (!read_outlook(nearest, &outlook))
        return false;
    const struct forecast_reading *reading = &outlook.reading;
    forecast->limit = nearest->limit;
    forecast->used = nearest->used;
    forecast->heap = outlook.heap_bytes;
    forecast->growth = outlook.growth;
    forecast->trend = trends[reading->trend];
    forecast->action = (int)reading->action;
    forecast->samples = reading->samples;
    for (unsigned i = 0; i < FORECAST_HORIZONS; i++)
        copy_point(forecast, i, &reading->at[i]);
    memcpy(forecast->soonest, reading->soonest, sizeof(forecast->soonest));
    memcpy(forecast->latest, reading->latest, sizeof(forecast->latest));
    return true;
}
