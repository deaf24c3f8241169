/* course.c - like looks.c: events come in an order that can have happened, not strictly by time, so
 * each change is booked between the two moments that its own time lies between; sums give the rest.
 */
#include "tools/analysis/course.h"

#include <stdlib.h>
#include <string.h>

#include "tools/analysis/analysis.h"
#include "tools/analysis/looks.h"

enum { LABEL_BYTES = 256, FIRST_CHANGES = 4 };

/* -- which marks are cycles ------------------------------------------------------------------- */

/* "round 17" and "round 18" are one label, "round #". */
static void make_label(const char *text, char label[LABEL_BYTES])
{
    size_t used = 0;
    for (; *text != '\0' && used + 1 < LABEL_BYTES; text++) {
        bool is_digit = *text >= '0' && *text <= '9';
        if (!is_digit)
            label[used++] = *text;
        else if (used == 0 || label[used - 1] != '#')
            label[used++] = '#';
    }
    label[used] = '\0';
}

static bool has_label(const struct trace_mark *mark, const char *label)
{
    char other[LABEL_BYTES];
    make_label(mark->label, other);
    return strcmp(other, label) == 0;
}

struct label {
    char text[LABEL_BYTES];
    size_t count;
};

/* Labels in the order of their first mark; those behind the LABELS first ones are no cycle's. */
static size_t list_labels(const struct trace_facts *facts, struct label *labels, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < facts->marks; i++) {
        size_t at = 0;
        while (at < count && !has_label(&facts->mark[i], labels[at].text))
            at++;
        if (at == count && count == most)
            continue;
        if (at == count)
            make_label(facts->mark[i].label, labels[count++].text);
        labels[at].count++;
    }
    return count;
}

/* Of those that come most often (the last round may not be whole) the last one of a round: that is
 * where most was given back. */
static const char *find_cycle(struct analysis *analysis)
{
    enum { LABELS = 64 };
    struct label *labels = store_alloc(analysis->store, LABELS, sizeof labels[0]);
    size_t count = list_labels(analysis->facts, labels, LABELS), most = 0;
    const char *found = NULL;
    for (size_t i = 0; i < count; i++)
        most = labels[i].count > most ? labels[i].count : most;
    for (size_t i = 0; i < count; i++) {
        if (labels[i].count >= COURSE_CYCLES_LEAST && labels[i].count + 1 >= most)
            found = labels[i].text;
    }
    return found == NULL ? NULL : store_copy_text(analysis->store, found);
}

/* -- the moments ------------------------------------------------------------------------------ */

static void add_moment(struct course *course, uint64_t time_ns, uint32_t mark, bool is_low)
{
    course->moment[course->moments++] =
        (struct course_moment){.time_ns = time_ns, .mark = mark, .is_low = is_low};
}

/* All marks; where they are too many every n-th of a cycle's, or of all. */
static void add_marks(struct course *course, const struct trace_facts *facts)
{
    bool takes_all = facts->marks <= COURSE_MOST;
    size_t count = 0, number = 0;
    for (size_t i = 0; i < facts->marks; i++)
        count += takes_all || course->label == NULL || has_label(&facts->mark[i], course->label);
    size_t step = (count + COURSE_MOST - 1) / COURSE_MOST;
    for (size_t i = 0; i < facts->marks; i++) {
        bool is_low = course->label != NULL && has_label(&facts->mark[i], course->label);
        if ((takes_all || course->label == NULL || is_low) && number++ % step == 0)
            add_moment(course, facts->mark[i].time_ns, (uint32_t)i + 1, is_low);
    }
}

static void add_slices(struct course *course, const struct trace_facts *facts)
{
    uint64_t start_ns = facts->header.start_ns, end_ns = looks_find_end(facts);
    if (end_ns <= start_ns)
        return;
    for (uint64_t i = 1; i <= COURSE_SLICES; i++)
        add_moment(course,
                   start_ns + (uint64_t)((double)(end_ns - start_ns) * (double)i / COURSE_SLICES),
                   0, false);
}

static int compare_times(const void *a, const void *b)
{
    const struct course_moment *one = a, *other = b;
    if (one->time_ns != other->time_ns)
        return one->time_ns < other->time_ns ? -1 : 1;
    return (one->mark > other->mark) - (one->mark < other->mark);
}

