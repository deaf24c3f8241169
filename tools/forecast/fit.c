/* fit.c - the numbers of forecast_fitted: first those of the method, one after the other, each the
 * best of a few; then the models of chances, by Newton's method on their likelihood; last how many
 * ticks a program is too young to be told anything.
 *
 * Fitted is to every other series of each class; all classes count the same, however long. Then all
 * of it once more, to the others: so every series tells once what was chosen without it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/forecast/forecast.h"
#include "tools/trace/memory.h"

enum { CLASSES = 8, TRIES = 6, NUMBERS = 5, PASSES = 2, PODS_A_TRY = 4, TERMS = 3 };

struct fit {
    const struct forecast_request *request;
    const char *class[CLASSES];
    unsigned classes;
    unsigned char *half; /* of each series: 0 is fitted to */
    unsigned *rank;      /* of each series in its class's half */
};

static void choose_halves(struct fit *fit)
{
    unsigned members[CLASSES] = {0};
    fit->half = memory_alloc(fit->request->list.count, sizeof(*fit->half));
    fit->rank = memory_alloc(fit->request->list.count, sizeof(*fit->rank));
    for (size_t i = 0; i < fit->request->list.count; i++) {
        const char *name = fit->request->list.series[i].class;
        unsigned class = 0;
        while (class < fit->classes && strcmp(fit->class[class], name) != 0)
            class ++;
        if (class == CLASSES)
            class = 0;
        else if (class == fit->classes)
            fit->class[fit->classes++] = name;
        fit->half[i] = members[class] % 2 != 0;
        fit->rank[i] = members[class]++ / 2;
    }
}

/* -- the method's numbers --------------------------------------------------------------------- */

/* One class of a half, `part`: one series in so many. */
static void score_class(const struct fit *fit, unsigned class, unsigned half, unsigned part,
                        unsigned rule, struct score *score)
{
    for (size_t i = 0; i < fit->request->list.count; i++) {
        const struct series *series = &fit->request->list.series[i];
        if (fit->half[i] == half && fit->rank[i] % part == 0 &&
            strcmp(series->class, fit->class[class]) == 0)
            score_series(score, series, rule, fit->request->thresholds,
                         forecast_limit_of(fit->request, series));
    }
}

static unsigned part_of(const struct fit *fit, unsigned class)
{
    return strcmp(fit->class[class], "pods") == 0 ? PODS_A_TRY : 1;
}

/* Errors, and forecasts that are 5 points off, to those of persistence: the sum. Errors of more
 * than a tenth above it count six times: a forecast must not be worse than none. */
static double badness(const struct score *score, const struct score *still)
{
    double sum = 0;
    for (unsigned i = 0; i < FORECAST_HORIZONS && score->forecasts[i] > 0; i++) {
        double error = score_mean_error(score, i) / (score_mean_error(still, i) + 0.01);
        sum += error + (1 - score_within(score, i)) / (1 - score_within(still, i) + 0.01);
        sum += error > 1.1 ? 5 * (error - 1.1) : 0;
    }
    return sum;
}

static double try(const struct fit *fit, const struct forecast_fitted *fitted,
                  const struct score *still)
{
    double sum = 0;
    for (unsigned class = 0; class < fit->classes; class ++) {
        struct score score = {.fitted = fitted};
        score_class(fit, class, 0, part_of(fit, class), FORECAST_AGREE, &score);
        sum += badness(&score, &still[class]);
    }
    return sum;
}

static void fit_numbers(const struct fit *fit, struct forecast_fitted *fitted)
{
    static const double tries[NUMBERS][TRIES] = {{0.5, 0.75, 1, 1.5, 2, 3},
                                                 {5, 8, 10, 12, 15, 20},
                                                 {2, 3, 5, 8, 12, 20},
                                                 {0.9, 0.95, 0.97, 0.98, 0.99, 2},
                                                 {1, 2, 3, 4, 6, 1000}};
    double *const number[NUMBERS] = {&fitted->lasts, &fitted->beyond, &fitted->falls,
                                     &fitted->sudden, &fitted->slowing};
    struct score still[CLASSES] = {{0}};
    for (unsigned class = 0; class < fit->classes; class ++)
        score_class(fit, class, 0, part_of(fit, class), FORECAST_PERSISTENCE, &still[class]);
    for (unsigned i = 0; i < PASSES * NUMBERS; i++) {
        double best = 0, least = INFINITY;
        for (unsigned k = 0; k < TRIES; k++) {
            *number[i % NUMBERS] = tries[i % NUMBERS][k];
            double sum = try(fit, fitted, still);
            if (sum < least) {
                least = sum;
                best = tries[i % NUMBERS][k];
            }
        }
        *number[i % NUMBERS] = best;
    }
}

/* -- chances ---------------------------------------------------------------------------------- */

/* Newton's method: the gradient and the matrix of second derivatives, summed over all samples. */
struct newton {
    const double *model;
    double gradient[TERMS], second[TERMS][TERMS];
};

