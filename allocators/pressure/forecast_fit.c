/* forecast_fit.c - see forecast_fit.h. */
#include "allocators/pressure/forecast_fit.h"

#include "allocators/base/check.h"

/* -- functions -------------------------------------------------------------------------------- */

double forecast_fit_root(double x)
{
    return x > 0 ? __builtin_sqrt(x) : 0;
}

/* Halved until the series converges in eight terms, then squared again: 12 digits. */
double forecast_fit_exp(double x)
{
    if (x < -40)
        return 0;
    x = x > 40 ? 40 : x;
    double part = x / 256, sum = 1, term = 1;
    for (int i = 1; i <= 8; i++) {
        term *= part / i;
        sum += term;
    }
    for (int i = 0; i < 8; i++)
        sum *= sum;
    return sum;
}

/* -- least squares ---------------------------------------------------------------------------- */

/* Von Storch's factor: how many independent samples are worth `count` that hang together. */
static double worth(const double *y, uint32_t count, const struct forecast_line *line,
                    double squares)
{
    double products = 0, before = 0;
    for (uint32_t i = 0; i < count; i++) {
        double rest = y[i] - line->end - line->slope * ((double)i - (double)(count - 1));
        products += rest * before;
        before = rest;
    }
    double hang = squares > 0 ? products / squares : 0;
    hang = hang < 0 ? 0 : hang > 0.95 ? 0.95 : hang;
    double samples = count * (1 - hang) / (1 + hang);
    return samples < 3 ? 3 : samples;
}

void forecast_fit_line(const double *y, uint32_t count, struct forecast_line *line)
{
    MP_ASSERT(count >= 3);
    double middle = (count - 1) / 2.0, mean = 0, xy = 0, yy = 0;
    for (uint32_t i = 0; i < count; i++)
        mean += y[i];
    mean /= count;
    for (uint32_t i = 0; i < count; i++) {
        xy += (i - middle) * (y[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
    }
    double xx = count * ((double)count * count - 1) / 12;
    line->slope = xy / xx;
    line->end = mean + line->slope * middle;
    double squares = yy - line->slope * xy;
    squares = squares < 0 ? 0 : squares;
    line->explained = yy > 0 ? 1 - squares / yy : 0;
    line->spread = forecast_fit_root(squares / (count - 2));
    double samples = worth(y, count, line, squares);
    line->slope_error = line->spread / forecast_fit_root(xx) * forecast_fit_root(count / samples);
}

double forecast_fit_step(const double *y, uint32_t count)
{
    MP_ASSERT(count >= 3);
    double mean = (y[count - 1] - y[0]) / (count - 1), squares = 0;
    for (uint32_t i = 1; i < count; i++)
        squares += (y[i] - y[i - 1] - mean) * (y[i] - y[i - 1] - mean);
    return forecast_fit_root(squares / (count - 2));
}

/* -- the median of all slopes ----------------------------------------------------------------- */

static void exchange(float *a, float *b)
{
    float kept = *a;
    *a = *b;
    *b = kept;
}

/* Hoare's quickselect; the pivot from the middle, as slopes of a ramp are almost sorted. */
static float select_nth(float *values, int32_t count, int32_t nth)
{
    int32_t from = 0, to = count - 1;
    while (from < to) {
        float pivot = values[(from + to) / 2];
        int32_t i = from, j = to;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i <= j)
                exchange(&values[i++], &values[j--]);
        }
        if (nth <= j)
            to = j;
        else if (nth >= i)
            from = i;
        else
            return values[nth];
    }
    return values[nth];
}

double forecast_fit_median_slope(struct forecast_window *window)
{
    uint32_t count = window->count < FORECAST_FIT_LONG ? window->count : FORECAST_FIT_LONG;
    const double *y = window->y + window->count - count;
    int32_t pairs = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = i + 1; j < count; j++)
            window->pairs[pairs++] = (float)((y[j] - y[i]) / (j - i));
    }
    MP_ASSERT(pairs <= FORECAST_FIT_PAIRS);
    return pairs > 0 ? (double)select_nth(window->pairs, pairs, pairs / 2) : 0;
}

/* -- smoothing -------------------------------------------------------------------------------- */

void forecast_fit_smooth(const struct forecast_window *window, double *level, double *growth)
{
    const double of_level = 0.3, of_growth = 0.1; /* the weights of the newest sample */
    double at = window->y[0], by = 0;
    for (uint32_t i = 1; i < window->count; i++) {
        double expected = at + FORECAST_FIT_DAMPING * by;
        double next = of_level * window->y[i] + (1 - of_level) * expected;
        by = of_growth * (next - at) + (1 - of_growth) * FORECAST_FIT_DAMPING * by;
        at = next;
    }
    *level = at;
    *growth = FORECAST_FIT_DAMPING * by;
}
