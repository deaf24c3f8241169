/* draw.c - the bootstrap's copies of a curve (curve.h). */
#include <stdlib.h>
#include <string.h>

#include "tools/scenario/analysis/curve.h"
#include "tools/trace/memory.h"

enum { WINDOWS_FEW = 3 };

static size_t count_numbers(const struct curve *curve)
{
    size_t numbers = curve->baselines;
    for (size_t i = 0; i < curve->levels; i++)
        numbers += curve->level[i].windows;
    return numbers;
}

void curve_draw_init(struct curve_draw *draw, const struct curve *curve)
{
    draw->curve = *curve;
    draw->level = memory_alloc(curve->levels + 1, sizeof(*draw->level));
    draw->numbers = memory_alloc(count_numbers(curve) + 1, sizeof(*draw->numbers));
    draw->moment = memory_alloc(curve->moments + 1, sizeof(*draw->moment));
}

/* A level of one or two windows says nothing of its own spread. */
static void draw_few(const struct curve *curve, const struct curve_level *level, double *into,
                     struct sample_random *random)
{
    double middle = sample_median(curve->baseline, curve->baselines);
    for (size_t i = 0; i < level->windows; i++)
        into[i] =
            level->window[i] * curve->baseline[sample_below(random, curve->baselines)] / middle;
}

void curve_draw_again(struct curve_draw *draw, const struct curve *curve,
                      struct sample_random *random)
{
    double *next = draw->numbers;
    sample_draw(random, curve->baseline, curve->baselines, next);
    draw->curve.baseline = next;
    next += curve->baselines;
    for (size_t i = 0; i < curve->levels; i++) {
        const struct curve_level *level = &curve->level[i];
        draw->level[i] = *level;
        draw->level[i].window = next;
        if (level->windows < WINDOWS_FEW)
            draw_few(curve, level, next, random);
        else
            sample_draw(random, level->window, level->windows, next);
        next += level->windows;
    }
    draw->curve.level = draw->level;
    memcpy(draw->moment, curve->recovery, curve->moments * sizeof(*draw->moment));
    draw->curve.recovery = draw->moment;
}

void curve_draw_fini(struct curve_draw *draw)
{
    free(draw->level);
    free(draw->numbers);
    free(draw->moment);
}
