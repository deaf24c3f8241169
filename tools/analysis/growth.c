/* growth.c - see growth.h. */
#include "tools/analysis/growth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEAST_BATCHES = 6,
    LAGS_MOST = COURSE_SLICES / COURSE_CYCLES_LEAST, /* of a period: so often it must come */
};

/* Student's t by degrees of freedom: 99 % one-sided, 95 % two-sided. */
static const double t99[] = {INFINITY, 31.821, 6.965, 4.541, 3.747, 3.365, 3.143, 2.998, 2.896};
static const double t95[] = {INFINITY, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306};
_Static_assert(GROWTH_BATCHES == sizeof t99 / sizeof t99[0] + 1, "a difference less, and a mean");

/* -- one series ------------------------------------------------------------------------------- */

static double mean_of(const double *value, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += value[i];
    return to > from ? sum / (double)(to - from) : 0;
}

/* Pairs that rise less pairs that fall. */
static int count_rises(const double *value, size_t count)
{
    int rises = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++)
            rises += (value[j] > value[i]) - (value[j] < value[i]);
    }
    return rises;
}

/* The chance that a random order of so many has at least that many rises: orders with few
 * inversions, counted by the place that the next one takes. */
static double chance_of(int rises, size_t count)
{
    enum { PAIRS = GROWTH_BATCHES * (GROWTH_BATCHES - 1) / 2 };
    double orders[PAIRS + 1] = {1}, next[PAIRS + 1], all = 0, few = 0;
    size_t pairs = count * (count - 1) / 2;
    for (size_t n = 2; n <= count; n++) {
        for (size_t k = 0; k <= PAIRS; k++) {
            next[k] = 0;
            for (size_t i = 0; i < n && i <= k; i++)
                next[k] += orders[k - i];
        }
        memcpy(orders, next, sizeof orders);
    }
    for (size_t k = 0; k <= pairs; k++) {
        all += orders[k];
        if ((int)pairs - 2 * (int)k >= rises)
            few += orders[k];
    }
    return few / all;
}

/* What the differences of neighbouring means say: 2, 3 and the interval, in units of a batch. */
static void judge_steps(const double *mean, size_t count, struct growth_trend *trend)
{
    size_t steps = count - 1;
    double average = (mean[count - 1] - mean[0]) / (double)steps, squares = 0;
    for (size_t i = 0; i < steps; i++) {
        double off = mean[i + 1] - mean[i] - average;
        squares += off * off;
    }
    double error = sqrt(squares / (double)(steps - 1) / (double)steps);
    double first = mean[count / 2] - mean[0], second = mean[count - 1] - mean[(count - 1) / 2];
    trend->low = average - t95[steps - 1] * error;
    trend->high = average + t95[steps - 1] * error;
    trend->goes_on = average > t99[steps - 1] * error && second >= first / 2;
}

bool growth_judge(const double *level, size_t count, struct growth_trend *trend)
{
    size_t warm = count / 5, rest = count - warm, third = rest / 3;
    size_t batches = rest < GROWTH_BATCHES ? rest : GROWTH_BATCHES;
    double mean[GROWTH_BATCHES];
    *trend = (struct growth_trend){.chance = 1};
    if (batches < LEAST_BATCHES)
        return false;
    for (size_t i = 0; i < batches; i++)
        mean[i] = mean_of(level, warm + i * rest / batches, warm + (i + 1) * rest / batches);
    trend->early = mean_of(level, warm, warm + third);
    trend->late = mean_of(level, count - third, count);
    trend->rate = (trend->late - trend->early) / (double)(rest - third);
    trend->chance = chance_of(count_rises(mean, batches), batches);
    judge_steps(mean, batches, trend);
    double cycles = (double)rest / (double)batches;
    trend->low /= cycles;
    trend->high /= cycles;
    return true;
}

/* -- where there are no marks ----------------------------------------------------------------- */

/* How alike a series, less its line, is to itself so many slices later: -1 to 1. */
static double correlate(const double *off, size_t count, size_t lag)
{
    double product = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        squares += off[i] * off[i];
        product += i >= lag ? off[i] * off[i - lag] : 0;
    }
    return squares > 0 ? product / squares : 0;
}

static void take_line_off(double *level, size_t count)
{
    double middle = (double)(count - 1) / 2, mean = mean_of(level, 0, count), up = 0, across = 0;
    for (size_t i = 0; i < count; i++) {
        up += ((double)i - middle) * (level[i] - mean);
        across += ((double)i - middle) * ((double)i - middle);
    }
    for (size_t i = 0; i < count; i++)
        level[i] -= mean + up / across * ((double)i - middle);
}

/* The period of what all stacks hold together, in slices; 0: none is plain to see. */
static size_t find_period(const double *level, size_t count)
{
    double off[COURSE_SLICES], best = 0.4;
    size_t period = 0;
    memcpy(off, level, count * sizeof off[0]);
    take_line_off(off, count);
    for (size_t lag = 3; lag <= LAGS_MOST; lag++) {
        double here = correlate(off, count, lag);
        bool is_top =
            here > correlate(off, count, lag - 1) && here >= correlate(off, count, lag + 1);
        if (is_top && here > best) {
            best = here;
            period = lag;
        }
    }
    return period;
}

