/* forecast.c - a ring of samples, several ways to look ahead from it, and what follows from that.
 *
 *   forecast_add ── put ──► rings ── copy_out ──► window
 *                                                   └── forecast_look.c: slope ──► points, chances
 *                                                       └── fill_times, warn, advise */
#include "allocators/pressure/forecast.h"

#include <string.h>

#include "allocators/base/check.h"
#include "allocators/pressure/forecast_look.h"

const char *const forecast_method_names[FORECAST_METHODS] = {
    "persistence", "least-squares", "gated", "theil-sen", "holt", "agree"};

const uint32_t forecast_horizons[FORECAST_HORIZONS] = {30, 60, 120};

enum {
    SECOND_NS = 1000000000,
    TICKS_PER_MINUTE = 60,
    LEAST_MINUTES = 10,
    WARNED_AT = 1, /* the horizon that a warning is about */
    HITS_TO_WARN = 3,
    MISSES_TO_CALM = 30,
    YOUNG_TICKS = 120, /* programs that start grow fast and then stop: */
};
static const double YOUNG_POINTS = 70; /* so below this no warning that early, */
static const double WARN_WITHIN = 20;  /* and never of a threshold further away */
static const double WARN_NEAR = 2;     /* whatever the forecast says, */
static const double CALM_BEYOND = 4;   /* until it is that far away again */

/* -- the rings -------------------------------------------------------------------------------- */

void forecast_init(struct forecast *forecast, enum forecast_method method, uint64_t tick_ns,
                   const double thresholds[FORECAST_THRESHOLDS])
{
    MP_ASSERT(tick_ns > 0);
    memset(forecast, 0, sizeof(*forecast));
    forecast->method = method;
    forecast->fitted = &forecast_fitted;
    forecast->tick_ns = tick_ns;
    memcpy(forecast->thresholds, thresholds, sizeof(forecast->thresholds));
}

static void put(struct forecast *forecast, double used)
{
    forecast->used[forecast->ticks % FORECAST_TICKS] = used;
    forecast->minute_sum += used;
    forecast->ticks++;
    if (forecast->ticks % TICKS_PER_MINUTE != 0)
        return;
    uint64_t minute = forecast->ticks / TICKS_PER_MINUTE - 1;
    forecast->minutes[minute % FORECAST_MINUTES] = forecast->minute_sum / TICKS_PER_MINUTE;
    forecast->minute_sum = 0;
}

static double newest(const struct forecast *forecast)
{
    return forecast->used[(forecast->ticks - 1) % FORECAST_TICKS];
}

/* The last values of a ring of `capacity`, of `have`, oldest first, in points. How many. */
static uint32_t copy_out(const struct forecast *forecast, const double *ring, uint32_t capacity,
                         uint64_t have, double *y)
{
    uint32_t count = have < capacity ? (uint32_t)have : capacity;
    double others = forecast->others, limit = (double)forecast->limit_bytes;
    for (uint32_t i = 0; i < count; i++)
        y[i] = 100 * (ring[(have - count + i) % capacity] + others) / limit;
    return count;
}

/* -- times ------------------------------------------------------------------------------------ */

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* The line through the minutes where it tells of growth that is too slow for the last one. */
static bool find_slow_slope(const struct forecast *forecast, struct forecast_window *window,
                            struct forecast_line *line)
{
    uint64_t minutes = forecast->ticks / TICKS_PER_MINUTE;
    if (minutes < LEAST_MINUTES)
        return false;
    window->count = copy_out(forecast, forecast->minutes, FORECAST_MINUTES, minutes, window->y);
    forecast_fit_line(window->y, window->count, line);
    line->slope /= TICKS_PER_MINUTE;
    line->slope_error /= TICKS_PER_MINUTE;
    return forecast_look_is_beyond_doubt(line);
}

static double ticks_to(const struct forecast_look *look, double threshold, double slope)
{
    double gap = threshold - look->last;
    if (gap <= 0)
        return 0;
    if (slope * 1e7 <= gap)
        return FORECAST_NEVER;
    if (look->fade >= 1)
        return gap / slope;
    double grown = 0, ticks = 0;
    for (double by = slope; grown < gap && ticks < 3600; ticks++, by *= look->fade)
        grown += by;
    return grown < gap ? FORECAST_NEVER : ticks;
}

static void fill_times(struct forecast *forecast, struct forecast_look *look)
{
    struct forecast_reading *reading = &forecast->reading;
    struct forecast_line slow;
    double slope = look->slope, error = larger(look->whole.slope_error, look->fresh.slope_error);
    if (!forecast_look_is_beyond_doubt(&look->whole) &&
        find_slow_slope(forecast, &forecast->window, &slow)) {
        slope = slow.slope;
        error = slow.slope_error;
        look->fade = 1;
    }
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++) {
        double threshold = forecast->thresholds[i];
        reading->soonest[i] = ticks_to(look, threshold, slope + 2 * error);
        reading->latest[i] = ticks_to(look, threshold, slope - 2 * error);
    }
}

/* -- what follows ----------------------------------------------------------------------------- */

