/* forecast_look.c - see forecast_look.h. */
#include "allocators/pressure/forecast_look.h"

enum {
    SUDDEN_TICKS = 10, /* that confirm growth which the long slope does not know yet, */
    OLD_ENOUGH = 40,   /* in no younger a program: */
    STEP_TICKS = 5,    /* programs that start take large single steps of so many ticks */
    STEPS = FORECAST_FIT_SHORT - STEP_TICKS,
};
static const double BEYOND_DOUBT = 6; /* slope / slope_error */
static const double MOST_POINTS = 200;

static double size_of(double x)
{
    return x < 0 ? -x : x;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double clip(double x, double most)
{
    return x < -most ? -most : x > most ? most : x;
}

static double between(double x, double least, double most)
{
    return x < least ? least : x > most ? most : x;
}

static double lesser(double a, double b)
{
    if ((a > 0) != (b > 0))
        return 0;
    return (a > 0) == (a < b) ? a : b;
}

bool forecast_look_is_beyond_doubt(const struct forecast_line *line)
{
    return size_of(line->slope) > BEYOND_DOUBT * line->slope_error;
}

/* -- slopes ----------------------------------------------------------------------------------- */

/* The line through `count` samples that end `before` ticks ago. */
static struct forecast_line line_of(const struct forecast_window *window, uint32_t count,
                                    uint32_t before)
{
    struct forecast_line line;
    uint32_t there = window->count - before;
    count = count < there ? count : there;
    forecast_fit_line(window->y + there - count, count, &line);
    return line;
}

/* The median of the newest steps of a few ticks: one jump among them does not move it. */
static double median_step(const struct forecast_window *window)
{
    double sorted[STEPS];
    uint32_t count = 0;
    uint32_t from = window->count > STEPS ? window->count - STEPS : 0;
    for (uint32_t i = from < STEP_TICKS ? STEP_TICKS : from; i < window->count; i++) {
        double step = (window->y[i] - window->y[i - STEP_TICKS]) / STEP_TICKS;
        uint32_t at = count++;
        for (; at > 0 && sorted[at - 1] > step; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = step;
    }
    return sorted[count / 2];
}

/* Of the line through the newest samples, or of a typical step, if that is less than half of it. */
static double fresh_slope(const struct forecast_look *look, const struct forecast_window *window)
{
    double fresh = look->fresh.slope, typical = lesser(fresh, median_step(window));
    return size_of(typical) < size_of(fresh) / 2 ? typical : fresh;
}

/* The lesser of a long and a fresh slope; the fresh one of growth that has begun, where there is
 * nothing but growth in its samples. */
static double agreed_slope(const struct forecast_look *look, struct forecast_window *window)
{
    double fresh = fresh_slope(look, window);
    double agreed = lesser(forecast_fit_median_slope(window), fresh);
    if (look->forecast->ticks < OLD_ENOUGH ||
        look->fresh.explained < look->forecast->fitted->sudden)
        return agreed;
    double sudden = lesser(fresh, line_of(window, SUDDEN_TICKS, 0).slope);
    return size_of(sudden) > size_of(agreed) ? sudden : agreed;
}

/* How the growth of FORECAST_FIT_SHORT ticks has become less than that of as many before, beyond
 * doubt: caches that fill up. */
static double find_slowing(const struct forecast_look *look, const struct forecast_window *window)
{
    const uint32_t part = FORECAST_FIT_SHORT;
    if (window->count < 2 * part)
        return 1;
    bool has_three = window->count >= 3 * part;
    struct forecast_line old = line_of(window, part, has_three ? 2 * part : part);
    double was = size_of(old.slope), is = size_of(look->fresh.slope);
    double doubt = look->forecast->fitted->slowing * (old.slope_error + look->fresh.slope_error);
    if ((old.slope > 0) != (look->fresh.slope > 0) || was - is <= doubt)
        return 1;
    return larger(has_three ? forecast_fit_root(is / was) : is / was, 0.05);
}

static double largest_fall(const struct forecast_window *window)
{
    double top = window->y[0], fall = 0;
    for (uint32_t i = 1; i < window->count; i++) {
        top = larger(top, window->y[i]);
        fall = larger(fall, top - window->y[i]);
    }
    return fall;
}

static void choose_slope(struct forecast_look *look, struct forecast_window *window)
{
    look->slope = 0;
    look->start = look->last;
    look->fade = look->slowing = 1;
    switch (look->forecast->method) {
    case FORECAST_LEAST_SQUARES:
        look->slope = look->whole.slope;
        look->start = look->whole.end;
        break;
    case FORECAST_GATED:
        if (forecast_look_is_beyond_doubt(&look->whole) && look->whole.explained > 0.8) {
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
        look->slope = agreed_slope(look, window);
        look->slowing = find_slowing(look, window);
        break;
    default:
        break;
    }
}

void forecast_look_at(struct forecast *forecast, struct forecast_look *look)
{
    struct forecast_window *window = &forecast->window;
    uint32_t whole = window->count < FORECAST_FIT_LONG ? window->count : FORECAST_FIT_LONG;
    look->forecast = forecast;
    look->last = window->y[window->count - 1];
    look->whole = line_of(window, FORECAST_FIT_LONG, 0);
    look->fresh = line_of(window, FORECAST_FIT_SHORT, 0);
    look->fallen = largest_fall(window);
    look->step = forecast_fit_step(window->y + window->count - whole, whole);
    choose_slope(look, window);
}

/* -- ahead ------------------------------------------------------------------------------------ */

/* Growth over `ticks` as a multiple of the first tick's. */
static double sum_of_growth(const struct forecast_look *look, uint32_t ticks)
{
    const uint32_t part = FORECAST_FIT_SHORT;
    if (look->fade < 1) {
        double power = 1;
        for (uint32_t i = 0; i < ticks; i++)
            power *= look->fade;
        return (1 - power) / (1 - look->fade);
    }
    if (look->slowing >= 1)
        return ticks;
    double half = forecast_fit_root(look->slowing), sum = 0, now = half; /* a part's mean */
    for (; ticks >= part; ticks -= part, now *= look->slowing)
        sum += now * part;
    return sum + now / half * forecast_fit_root(half) * ticks;
}

/* What went up and down before will again: growth by less than such a fall is not believed. Nor is
 * growth by much more than in as long a time before: programs that start grow fast, most then stop.
 */
static double believed(const struct forecast_look *look, double added, uint32_t ticks)
{
    const struct forecast_window *window = &look->forecast->window;
    const struct forecast_fitted *fitted = look->forecast->fitted;
    if (look->forecast->method != FORECAST_AGREE)
        return added;
    if (added > 0)
        added *= 1 - between((look->fallen - fitted->falls) / added, 0, 1);
    uint32_t back = ticks < window->count ? ticks : window->count - 1;
    double came = size_of(look->last - window->y[window->count - 1 - back]);
    return clip(added, fitted->lasts * came + fitted->beyond);
}

/* May be beyond the limit: how far, tells how likely it is to come there. */
static double extend(const struct forecast_look *look, uint32_t ticks)
{
    double added = look->slope * sum_of_growth(look, ticks);
    return between(look->start + believed(look, added, ticks), 0, MOST_POINTS);
}

/* -- chances ---------------------------------------------------------------------------------- */

/* How far off a forecast will be: the line's spread and the doubt about its slope, and steps that
 * add up as in a random walk. */
static double error_ahead(const struct forecast_look *look, double ticks)
{
    double doubt = look->whole.slope_error * ticks;
    double spread = look->whole.spread;
    return forecast_fit_root(spread * spread + doubt * doubt + look->step * look->step * ticks) +
           0.05;
}

static double trust_in(const struct forecast_line *line)
{
    const double full = 20; /* slope / slope_error */
    double t = line->slope / (line->slope_error + 1e-6);
    return t < 0 ? 0 : t > full ? 1 : t / full;
}

/* A logistic model of two things: by how many times its error the forecast passes the threshold;
 * and, as far as the growth is beyond doubt, by how many times a quarter of what it adds (a step
 * that is typical of growth makes the error of a steady ramp look large). */
static void fill_chance(struct forecast_point *point, const struct forecast_look *look,
                        unsigned horizon, unsigned i)
{
    const double most = 4; /* beyond it there was too little to fit to */
    const double *model = look->forecast->fitted->chance[horizon];
    double threshold = look->forecast->thresholds[i];
    uint32_t ticks = forecast_horizons[horizon];
    double points = extend(look, ticks), added = size_of(points - look->last);
    double passed = clip((points - threshold) / error_ahead(look, ticks), most);
    double grown = clip((points - threshold) / (0.5 + added / 4), most) * trust_in(&look->whole);
    double logit = model[0] + model[1] * passed + model[2] * grown;
    point->passed[i] = passed;
    point->grown[i] = grown;
    point->chance[i] = look->last >= threshold ? 1 : 1 / (1 + forecast_fit_exp(-logit));
}

void forecast_look_ahead(const struct forecast_look *look, unsigned horizon,
                         struct forecast_point *point)
{
    const double eight_of_ten = 1.28; /* standard deviations of a normal error */
    uint32_t ticks = forecast_horizons[horizon];
    double error = error_ahead(look, ticks);
    double most = larger(100, look->last);
    point->points = between(extend(look, ticks), 0, most);
    point->low = larger(point->points - eight_of_ten * error, 0);
    point->high = point->points + eight_of_ten * error;
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++)
        fill_chance(point, look, horizon, i);
}
