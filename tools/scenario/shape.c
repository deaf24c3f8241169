/* shape.c - see shape.h */
#define _GNU_SOURCE /* getline */
#include "tools/scenario/shape.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/scenario/amounts.h"
#include "tools/trace/memory.h"

enum { TOOTH = 5 };    /* steps of a sawtooth's rise */
#define LONGEST 1e6    /* seconds: as long as any time that is said (amounts.c) */
#define LAST_LEAST 1.0 /* seconds, of the last level of a file */

static const struct {
    const char *name;
    const char *summary;
} shapes[] = {
    {"linear", "equal steps from 110 % of the baseline's peak to the floor"},
    {"exponential", "small steps first, then larger ones (e^5t)"},
    {"spike", "sudden drops, each deeper than the last, with full budget between"},
    {"sawtooth", "down to the floor in five steps, up at once, and again"},
};

const char *shape_name(size_t index)
{
    return index < sizeof shapes / sizeof shapes[0] ? shapes[index].name : NULL;
}

const char *shape_summary(size_t index)
{
    return shapes[index].summary;
}

/* -- files ------------------------------------------------------------------------------------ */

static bool parse_line(const char *line, struct shape_point *point)
{
    char level[32];
    int end = 0;
    if (sscanf(line, "%lf %31s %n", &point->at, level, &end) != 2 || line[end] != '\0' ||
        !(point->at >= 0 && point->at <= LONGEST))
        return false;
    size_t length = strlen(level);
    uint64_t bytes;
    if (level[length - 1] == '%') {
        char *rest;
        point->share = strtod(level, &rest) / 100;
        return *rest == '%' && point->share > 0 && point->share <= 100;
    }
    point->share = 0;
    if (!amounts_parse_bytes(level, &bytes))
        return false;
    point->bytes = (double)bytes;
    return true;
}

static bool take_line(struct shape *shape, size_t *capacity, const char *line)
{
    struct shape_point point = {0};
    if (line[strspn(line, " \t\n")] == '\0' || *line == '#')
        return true;
    if (!parse_line(line, &point) ||
        (shape->points > 0 && point.at <= shape->point[shape->points - 1].at))
        return false;
    shape->point = memory_grow(shape->point, shape->points, capacity, sizeof(point));
    shape->point[shape->points++] = point;
    return true;
}

static bool read_file(FILE *file, struct shape *shape, char *why, size_t why_bytes)
{
    char *line = NULL;
    size_t line_bytes = 0, capacity = 0, number = 0;
    bool is_fine = true;
    while (is_fine && getline(&line, &line_bytes, file) >= 0) {
        number++;
        is_fine = take_line(shape, &capacity, line);
    }
    free(line);
    if (!is_fine)
        snprintf(
            why, why_bytes,
            "%s: line %zu: \"SECONDS LEVEL\" is wanted, times rising up to %.0f, as 10 512M or "
            "10 80%%",
            shape->name, number, LONGEST);
    else if (shape->points == 0)
        snprintf(why, why_bytes, "%s: no line with a time and a level", shape->name);
    return is_fine && shape->points > 0;
}

bool shape_parse(const char *word, struct shape *shape, char *why, size_t why_bytes)
{
    *shape = (struct shape){.kind = SHAPE_FILE, .name = word};
    for (size_t i = 0; shape_name(i) != NULL; i++) {
        if (strcmp(word, shapes[i].name) == 0) {
            shape->kind = (enum shape_kind)i;
            return true;
        }
    }
    FILE *file = fopen(word, "re");
    if (file == NULL) {
        snprintf(why, why_bytes, "%s: no scenario of that name (see --list), and no file: %s", word,
                 strerror(errno));
        return false;
    }
    bool is_fine = read_file(file, shape, why, why_bytes);
    fclose(file);
    return is_fine;
}

void shape_fini(struct shape *shape)
{
    free(shape->point);
}

/* -- steps ------------------------------------------------------------------------------------ */

size_t shape_steps(const struct shape *shape, size_t wanted)
{
    return shape->kind == SHAPE_FILE ? shape->points : wanted;
}

double shape_dwell(const struct shape *shape, size_t step, size_t steps, double duration)
{
    if (shape->kind != SHAPE_FILE)
        return duration / (double)steps;
    double begin = shape->point[step].at;
    return step + 1 < steps ? shape->point[step + 1].at - begin
                            : fmax(LAST_LEAST, duration - begin);
}

double shape_length(const struct shape *shape, double duration)
{
    if (shape->kind != SHAPE_FILE)
        return duration;
    double last = shape->point[shape->points - 1].at;
    return fmax(last + LAST_LEAST, duration) - shape->point[0].at;
}

/* The share of the head-room that is taken away at this step, the last one all of it. */
static double find_share(const struct shape *shape, size_t step, size_t steps)
{
    double t = steps < 2 ? 1 : (double)step / (double)(steps - 1);
    switch (shape->kind) {
    case SHAPE_EXPONENTIAL:
        return expm1(5 * t) / expm1(5);
    case SHAPE_SPIKE:
        return step % 2 == 0 && step + 1 < steps ? 0 : (double)(step + 1) / (double)steps;
    case SHAPE_SAWTOOTH:
        return (double)(step % TOOTH) / (TOOTH - 1);
    default:
        return t;
    }
}

bool shape_is_sudden(const struct shape *shape)
{
    return shape->kind == SHAPE_SPIKE;
}

double shape_budget(const struct shape *shape, size_t step, size_t steps, double high, double low,
                    double peak)
{
    if (shape->kind == SHAPE_FILE) {
        const struct shape_point *point = &shape->point[step];
        return point->share > 0 ? point->share * peak : point->bytes;
    }
    return high - find_share(shape, step, steps) * (high - low);
}
