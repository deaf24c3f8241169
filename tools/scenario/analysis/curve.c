/* curve.c - see curve.h; the definitions are those of the project's README of this folder. */
#include "tools/scenario/analysis/curve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace/memory.h"

enum { WINDOWS_FEW = 3, STEPS_JUDGED = 4 };

const char *curve_end_name(enum curve_end end)
{
    static const char *const names[] = {"held",      "killed", "failed",
                                        "collapsed", "hung",   "ended by itself"};
    return names[end];
}

/* -- points: the completed levels by falling budget ---------------------------------------------
 */

struct point {
    double budget;
    double service; /* median over the windows of all levels at this budget */
    double error;   /* standard error of that median, relative */
};

struct points {
    struct point *at;
    size_t count;
};

static int compare_budgets(const void *a_, const void *b_)
{
    const struct point *a = a_, *b = b_;
    return (a->budget < b->budget) - (a->budget > b->budget);
}

/* Of a normal sample's median: 1.253 s / sqrt(n). */
static double find_error(const struct curve_level *level, double noise)
{
    double spread = level->windows < WINDOWS_FEW ? 0 : sample_spread(level->window, level->windows);
    return 1.253 * fmax(spread, noise / 2) / sqrt((double)level->windows);
}

/* Levels that were visited twice (spikes, a sawtooth) are one point each: their mean. */
static void join_equal(struct points *points, double least_step)
{
    size_t kept = 0, joined = 1;
    for (size_t i = 1; i < points->count; i++) {
        struct point *last = &points->at[kept], *point = &points->at[i];
        if (last->budget - point->budget >= least_step) {
            points->at[++kept] = *point;
            joined = 1;
            continue;
        }
        double old = (double)joined++;
        last->service = (last->service * old + point->service) / (old + 1);
        last->error = fmax(last->error, point->error);
    }
    points->count = points->count == 0 ? 0 : kept + 1;
}

static void find_points(const struct curve *curve, double noise, struct points *points)
{
    points->at = memory_alloc(curve->levels + 1, sizeof(*points->at));
    points->count = 0;
    for (size_t i = 0; i < curve->levels; i++) {
        const struct curve_level *level = &curve->level[i];
        if (level->end != CURVE_HELD || level->windows == 0)
            continue;
        points->at[points->count++] =
            (struct point){.budget = level->budget,
                           .service = sample_median(level->window, level->windows),
                           .error = find_error(level, noise)};
    }
    qsort(points->at, points->count, sizeof(*points->at), compare_budgets);
    join_equal(points, 0.01 * curve->peak);
}

/* -- degradation ------------------------------------------------------------------------------ */

/* (The lowest level is the floor, but for rounding.) */
static bool is_above_floor(const struct curve *curve, const struct curve_level *level)
{
    return level->budget >= 0.999999 * curve->floor;
}

/* A kill or a hang above the floor is none of grace; giving up with a word is. */
static bool has_ended_badly(const struct curve *curve)
{
    for (size_t i = 0; i < curve->levels; i++) {
        const struct curve_level *level = &curve->level[i];
        bool is_bad = level->end == CURVE_KILLED || level->end == CURVE_HUNG ||
                      (level->end == CURVE_FAILED && !level->is_clean);
        if (is_bad && is_above_floor(curve, level))
            return true;
    }
    return false;
}

static bool is_broken_above_floor(const struct curve *curve)
{
    for (size_t i = 0; i < curve->levels; i++) {
        if (curve->level[i].end != CURVE_HELD && is_above_floor(curve, &curve->level[i]))
            return curve->is_floor_declared;
    }
    return false;
}

static double find_degradation(const struct curve *curve, const struct points *points, double m0)
{
    double most = 0;
    for (size_t i = 0; i < points->count; i++)
        most = fmax(most, points->at[i].service / m0);
    return is_broken_above_floor(curve) || points->count == 0 ? INFINITY : most;
}

static double find_latency_ratio(const struct curve *curve, unsigned which)
{
    double most = NAN;
    for (size_t i = 0; i < curve->levels && curve->latency[which] > 0; i++) {
        const struct curve_level *level = &curve->level[i];
        if (level->end == CURVE_HELD && level->latency[which] > 0)
            most = fmax(most, level->latency[which] / curve->latency[which]);
    }
    return is_broken_above_floor(curve) && !isnan(most) ? INFINITY : most;
}

/* -- monotone, no cliff ----------------------------------------------------------------------- */

