/* limits.c - see limits.h */
#include "tools/scenario/limits.h"

#include <math.h>
#include <stdlib.h>

#include "tools/trace/memory.h"

/* Mechanisms are exact to some percent, and the least of a process counts too. */
#define FAR 1.5
#define SLACK_BYTES 0x1p20

/* A service may take its time to give back: what it has in the second half of the time counts. */
static double find_used_by_service(const struct experiment *experiment,
                                   const struct experiment_lap *lap)
{
    double from = lap->began + lap->lasted / 2;
    size_t first = experiment->samples;
    while (first > 0 && experiment->sample[first - 1].at >= from)
        first--;
    size_t count = experiment->samples - first;
    double *used = memory_alloc(count + 1, sizeof(*used));
    for (size_t i = 0; i < count; i++)
        used[i] = experiment->sample[first + i].used;
    double median = sample_median(used, count);
    free(used);
    return count == 0 ? 0 : median;
}

/* (A budget that glides is on its way to the lap's.) */
void limits_judge(const struct experiment *experiment, struct experiment_lap *lap)
{
    double budget =
        experiment->glide.is_on ? fmax(experiment->glide.from, lap->budget) : lap->budget;
    bool has_acted = lap->refused + lap->denied > 0 || (lap->is_injected_known && lap->stalled > 0);
    lap->used_last =
        plan_is_finite(experiment->plan) ? lap->used_most : find_used_by_service(experiment, lap);
    lap->is_unlimited = lap->budget > 0 && lap->end == CURVE_HELD && !has_acted &&
                        lap->used_last > FAR * budget + SLACK_BYTES;
}

struct limits limits_add_up(const struct experiment *experiment)
{
    struct limits limits = {0};
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        if (!level->is_unlimited)
            continue;
        limits.levels++;
        limits.most = fmax(limits.most, level->used_last / level->budget);
    }
    limits.is_open =
        limits.levels > 0 && !pressure_find_taken(&experiment->pressure)->spares_what_is_there;
    return limits;
}