/* Where in the period least is held. */
static size_t find_low(const double *level, size_t count, size_t period)
{
    size_t low = 0;
    double least = INFINITY;
    for (size_t phase = 0; phase < period; phase++) {
        double sum = 0, times = 0;
        for (size_t i = phase; i < count; i += period, times++)
            sum += level[i];
        if (times > 0 && sum / times < least) {
            least = sum / times;
            low = phase;
        }
    }
    return low;
}

/* -- which moments ---------------------------------------------------------------------------- */

/* The moments that growth is judged by: numbers of the course. */
struct low_points {
    size_t count;
    size_t at[COURSE_MOST];
};

static void add_marked(const struct course *course, struct low_points *low)
{
    for (size_t i = 0; i < course->moments; i++) {
        if (course->moment[i].is_low)
            low->at[low->count++] = i;
    }
}

static void add_slices(const struct analysis *analysis, const int64_t *total,
                       struct low_points *low, struct growth *growth)
{
    const struct course *course = &analysis->course;
    double level[COURSE_SLICES];
    size_t slice[COURSE_SLICES], count = 0;
    for (size_t i = 0; i < course->moments; i++) {
        if (course->moment[i].mark == 0) {
            level[count] = (double)total[i];
            slice[count++] = i;
        }
    }
    size_t period = count == 0 ? 0 : find_period(level, count);
    size_t first = period == 0 ? 0 : find_low(level, count, period);
    growth->basis = period == 0 ? GROWTH_SLICES : GROWTH_PERIODS;
    for (size_t i = first; i < count; i += period == 0 ? 1 : period)
        low->at[low->count++] = slice[i];
}

static void find_low_points(const struct analysis *analysis, const int64_t *total,
                            struct low_points *low, struct growth *growth)
{
    const struct course *course = &analysis->course;
    growth->basis = GROWTH_MARKS;
    growth->label = course->label;
    if (course->label != NULL)
        add_marked(course, low);
    else
        add_slices(analysis, total, low, growth);
    growth->cycles = low->count;
    if (low->count < COURSE_CYCLES_LEAST) {
        growth->basis = GROWTH_UNKNOWN;
        return;
    }
    uint64_t first_ns = course->moment[low->at[0]].time_ns;
    growth->cycle_ns =
        (course->moment[low->at[low->count - 1]].time_ns - first_ns) / (low->count - 1);
}

/* -- all stacks ------------------------------------------------------------------------------- */

static bool judge(const int64_t *bytes, const struct low_points *low, struct growth_trend *trend,
                  bool *has_changed)
{
    double level[COURSE_MOST];
    *has_changed = false;
    for (size_t i = 0; i < low->count; i++) {
        level[i] = (double)bytes[low->at[i]];
        *has_changed = *has_changed || (i > low->count / 5 && level[i] != level[i - 1]);
    }
    return growth_judge(level, low->count, trend);
}

static int by_rate(const void *a, const void *b)
{
    const struct growing *one = a, *other = b;
    if (one->trend.rate != other->trend.rate)
        return one->trend.rate < other->trend.rate ? 1 : -1;
    return (one->group.node > other->group.node) - (one->group.node < other->group.node);
}

static void keep_certain(struct growth *growth)
{
    size_t kept = 0;
    double worst = 0;
    for (size_t i = 0; i < growth->found; i++) {
        double chance = growth->growing[i].trend.chance * (double)growth->tested;
        if (chance > GROWTH_ALARM)
            continue;
        worst = chance > worst ? chance : worst;
        growth->growing[kept++] = growth->growing[i];
    }
    growth->found = kept;
    growth->confidence = 1 - worst;
    if (kept > 1)
        qsort(growth->growing, kept, sizeof growth->growing[0], by_rate);
}

static void judge_groups(struct growth *growth, const struct groups *groups,
                         const struct low_points *low, int64_t *bytes)
{
    for (size_t i = 0; i < groups->groups; i++) {
        struct growth_trend trend;
        bool has_changed;
        groups_read_course(groups, &groups->group[i], bytes);
        bool is_known = judge(bytes, low, &trend, &has_changed);
        growth->tested += has_changed;
        if (is_known && has_changed && trend.goes_on)
            growth->growing[growth->found++] = (struct growing){groups->group[i], trend};
    }
    keep_certain(growth);
}

void growth_read(struct growth *growth, const struct groups *groups)
{
    struct analysis *analysis = groups->analysis;
    struct low_points low = {0};
    bool has_changed;
    *growth = (struct growth){.basis = GROWTH_UNKNOWN};
    int64_t *bytes = store_alloc(analysis->store, analysis->course.moments + 1, sizeof bytes[0]);
    course_read(&analysis->course, bytes);
    find_low_points(analysis, bytes, &low, growth);
    if (growth->basis != GROWTH_UNKNOWN) {
        judge(bytes, &low, &growth->total, &has_changed);
        growth->growing =
            store_alloc(analysis->store, groups->groups + 1, sizeof growth->growing[0]);
        judge_groups(growth, groups, &low, bytes);
    }
    store_free(bytes);
}
