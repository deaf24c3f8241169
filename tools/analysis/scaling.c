/* scaling.c - see scaling.h. */
#include "tools/analysis/scaling.h"

#include <stdlib.h>
#include <string.h>

#define FIT_LEAST 0.9 /* of a stack: less is no line */

enum { LEAST_COUNTS = 3 };

struct points {
    size_t count;
    size_t at[COURSE_MOST]; /* number of the moment */
    double objects[COURSE_MOST];
};

static bool has_enough(const double *count, size_t points)
{
    size_t different = 0;
    for (size_t i = 0; i < points && different < LEAST_COUNTS; i++) {
        bool is_new = true;
        for (size_t k = 0; k < i; k++)
            is_new = is_new && count[k] != count[i];
        different += is_new;
    }
    return different >= LEAST_COUNTS;
}

bool scaling_fit(const double *count, const double *bytes, size_t points, struct scaling_line *line)
{
    double mean_count = 0, mean_bytes = 0, counts = 0, both = 0, all = 0;
    *line = (struct scaling_line){0};
    if (!has_enough(count, points))
        return false;
    for (size_t i = 0; i < points; i++) {
        mean_count += count[i] / (double)points;
        mean_bytes += bytes[i] / (double)points;
    }
    for (size_t i = 0; i < points; i++) {
        double x = count[i] - mean_count, y = bytes[i] - mean_bytes;
        counts += x * x;
        both += x * y;
        all += y * y;
    }
    line->each = both / counts;
    line->fixed = mean_bytes - line->each * mean_count;
    line->fit = all > 0 ? both * both / counts / all : 0;
    return true;
}

/* "count=1000" as a word of the label; false: there is none. */
static bool read_count(const char *label, double *count)
{
    static const char word[] = "count=";
    const char *at = label;
    while ((at = strstr(at, word)) != NULL) {
        const char *digits = at + strlen(word);
        bool is_word = at == label || at[-1] == ' ' || at[-1] == ',';
        if (is_word && *digits >= '0' && *digits <= '9') {
            *count = strtod(digits, NULL);
            return true;
        }
        at = digits;
    }
    return false;
}

static void find_points(const struct analysis *analysis, struct points *points)
{
    const struct course *course = &analysis->course;
    for (size_t i = 0; i < course->moments && points->count < COURSE_MOST; i++) {
        uint32_t mark = course->moment[i].mark;
        double objects;
        if (mark == 0 || !read_count(analysis->facts->mark[mark - 1].label, &objects))
            continue;
        points->at[points->count] = i;
        points->objects[points->count++] = objects;
    }
}

static bool fit(const struct points *points, const int64_t *bytes, struct scaling_line *line)
{
    double level[COURSE_MOST] = {0};
    for (size_t i = 0; i < points->count; i++)
        level[i] = (double)bytes[points->at[i]];
    return scaling_fit(points->objects, level, points->count, line);
}

static int by_each(const void *a, const void *b)
{
    const struct scaling_group *one = a, *other = b;
    if (one->line.each != other->line.each)
        return one->line.each < other->line.each ? 1 : -1;
    return (one->group.node > other->group.node) - (one->group.node < other->group.node);
}

static void fit_groups(struct scaling *scaling, const struct groups *groups,
                       const struct points *points, int64_t *bytes)
{
    scaling->group =
        store_alloc(groups->analysis->store, groups->groups + 1, sizeof scaling->group[0]);
    for (size_t i = 0; i < groups->groups; i++) {
        struct scaling_line line;
        groups_read_course(groups, &groups->group[i], bytes);
        if (fit(points, bytes, &line) && line.each > 0 && line.fit >= FIT_LEAST)
            scaling->group[scaling->groups++] = (struct scaling_group){groups->group[i], line};
    }
    if (scaling->groups > 1)
        qsort(scaling->group, scaling->groups, sizeof scaling->group[0], by_each);
}

static void note_points(struct scaling *scaling, struct store *store, const struct points *points,
                        const int64_t *bytes)
{
    scaling->points = points->count;
    scaling->point = store_alloc(store, points->count, sizeof scaling->point[0]);
    scaling->least = scaling->most = points->objects[0];
    for (size_t i = 0; i < points->count; i++) {
        double count = points->objects[i];
        scaling->point[i] = (struct scaling_point){count, (double)bytes[points->at[i]]};
        scaling->least = count < scaling->least ? count : scaling->least;
        scaling->most = count > scaling->most ? count : scaling->most;
    }
}

void scaling_read(struct scaling *scaling, const struct groups *groups)
{
    const struct analysis *analysis = groups->analysis;
    struct points points = {0};
    *scaling = (struct scaling){0};
    find_points(analysis, &points);
    int64_t *bytes =
        store_alloc(groups->analysis->store, analysis->course.moments + 1, sizeof bytes[0]);
    course_read(&analysis->course, bytes);
    if (fit(&points, bytes, &scaling->total)) {
        note_points(scaling, analysis->store, &points, bytes);
        fit_groups(scaling, groups, &points, bytes);
    }
    store_free(bytes);
}
