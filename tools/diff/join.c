/* join.c - the call stacks of two traces as one list. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/diff/diff.h"

struct wanted {
    const struct diff *diff;
    const uint32_t *function;
    uint32_t frames;
};

static bool is_pair(const void *wanted_, uint32_t number)
{
    const struct wanted *wanted = wanted_;
    const struct pair *pair = &wanted->diff->pair[number];
    return pair->frames == wanted->frames &&
           memcmp(&wanted->diff->function[pair->first], wanted->function,
                  wanted->frames * sizeof wanted->function[0]) == 0;
}

static void *make_room(struct diff *diff, void *list, size_t count, size_t *room, size_t bytes_each)
{
    if (count <= *room)
        return list;
    size_t more = 2 * count + 256;
    list = store_grow(diff->store, list, *room, more, bytes_each);
    *room = more;
    return list;
}

static void add_pair(struct diff *diff, const uint32_t *function, uint32_t frames)
{
    diff->pair =
        make_room(diff, diff->pair, diff->pairs + 1, &diff->pair_room, sizeof(struct pair));
    diff->function = make_room(diff, diff->function, diff->functions + frames, &diff->function_room,
                               sizeof diff->function[0]);
    memcpy(&diff->function[diff->functions], function, frames * sizeof function[0]);
    diff->pair[diff->pairs++] = (struct pair){.first = (uint32_t)diff->functions, .frames = frames};
    diff->functions += frames;
}

static struct pair *get_pair(struct diff *diff, const struct call *call, size_t count)
{
    uint32_t function[CALLS_MAX];
    uint64_t hash = 0;
    struct wanted wanted = {diff, function, (uint32_t)(count < diff->depth ? count : diff->depth)};
    for (uint32_t i = 0; i < wanted.frames; i++) {
        function[i] = call[i].function;
        hash = (hash ^ function[i]) * UINT64_C(0x100000001b3) + 1;
    }
    uint32_t next = (uint32_t)diff->pairs;
    uint32_t number = index_get(&diff->index, hash, is_pair, &wanted, next);
    if (number == next)
        add_pair(diff, function, wanted.frames);
    return &diff->pair[number];
}

static void add_trace(struct diff *diff, const struct report *report, bool is_after)
{
    const struct analysis *analysis = report->analysis;
    const struct export_source source = {report->analysis, report->symbols};
    diff->calls.source = &source;
    for (size_t i = 0; i < analysis->sites; i++) {
        struct call call[CALLS_MAX];
        struct amount amount = measure_get_amount(analysis, &analysis->site[i], diff->measure);
        if (amount.bytes == 0)
            continue;
        struct pair *pair =
            get_pair(diff, call, calls_read(&diff->calls, analysis->site[i].node, call));
        amount_add(is_after ? &pair->after : &pair->before, &amount);
    }
    diff->calls.source = NULL;
}

double diff_change(const struct pair *pair)
{
    return (double)pair->after.bytes - (double)pair->before.bytes;
}

bool diff_is_certain(const struct pair *pair)
{
    return fabs(diff_change(pair)) > 1.96 * sqrt(pair->before.variance + pair->after.variance);
}

static int compare(const void *a, const void *b)
{
    const struct pair *one = a, *other = b;
    double first = diff_change(one), second = diff_change(other);
    if (first != second)
        return first < second ? 1 : -1;
    return (one->first > other->first) - (one->first < other->first);
}

void diff_join(struct diff *diff)
{
    add_trace(diff, &diff->before, false);
    add_trace(diff, &diff->after, true);
    if (diff->pairs > 0)
        qsort(diff->pair, diff->pairs, sizeof diff->pair[0], compare);
}