static enum forecast_trend trend_of(const struct forecast_look *look)
{
    double second = (double)SECOND_NS / (double)look->forecast->tick_ns;
    double slope = look->whole.slope * second;
    if (!forecast_look_is_beyond_doubt(&look->whole) || (slope >= -0.5 && slope <= 0.5))
        return FORECAST_STABLE;
    if (slope < 0)
        return FORECAST_DECREASING;
    return slope > 2 ? FORECAST_CRITICAL : FORECAST_INCREASING;
}

/* Start-ups that flatten, and thresholds that are far away, are no reason to warn. */
static bool may_warn(const struct forecast *forecast, double points, double threshold)
{
    bool is_young = forecast->ticks < YOUNG_TICKS && points < YOUNG_POINTS;
    return forecast->ticks >= forecast->fitted->newborn && !is_young &&
           points >= threshold - WARN_WITHIN;
}

static bool speaks_for(const struct forecast *forecast, unsigned i)
{
    const struct forecast_reading *reading = &forecast->reading;
    double threshold = forecast->thresholds[i];
    bool is_foreseen =
        reading->at[WARNED_AT].chance[i] >= 0.5 && may_warn(forecast, reading->points, threshold);
    return is_foreseen || reading->points >= threshold - WARN_NEAR;
}

static bool speaks_against(const struct forecast *forecast, unsigned i)
{
    const struct forecast_reading *reading = &forecast->reading;
    return reading->at[WARNED_AT].chance[i] < 0.25 &&
           reading->points < forecast->thresholds[i] - CALM_BEYOND;
}

/* After each tick. */
static void warn(struct forecast *forecast)
{
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++) {
        forecast->hits[i] = speaks_for(forecast, i) ? forecast->hits[i] + 1 : 0;
        forecast->misses[i] = speaks_against(forecast, i) ? forecast->misses[i] + 1 : 0;
        if (forecast->hits[i] >= HITS_TO_WARN)
            forecast->is_warned[i] = true;
        else if (forecast->misses[i] >= MISSES_TO_CALM)
            forecast->is_warned[i] = false;
        forecast->reading.is_warned[i] = forecast->is_warned[i];
    }
}

/* The step of the measured level, or that of a level foreseen: one lower, and TRIM at most. */
static enum forecast_action advise(const struct forecast *forecast)
{
    const struct forecast_reading *reading = &forecast->reading;
    unsigned advised = FORECAST_GO_ON;
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++) {
        unsigned measured = FORECAST_WATCH + i;
        unsigned foreseen = i < 2 ? FORECAST_WATCH : FORECAST_TRIM;
        if (reading->points >= forecast->thresholds[i])
            advised = measured;
        else if (reading->is_warned[i] && foreseen > advised)
            advised = foreseen;
    }
    return (enum forecast_action)advised;
}

static void evaluate(struct forecast *forecast)
{
    struct forecast_look look;
    struct forecast_reading *reading = &forecast->reading;
    struct forecast_window *window = &forecast->window;
    window->count = copy_out(forecast, forecast->used, FORECAST_TICKS, forecast->ticks, window->y);
    forecast_look_at(forecast, &look);
    reading->points = look.last;
    reading->slope = look.slope;
    reading->slope_error = look.whole.slope_error;
    reading->trend = trend_of(&look);
    reading->samples =
        forecast->ticks < FORECAST_TICKS ? (uint32_t)forecast->ticks : FORECAST_TICKS;
    for (unsigned i = 0; i < FORECAST_HORIZONS; i++)
        forecast_look_ahead(&look, i, &reading->at[i]);
    fill_times(forecast, &look);
}

static bool is_ready(const struct forecast *forecast)
{
    return forecast->ticks >= FORECAST_LEAST && forecast->limit_bytes > 0;
}

void forecast_add(struct forecast *forecast, uint64_t time_ns, uint64_t used, uint64_t limit)
{
    uint64_t passed = 1;
    if (forecast->ticks > 0) {
        if (time_ns < forecast->newest_ns + forecast->tick_ns)
            return;
        passed = (time_ns - forecast->newest_ns) / forecast->tick_ns;
    }
    for (uint64_t i = 1; i < passed && i < FORECAST_MINUTES * TICKS_PER_MINUTE; i++)
        put(forecast, newest(forecast));
    put(forecast, (double)used);
    forecast->newest_ns =
        forecast->ticks > 1 ? forecast->newest_ns + passed * forecast->tick_ns : time_ns;
    forecast->limit_bytes = limit;
    if (!is_ready(forecast))
        return;
    evaluate(forecast);
    warn(forecast);
    forecast->reading.action = advise(forecast);
}

void forecast_set_limit(struct forecast *forecast, uint64_t used, uint64_t limit)
{
    forecast->limit_bytes = limit;
    if (!is_ready(forecast))
        return;
    forecast->others = (double)used - newest(forecast);
    evaluate(forecast);
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++)
        forecast->reading.is_warned[i] = forecast->is_warned[i] || speaks_for(forecast, i);
    forecast->reading.action = advise(forecast);
}

bool forecast_read(const struct forecast *forecast, struct forecast_reading *reading)
{
    if (!is_ready(forecast))
        return false;
    *reading = forecast->reading;
    return true;
}
