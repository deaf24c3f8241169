/* forecast.c - a ring of samples, several ways to look ahead from it, and what follows from that.
 *
 *   forecast_add ── put ──► rings ── look ──► window, lines ── ahead ──► points in 30, 60, 120
 * ticks └── chance_of ──► chances ── warn, advise */
#include "allocators/pressure/forecast.h"

#include <string.h>

#include "allocators/base/check.h"

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
static const double BEYOND_DOUBT = 6;  /* slope / slope_error */
static const double MOST_POINTS = 200;
static const double LASTS = 2;

/* -- the rings -------------------------------------------------------------------------------- */

void forecast_init(struct forecast *forecast, enum forecast_method method, uint64_t tick_ns,
                   const double thresholds[FORECAST_THRESHOLDS])
{
    MP_ASSERT(tick_ns > 0);
    memset(forecast, 0, sizeof(*forecast));
    forecast->method = method;
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

/* -- the methods ------------------------------------------------------------------------------ */

/* What all of them start from. */
struct look {
    const struct forecast *forecast;
    double last;                /* points now */
    struct forecast_line whole; /* through the last FORECAST_FIT_LONG ticks */
    struct forecast_line fresh; /* through the last FORECAST_FIT_SHORT */
    double slope;               /* the method's */
    double start;               /* what its forecast starts from, points */
    double fade;                /* a tick's growth is so much of the one before; 1: it goes on */
    double step;                /* forecast_fit_step of the last FORECAST_FIT_LONG */
};

static double size_of(double x)
{
    return x < 0 ? -x : x;
}

static bool is_beyond_doubt(const struct forecast_line *line)
{
    return size_of(line->slope) > BEYOND_DOUBT * line->slope_error;
}

static double lesser(double a, double b)
{
    if ((a > 0) != (b > 0))
        return 0;
    return (a > 0) == (a < b) ? a : b;
}

static void choose_slope(struct look *look, struct forecast_window *window)
{
    look->slope = 0;
    look->start = look->last;
    look->fade = 1;
    switch (look->forecast->method) {
    case FORECAST_LEAST_SQUARES:
        look->slope = look->whole.slope;
        look->start = look->whole.end;
        break;
    case FORECAST_GATED:
        if (is_beyond_doubt(&look->whole) && look->whole.explained > 0.8) {
            look->slope = look->whole.slope;
            look->start = look->whole.end;
        }
        break;
    case FORECAST_THEIL_SEN:
        look->slope = forecast_fit_median_slope(window);
        break;
    case FORECAST_HOLT:
        forecast_fit_smooth(window, &look->start, &look->slope);
        look->fade = FORECAST_FIT_DAMPING;
        break;
    case FORECAST_AGREE:
        look->slope = lesser(forecast_fit_median_slope(window), look->fresh.slope);
        break;
    default:
        break;
    }
}

static void look_at(const struct forecast *forecast, struct forecast_window *window,
                    struct look *look)
{
    window->count = copy_out(forecast, forecast->used, FORECAST_TICKS, forecast->ticks, window->y);
    uint32_t whole = window->count < FORECAST_FIT_LONG ? window->count : FORECAST_FIT_LONG;
    uint32_t fresh = window->count < FORECAST_FIT_SHORT ? window->count : FORECAST_FIT_SHORT;
    const double *end = window->y + window->count;
    look->forecast = forecast;
    look->last = end[-1];
    forecast_fit_line(end - whole, whole, &look->whole);
    forecast_fit_line(end - fresh, fresh, &look->fresh);
    look->step = forecast_fit_step(end - whole, whole);
    choose_slope(look, window);
}

/* Growth over `ticks` as a multiple of the first tick's. */
static double sum_of_growth(double fade, double ticks)
{
    if (fade >= 1)
        return ticks;
    double power = 1;
    for (double i = 0; i < ticks; i++)
        power *= fade;
    return (1 - power) / (1 - fade);
}

/* Programs that start grow fast, and most then stop: growth is believed to last as long as it has
 * lasted, to twice what it came to in as long a time as is looked ahead. */
static double believed(const struct look *look, double added, uint32_t ticks)
{
    const struct forecast_window *window = &look->forecast->window;
    if (look->forecast->method != FORECAST_AGREE)
        return added;
    uint32_t back = ticks < window->count ? ticks : window->count - 1;
    double came = size_of(look->last - window->y[window->count - 1 - back]) * LASTS;
    return size_of(added) <= came ? added : added < 0 ? -came : came;
}

static double ahead(const struct look *look, uint32_t ticks)
{
    double added = look->slope * sum_of_growth(look->fade, ticks);
    double points = look->start + believed(look, added, ticks);
    return points < 0 ? 0 : points > MOST_POINTS ? MOST_POINTS : points;
}

/* -- chances ---------------------------------------------------------------------------------- */

/* How far off a forecast will be: the line's spread and the doubt about its slope, and steps that
 * add up as in a random walk. */
static double error_ahead(const struct look *look, double ticks)
{
    double doubt = look->whole.slope_error * ticks;
    double spread = look->whole.spread;
    return forecast_fit_root(spread * spread + doubt * doubt + look->step * look->step * ticks) +
           0.05;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double clip(double x, double most)
{
    return x < -most ? -most : x > most ? most : x;
}

/* A logistic model of two things: by how many times its error the forecast passes the threshold;
 * and, as far as the growth is beyond doubt, by how many times a quarter of what it adds (a step
 * that is typical of growth makes the error of a steady ramp look large). Fitted once, to first
 * recordings of the programs in tests/series and to a quarter of its pods, whose figures are not
 * wholly out of sample therefore. `mpress forecast --compare` prints how often what it says comes
 * true. */
static const struct {
    double constant, passed, grown;
} chance_models[FORECAST_HORIZONS] = {{-0.58, 0.87, 0.77}, {-0.33, 0.66, 0.59}, {0.17, 0.55, 0.22}};

static double trust_in(const struct forecast_line *line)
{
    const double full = 20; /* slope / slope_error */
    double t = line->slope / (line->slope_error + 1e-6);
    return t < 0 ? 0 : t > full ? 1 : t / full;
}

static double chance_of(const struct look *look, unsigned horizon, double threshold)
{
    if (look->last >= threshold)
        return 1;
    const double most = 4; /* beyond it there was too little to fit to */
    uint32_t ticks = forecast_horizons[horizon];
    double points = ahead(look, ticks);
    double added = size_of(points - look->last);
    double passed = clip((points - threshold) / error_ahead(look, ticks), most);
    double grown = clip((points - threshold) / (0.5 + added / 4), most) * trust_in(&look->whole);
    double logit = chance_models[horizon].constant + chance_models[horizon].passed * passed +
                   chance_models[horizon].grown * grown;
    return 1 / (1 + forecast_fit_exp(-logit));
}

static void fill_point(struct forecast_point *point, const struct look *look, unsigned horizon)
{
    const double eight_of_ten = 1.28; /* standard deviations of a normal error */
    uint32_t ticks = forecast_horizons[horizon];
    double error = error_ahead(look, ticks);
    point->points = ahead(look, ticks);
    point->low = point->points - eight_of_ten * error;
    point->low = point->low < 0 ? 0 : point->low;
    point->high = point->points + eight_of_ten * error;
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++)
        point->chance[i] = chance_of(look, horizon, look->forecast->thresholds[i]);
}

/* -- times ------------------------------------------------------------------------------------ */

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
    return is_beyond_doubt(line);
}