void curve_fit_isotonic(const double *value, size_t count, double *fit)
{
    double *weight = memory_alloc(count + 1, sizeof(*weight));
    double *level = memory_alloc(count + 1, sizeof(*level));
    size_t blocks = 0;
    for (size_t i = 0; i < count; i++) {
        level[blocks] = value[i];
        weight[blocks++] = 1;
        while (blocks > 1 && level[blocks - 2] > level[blocks - 1]) {
            double sum = weight[blocks - 2] + weight[blocks - 1];
            level[blocks - 2] =
                (level[blocks - 2] * weight[blocks - 2] + level[blocks - 1] * weight[blocks - 1]) /
                sum;
            weight[blocks - 2] = sum;
            blocks--;
        }
    }
    size_t at = 0;
    for (size_t block = 0; block < blocks; block++) {
        for (size_t i = 0; i < (size_t)weight[block]; i++)
            fit[at++] = level[block];
    }
    free(weight);
    free(level);
}

/* The residual of the fit may be a tenth of the whole degradation, or what two standard errors of
 * the medians explain, or nowhere more than what is as good as before: a flat curve is monotone.
 * What is faster than the baseline, as it touches less, is as good as it too. */
static void judge_fit(const struct points *points, double m0, struct curve_figures *figures)
{
    double *service = memory_alloc(points->count + 1, sizeof(*service));
    double *fit = memory_alloc(points->count + 1, sizeof(*fit));
    double off = 0, off_most = 0, whole = 0, errors = 0;
    for (size_t i = 0; i < points->count; i++)
        service[i] = fmax(points->at[i].service, m0);
    curve_fit_isotonic(service, points->count, fit);
    for (size_t i = 0; i < points->count; i++) {
        off += fabs(service[i] - fit[i]);
        off_most = fmax(off_most, fabs(service[i] - fit[i]));
        whole += fmax(0, service[i] - m0);
        errors += points->at[i].error * service[i];
    }
    bool is_noise = off <= 2 * errors || off_most <= (CURVE_RECOVERED - 1) * m0;
    figures->residual = is_noise || whole == 0 ? 0 : off / whole;
    figures->is_monotone = figures->residual <= 0.10;
    free(service);
    free(fit);
}

static void judge_step(const struct curve *curve, const struct point *from, const struct point *to,
                       struct curve_figures *figures)
{
    double ratio = to->service / from->service;
    double low = ratio * (1 - 2 * to->error) / (1 + 2 * from->error);
    double steps = fmax(1, (from->budget - to->budget) / (CURVE_STEP * curve->peak));
    if (low > 0)
        figures->steepest = fmax(figures->steepest, pow(low, 1 / steps));
    double parts = steps <= STEPS_JUDGED ? 1 : steps; /* of a wide one nobody knows where it fell */
    if (figures->degradation >= 2 && isfinite(figures->degradation))
        figures->cliff = fmax(figures->cliff, log(ratio) / log(figures->degradation) / parts);
}

static void judge_steps(const struct curve *curve, const struct points *points,
                        struct curve_figures *figures)
{
    struct point before = {.budget = fmax(curve->peak, 0), .service = figures->baseline};
    figures->steepest = 1;
    figures->cliff = 0;
    if (points->count > 0)
        before.budget = fmax(before.budget, points->at[0].budget + CURVE_STEP * curve->peak);
    for (size_t i = 0; i < points->count; i++) {
        judge_step(curve, &before, &points->at[i], figures);
        before = points->at[i];
    }
    figures->is_without_cliff = figures->steepest <= 2 && figures->cliff <= 0.5;
}

/* -- recovery --------------------------------------------------------------------------------- */

enum { RECOVERY_PARTS = 3, RECOVERY_WINDOWS = 3 };

/* Are the medians of each second from moment `first` on as good as before, for three seconds and
 * three windows? That window itself is to be, too: up to half of the first second might be as slow
 * as under pressure, and nobody would see it in the median. */
static bool is_recovered_from(const struct curve *curve, size_t first, double most)
{
    if (curve->recovery[first].service > most)
        return false;
    double begin = first == 0 ? 0 : curve->recovery[first - 1].at;
    double *part = memory_alloc(curve->moments, sizeof(*part));
    size_t in_part = 0, seen = 0;
    double part_end = begin + 1;
    bool is_good = true, is_long = false;
    for (size_t i = first; i < curve->moments && is_good && !is_long; i++) {
        part[in_part++] = curve->recovery[i].service;
        seen++;
        if (curve->recovery[i].at < part_end - 1e-9)
            continue;
        is_good = sample_median(part, in_part) <= most;
        part_end = curve->recovery[i].at + 1;
        in_part = 0;
        is_long =
            curve->recovery[i].at - begin >= RECOVERY_PARTS - 1e-9 && seen >= RECOVERY_WINDOWS;
    }
    free(part);
    return is_good && is_long;
}