struct visit {
    const struct score_course *course;
    unsigned horizon;
    double weight; /* of each sample of this class; 0: they are counted */
    uint64_t samples;
    struct newton *newton;
};

static bool comes(const struct score_course *course, size_t tick, uint32_t ticks, double threshold)
{
    for (size_t i = tick + 1; i <= tick + ticks; i++) {
        if (100 * course->series->used[i] / course->limit >= threshold)
            return true;
    }
    return false;
}

static void add_sample(struct newton *newton, const double x[TERMS], bool came, double weight)
{
    double logit = 0;
    for (unsigned i = 0; i < TERMS; i++)
        logit += newton->model[i] * x[i];
    double chance = 1 / (1 + exp(-logit));
    for (unsigned i = 0; i < TERMS; i++) {
        newton->gradient[i] += weight * (came - chance) * x[i];
        for (unsigned k = 0; k < TERMS; k++)
            newton->second[i][k] += weight * chance * (1 - chance) * x[i] * x[k];
    }
}

static void visit_chances(void *context, size_t tick, const struct forecast_reading *reading)
{
    struct visit *visit = context;
    const struct forecast_point *point = &reading->at[visit->horizon];
    uint32_t ticks = forecast_horizons[visit->horizon];
    if (tick + ticks >= visit->course->series->count)
        return;
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++) {
        double threshold = visit->course->thresholds[i];
        if (reading->points >= threshold)
            continue;
        const double x[TERMS] = {1, point->passed[i], point->grown[i]};
        visit->samples++;
        if (visit->weight > 0)
            add_sample(visit->newton, x, comes(visit->course, tick, ticks, threshold),
                       visit->weight);
    }
}

static void visit_class(const struct fit *fit, const struct forecast_fitted *fitted, unsigned class,
                        struct visit *visit)
{
    for (size_t i = 0; i < fit->request->list.count; i++) {
        const struct series *series = &fit->request->list.series[i];
        if (fit->half[i] != 0 || fit->rank[i] % part_of(fit, class) != 0 ||
            strcmp(series->class, fit->class[class]) != 0)
            continue;
        const struct score_course course = {series, FORECAST_AGREE, fitted,
                                            fit->request->thresholds,
                                            forecast_limit_of(fit->request, series)};
        visit->course = &course;
        score_run(&course, visit_chances, visit);
    }
}

/* second * step = gradient, by elimination; the matrix is positive. */
static void solve(struct newton *newton, double step[TERMS])
{
    for (unsigned i = 0; i < TERMS; i++) {
        newton->second[i][i] += 1e-6;
        for (unsigned row = i + 1; row < TERMS; row++) {
            double factor = newton->second[row][i] / newton->second[i][i];
            for (unsigned k = i; k < TERMS; k++)
                newton->second[row][k] -= factor * newton->second[i][k];
            newton->gradient[row] -= factor * newton->gradient[i];
        }
    }
    for (unsigned i = TERMS; i-- > 0;) {
        step[i] = newton->gradient[i];
        for (unsigned k = i + 1; k < TERMS; k++)
            step[i] -= newton->second[i][k] * step[k];
        step[i] /= newton->second[i][i];
    }
}

static void fit_chances(const struct fit *fit, struct forecast_fitted *fitted, unsigned horizon)
{
    enum { STEPS = 8 };
    double model[TERMS] = {0}, step[TERMS];
    uint64_t samples[CLASSES] = {0};
    for (unsigned class = 0; class < fit->classes; class ++) {
        struct visit counting = {.horizon = horizon};
        visit_class(fit, fitted, class, &counting);
        samples[class] = counting.samples;
    }
    for (unsigned i = 0; i < STEPS; i++) {
        struct newton newton = {.model = model};
        for (unsigned class = 0; class < fit->classes; class ++) {
            struct visit visit = {
                .horizon = horizon, .weight = 1 / ((double)samples[class] + 1), .newton = &newton};
            visit_class(fit, fitted, class, &visit);
        }
        solve(&newton, step);
        for (unsigned k = 0; k < TERMS; k++)
            model[k] += step[k];
    }
    memcpy(fitted->chance[horizon], model, sizeof(model));
}

/* -- the first ticks -------------------------------------------------------------------------- */