static double ticks_to(const struct look *look, double threshold, double slope)
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

static void fill_times(struct forecast *forecast, struct look *look)
{
    struct forecast_reading *reading = &forecast->reading;
    struct forecast_line slow;
    double slope = look->slope, error = larger(look->whole.slope_error, look->fresh.slope_error);
    if (!is_beyond_doubt(&look->whole) && find_slow_slope(forecast, &forecast->window, &slow)) {
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

static enum forecast_trend trend_of(const struct look *look)
{
    double second = (double)SECOND_NS / (double)look->forecast->tick_ns;
    double slope = look->whole.slope * second;
    if (!is_beyond_doubt(&look->whole) || (slope >= -0.5 && slope <= 0.5))
        return FORECAST_STABLE;
    if (slope < 0)
        return FORECAST_DECREASING;
    return slope > 2 ? FORECAST_CRITICAL : FORECAST_INCREASING;
}

/* Start-ups that flatten, and thresholds that are far away, are no reason to warn. */
static bool may_warn(const struct forecast *forecast, double points, double threshold)
{
    bool is_young = forecast->ticks < YOUNG_TICKS && points < YOUNG_POINTS;
    return !is_young && points >= threshold - WARN_WITHIN;
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
    struct look look;
    struct forecast_reading *reading = &forecast->reading;
    look_at(forecast, &forecast->window, &look);
    reading->points = look.last;
    reading->slope = look.slope;
    reading->slope_error = look.whole.slope_error;
    reading->trend = trend_of(&look);
    reading->samples =
        forecast->ticks < FORECAST_TICKS ? (uint32_t)forecast->ticks : FORECAST_TICKS;
    for (unsigned i = 0; i < FORECAST_HORIZONS; i++)
        fill_point(&reading->at[i], &look, i);
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