/* The median of the last second, or of five windows: what a recovery lasts is judged by too. */
static double find_last(const struct curve *curve)
{
    enum { LEAST = 5 };
    double *service = memory_alloc(curve->moments + 1, sizeof(*service));
    size_t count = 0;
    for (size_t i = curve->moments; i-- > 0;) {
        if (count >= LEAST && curve->recovery[i].at < curve->recovery[curve->moments - 1].at - 1)
            break;
        service[count++] = curve->recovery[i].service;
    }
    double median = sample_median(service, count);
    free(service);
    return median;
}

static void judge_recovery(const struct curve *curve, struct curve_figures *figures)
{
    figures->recovery = INFINITY;
    for (size_t i = 0; i < curve->moments; i++) {
        if (!is_recovered_from(curve, i, CURVE_RECOVERED * figures->baseline))
            continue;
        figures->recovery = i == 0 ? 0 : curve->recovery[i - 1].at;
        break;
    }
    if (figures->recovery > curve->patience)
        figures->recovery = INFINITY;
    if (!curve->is_recovery_watched)
        figures->recovery = NAN;
    figures->is_recovering = !isinf(figures->recovery);
    figures->retention = curve->rss_before > 0 && curve->moments > 0
                             ? curve->rss_after / curve->rss_before - 1
                             : NAN;
    figures->slowdown = find_last(curve) / figures->baseline;
}

/* -- stability -------------------------------------------------------------------------------- */

/* Of the level's windows, those that it broke before among them. */
static double find_alive(const struct curve_level *level, double m0)
{
    size_t alive = 0;
    double done = level->end == CURVE_HELD ? 1 : level->done;
    for (size_t i = 0; i < level->windows; i++)
        alive += level->window[i] <= CURVE_COLLAPSE * m0;
    return level->windows == 0 ? 0 : done * (double)alive / (double)level->windows;
}

static void judge_stability(const struct curve *curve, struct curve_figures *figures)
{
    double *spread = memory_alloc(curve->levels + 1, sizeof(*spread));
    double alive = 0, stalled = 0, lasted = 0;
    size_t held = 0;
    for (size_t i = 0; i < curve->levels; i++) {
        const struct curve_level *level = &curve->level[i];
        alive += find_alive(level, figures->baseline);
        stalled += level->stalled * level->lasted;
        lasted += level->lasted;
        if (level->end == CURVE_HELD && level->windows >= WINDOWS_FEW)
            spread[held++] = sample_spread(level->window, level->windows);
    }
    figures->alive = curve->planned == 0 ? 0 : alive / (double)curve->planned;
    figures->steady = fmax(0, 1 - (held == 0 ? figures->noise : sample_median(spread, held)));
    figures->unstalled = fmax(0, 1 - (lasted == 0 ? 0 : stalled / lasted));
    figures->recovered =
        isnan(figures->recovery) ? NAN : fmax(0, 1 - figures->recovery / CURVE_RECOVERY_LONGEST);
    figures->stability =
        figures->alive * (figures->steady + figures->unstalled + figures->recovered) / 3;
    free(spread);
}

void curve_read(const struct curve *curve, struct curve_figures *figures)
{
    struct points points;
    *figures = (struct curve_figures){
        .baseline = sample_median(curve->baseline, curve->baselines),
        .noise = sample_spread(curve->baseline, curve->baselines),
    };
    find_points(curve, figures->noise, &points);
    figures->degradation = find_degradation(curve, &points, figures->baseline);
    for (unsigned which = 0; which < 2; which++)
        figures->latency[which] = find_latency_ratio(curve, which);
    figures->is_clean = !has_ended_badly(curve);
    judge_fit(&points, figures->baseline, figures);
    judge_steps(curve, &points, figures);
    judge_recovery(curve, figures);
    judge_stability(curve, figures);
    figures->is_graceful = figures->is_clean && figures->is_monotone && figures->is_without_cliff &&
                           figures->is_recovering;
    free(points.at);
}