/* As score_f1, of warnings that are judged strictly. */
static double strict_f1(const struct score *score)
{
    double warnings = (double)(score->right + score->wrong + score->eventless);
    double precision = warnings > 0 ? (double)score->right / warnings : 0;
    double recall = score_recall(score);
    return precision > 0 && recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

/* The fewest of those that warn best. */
static void fit_newborn(const struct fit *fit, struct forecast_fitted *fitted)
{
    static const uint32_t tries[] = {0, 15, 20, 30, 45, 60, 90};
    double most = -1;
    uint32_t best = 0;
    for (unsigned k = 0; k < sizeof(tries) / sizeof(tries[0]); k++) {
        double sum = 0;
        fitted->newborn = tries[k];
        for (unsigned class = 0; class < fit->classes; class ++) {
            struct score score = {.fitted = fitted};
            score_class(fit, class, 0, part_of(fit, class), FORECAST_AGREE, &score);
            sum += strict_f1(&score);
        }
        if (sum > most + 1e-9) {
            most = sum;
            best = tries[k];
        }
    }
    fitted->newborn = best;
}

/* -- what came of it -------------------------------------------------------------------------- */

static void print_numbers(const struct forecast_fitted *fitted)
{
    printf("const struct forecast_fitted forecast_fitted = {\n    .lasts = %g,\n    .beyond = %g,\n"
           "    .falls = %g,\n    .sudden = %g,\n    .slowing = %g,\n    .newborn = %u,\n    "
           ".chance = {",
           fitted->lasts, fitted->beyond, fitted->falls, fitted->sudden, fitted->slowing,
           fitted->newborn);
    for (unsigned i = 0; i < FORECAST_HORIZONS; i++)
        printf("%s{%.2f, %.2f, %.2f}", i > 0 ? ", " : "", fitted->chance[i][0],
               fitted->chance[i][1], fitted->chance[i][2]);
    puts("},\n};\n");
}

static void print_half(const struct fit *fit, unsigned half, const struct forecast_fitted *fitted)
{
    printf("%s\n             error, to persistence's within warnings         false /1,000\n"
           "class            30    60   120       5 pts prec. recall   F1      strict Brier\n",
           half == 0 ? "Fitted to these:" : "\nNot fitted to these:");
    for (unsigned class = 0; class < fit->classes; class ++) {
        struct score score = {.fitted = fitted}, still = {0};
        score_class(fit, class, half, 1, FORECAST_AGREE, &score);
        score_class(fit, class, half, 1, FORECAST_PERSISTENCE, &still);
        printf("%-13s", fit->class[class]);
        for (unsigned i = 0; i < FORECAST_HORIZONS; i++)
            forecast_print_figure(6, "%6.2f",
                                  score_mean_error(&score, i) / score_mean_error(&still, i));
        forecast_print_figure(12, "%10.0f %%", 100 * score_within(&score, 1));
        forecast_print_figure(6, "%6.2f", score_precision(&score));
        forecast_print_figure(7, "%7.2f", score_recall(&score));
        forecast_print_figure(5, "%5.2f", score_f1(&score));
        forecast_print_figure(6, "%6.2f", score_false_per_1000(&score));
        forecast_print_figure(7, "%7.2f", score_false_strictly_per_1000(&score));
        forecast_print_figure(6, "%6.3f", score_brier(&score));
        putchar('\n');
    }
}

/* What the first ticks are worth where nothing was fitted to: all of them told of, none of those
 * that were chosen, none of the library's. */
static void print_newborn(const struct fit *fit, const struct forecast_fitted *chosen)
{
    enum { WAYS = 3 };
    const uint32_t ticks[WAYS] = {0, chosen->newborn, forecast_fitted.newborn};
    printf("\nNothing foretold of the first %u ticks, chosen on half the series; on the others:\n"
           "             strictly false in 1,000          recall\n"
           "class          none  chosen %6u      none  chosen %6u\n",
           ticks[1], ticks[2], ticks[2]);
    for (unsigned class = 0; class < fit->classes; class ++) {
        struct score scores[WAYS];
        for (unsigned way = 0; way < WAYS; way++) {
            struct forecast_fitted fitted = *chosen;
            fitted.newborn = ticks[way];
            scores[way] = (struct score){.fitted = &fitted};
            score_class(fit, class, 1, 1, FORECAST_AGREE, &scores[way]);
        }
        printf("%-11s", fit->class[class]);
        for (unsigned way = 0; way < WAYS; way++)
            forecast_print_figure(8, "%8.2f", score_false_strictly_per_1000(&scores[way]));
        printf("  ");
        for (unsigned way = 0; way < WAYS; way++)
            forecast_print_figure(8, "%8.2f", score_recall(&scores[way]));
        putchar('\n');
    }
}

static void fit_to_half(const struct fit *fit, struct forecast_fitted *fitted)
{
    *fitted = forecast_fitted;
    fit_numbers(fit, fitted);
    for (unsigned i = 0; i < FORECAST_HORIZONS; i++)
        fit_chances(fit, fitted, i);
    fit_newborn(fit, fitted);
}

void forecast_fit(const struct forecast_request *request)
{
    struct fit fit = {.request = request};
    struct forecast_fitted fitted;
    choose_halves(&fit);
    fit_to_half(&fit, &fitted);
    print_numbers(&fitted);
    for (unsigned half = 0; half < 2; half++)
        print_half(&fit, half, &fitted);
    print_newborn(&fit, &fitted);
    for (size_t i = 0; i < request->list.count; i++)
        fit.half[i] = !fit.half[i];
    fit_to_half(&fit, &fitted);
    print_newborn(&fit, &fitted);
    free(fit.half);
    free(fit.rank);
}