void course_init(struct analysis *analysis)
{
    struct course *course = &analysis->course;
    course->moment =
        store_alloc(analysis->store, COURSE_MOST + COURSE_SLICES, sizeof course->moment[0]);
    course->label = find_cycle(analysis);
    add_marks(course, analysis->facts);
    if (course->label == NULL)
        add_slices(course, analysis->facts);
    qsort(course->moment, course->moments, sizeof course->moment[0], compare_times);
    course->delta = store_alloc(analysis->store, course->moments + 1, sizeof course->delta[0]);
    course->born = store_alloc(analysis->store, course->moments + 1, sizeof course->born[0]);
}

/* -- booking ---------------------------------------------------------------------------------- */

/* Number of the first moment after `time_ns`; `moments` if there is none. What happens at the very
 * time of a mark is behind it: the first event behind a TIME record has its time. */
static size_t find_moment(const struct course *course, uint64_t time_ns)
{
    size_t from = 0, to = course->moments;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (course->moment[middle].time_ns <= time_ns)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void move_to(struct course *course, uint64_t time_ns)
{
    size_t at = find_moment(course, time_ns);
    course->at = at;
    course->from_ns = at == 0 ? 0 : course->moment[at - 1].time_ns;
    course->to_ns = at == course->moments ? UINT64_MAX : course->moment[at].time_ns;
}

/* Times run back and forth a little: it is the last one or close to it. */
static struct course_change *find_change(struct store *store, struct course_changes *changes,
                                         uint32_t moment)
{
    uint32_t at = changes->count;
    while (at > 0 && changes->change[at - 1].moment > moment)
        at--;
    if (at > 0 && changes->change[at - 1].moment == moment)
        return &changes->change[at - 1];
    if (changes->count == changes->room) {
        uint32_t room = changes->room == 0 ? FIRST_CHANGES : 2 * changes->room;
        changes->change =
            store_grow(store, changes->change, changes->room, room, sizeof changes->change[0]);
        changes->room = room;
    }
    struct course_change *change = &changes->change[at];
    memmove(change + 1, change, (changes->count++ - at) * sizeof *change);
    *change = (struct course_change){.moment = moment};
    return change;
}

/* Most changes of a site are in the same moment as the one before: they touch only the site. */
static void flush(struct analysis *analysis, struct site *site)
{
    struct course *course = &analysis->course;
    if (site->course_delta == 0)
        return;
    find_change(analysis->store, &site->course, site->course_at)->delta += site->course_delta;
    course->delta[site->course_at] += site->course_delta;
    site->course_delta = 0;
}

void course_add(struct analysis *analysis, uint32_t site_number, uint64_t time_ns, uint64_t delta)
{
    struct course *course = &analysis->course;
    struct site *site = &analysis->site[site_number];
    if (time_ns < course->from_ns || time_ns >= course->to_ns)
        move_to(course, time_ns);
    if (site->course_at != course->at) {
        flush(analysis, site);
        site->course_at = (uint32_t)course->at;
    }
    site->course_delta += delta;
}

void course_finish(struct analysis *analysis)
{
    for (size_t i = 0; i < analysis->sites; i++)
        flush(analysis, &analysis->site[i]);
}

void course_add_survivor(struct analysis *analysis, uint64_t time_ns, uint64_t bytes)
{
    struct course *course = &analysis->course;
    course->born[find_moment(course, time_ns)] += bytes;
}

void course_read(const struct course *course, int64_t *bytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= course->moments; i++) {
        sum += course->delta[i];
        bytes[i] = (int64_t)sum;
    }
}

void course_add_site(const struct course *course, const struct course_changes *changes,
                     int64_t *bytes)
{
    uint64_t sum = 0;
    size_t moment = 0;
    for (uint32_t i = 0; i < changes->count; i++) {
        for (; moment < changes->change[i].moment; moment++)
            bytes[moment] += (int64_t)sum;
        sum += changes->change[i].delta;
    }
    for (; moment <= course->moments; moment++)
        bytes[moment] += (int64_t)sum;
}
