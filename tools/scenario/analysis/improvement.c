/* improvement.c - see improvement.h */
#include "tools/scenario/analysis/improvement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace/memory.h"

enum { ROUNDS = 400, COUNT_LEAST = 3 };
#define OVERHEAD_MOST 0.10

static const char too_slow[] = "it costs more than a tenth of time";
static const char by_chance[] = "it may be chance";

/* Both A's as one. */
static double *join(const double *a, size_t a_count, const double *b, size_t b_count)
{
    double *all = memory_alloc(a_count + b_count + 1, sizeof(*all));
    memcpy(all, a, a_count * sizeof(*all));
    memcpy(all + a_count, b, b_count * sizeof(*all));
    return all;
}

static double find_ratio(const double *with, size_t withs, const double *without, size_t withouts)
{
    double base = sample_mean(without, withouts);
    return base == 0 ? 1 : sample_mean(with, withs) / base;
}

static struct sample_interval find_interval(const double *with, size_t withs, const double *without,
                                            size_t withouts, struct sample_random *random)
{
    double *drawn = memory_alloc(withs + withouts + 1, sizeof(*drawn));
    double ratios[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        sample_draw(random, with, withs, drawn);
        sample_draw(random, without, withouts, drawn + withs);
        ratios[i] = find_ratio(drawn, withs, drawn + withs, withouts);
    }
    free(drawn);
    return sample_interval(ratios, ROUNDS);
}

void improvement_read(const struct improvement_side *before, const struct improvement_side *with,
                      const struct improvement_side *after, struct sample_random *random,
                      struct improvement *improvement)
{
    *improvement = (struct improvement){0};
    size_t without = before->count + after->count;
    if (with->count == 0 || without == 0)
        return;
    double *resident = join(before->resident, before->count, after->resident, after->count);
    double *service = join(before->service, before->count, after->service, after->count);
    struct sample_interval r =
        find_interval(with->resident, with->count, resident, without, random);
    struct sample_interval o = find_interval(with->service, with->count, service, without, random);
    improvement->reduction = 1 - find_ratio(with->resident, with->count, resident, without);
    improvement->reduction_interval = (struct sample_interval){1 - r.high, 1 - r.low};
    improvement->overhead = find_ratio(with->service, with->count, service, without) - 1;
    improvement->overhead_interval = (struct sample_interval){o.low - 1, o.high - 1};
    improvement->drift =
        find_ratio(after->resident, after->count, before->resident, before->count) - 1;
    improvement->objection = improvement->overhead > OVERHEAD_MOST      ? too_slow
                             : improvement->reduction_interval.low <= 0 ? by_chance
                             : with->count < COUNT_LEAST                ? "too few runs"
                                                                        : NULL;
    improvement->is_counted = improvement->objection == NULL;
    free(resident);
    free(service);
}

/* Between them it breaks: what all runs say, or what was seen. */
static struct sample_interval find_limits(const struct bisect *bisect)
{
    const struct belief_figures *figures = &bisect->figures;
    return figures->high > 0 ? (struct sample_interval){figures->low, figures->high}
                             : (struct sample_interval){bisect->bad, bisect->good};
}

/* Of the ratio, out of the intervals of its parts, which are known independently (Donner and Zou
 * 2012, "MOVER"; in logarithms). */
static struct sample_interval divide(const struct bisect *with, const struct bisect *without)
{
    struct sample_interval above = find_limits(with), below = find_limits(without);
    double a = bisect_get_result(with), b = bisect_get_result(without);
    double down = hypot(log(a / above.low), log(below.high / b));
    double up = hypot(log(above.high / a), log(b / below.low));
    return (struct sample_interval){a / b * exp(-down), a / b * exp(up)};
}

void improvement_read_shift(const struct bisect *without, const struct bisect *with,
                            double overhead, struct improvement_shift *shift)
{
    bool is_known = without->bad > 0 && without->good > 0 && with->good > 0 &&
                    (with->bad > 0 || bisect_is_unbroken(with));
    *shift = (struct improvement_shift){.shift = NAN,
                                        .is_open = !is_known && !bisect_is_unbroken(without)};
    if (!is_known)
        return;
    shift->shift = 1 - bisect_get_result(with) / bisect_get_result(without);
    struct sample_interval ratio = divide(with, without);
    shift->interval = (struct sample_interval){1 - ratio.high, 1 - ratio.low};
    bool is_sure = bisect_is_sure(without) && bisect_is_sure(with);
    bool is_whole = bisect_next(without) == 0 && bisect_next(with) == 0;
    shift->objection = !is_whole                  ? "its search was broken off"
                       : overhead > OVERHEAD_MOST ? too_slow
                       : shift->interval.low <= 0 ? by_chance
                       : !is_sure                 ? "needs differ from run to run"
                                                  : NULL;
    shift->is_counted = shift->objection == NULL;
}
