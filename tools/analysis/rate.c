/* rate.c - see rate.h. */
#include "tools/analysis/rate.h"

#include <string.h>

#include "tools/analysis/analysis.h"
#include "tools/analysis/looks.h"

enum { WINDOW_LEAST_NS = 1000, FIRST_TOUCHES = 256 };

void rate_init(struct analysis *analysis)
{
    struct rate *rate = &analysis->rate;
    uint64_t start_ns = analysis->facts->header.start_ns, end_ns = looks_find_end(analysis->facts);
    uint64_t window_ns = end_ns > start_ns ? (end_ns - start_ns) / RATE_WINDOWS + 1 : 0;
    rate->start_ns = start_ns;
    rate->window_ns = window_ns > WINDOW_LEAST_NS ? window_ns : WINDOW_LEAST_NS;
    rate->touched_room = FIRST_TOUCHES;
    rate->touched = store_alloc(analysis->store, FIRST_TOUCHES, sizeof rate->touched[0]);
}

/* -- bursts ----------------------------------------------------------------------------------- */

static double speed_of(const struct rate_burst *burst, enum rate_measure measure)
{
    if (burst->length_ns == 0)
        return 0;
    return (double)burst->count[measure] * 1e9 / (double)burst->length_ns;
}

/* Insertion: there are few. */
static void add_stack(struct rate_burst *burst, enum rate_measure measure,
                      const struct rate_stack *one)
{
    size_t at = burst->stacks;
    if (at == RATE_STACKS && burst->stack[at - 1].count[measure] >= one->count[measure])
        return;
    at -= at == RATE_STACKS;
    for (; at > 0 && burst->stack[at - 1].count[measure] < one->count[measure]; at--)
        burst->stack[at] = burst->stack[at - 1];
    burst->stack[at] = *one;
    burst->stacks += burst->stacks < RATE_STACKS;
}

static void keep_burst(const struct analysis *analysis, enum rate_measure measure,
                       struct rate_burst *kept)
{
    const struct rate *rate = &analysis->rate;
    struct rate_burst burst = {.time_ns = rate->from_ns, .length_ns = rate->to_ns - rate->from_ns};
    memcpy(burst.count, rate->open_count, sizeof burst.count);
    if (burst.count[measure] == 0 || speed_of(&burst, measure) <= speed_of(kept, measure))
        return;
    for (size_t i = 0; i < rate->touches; i++) {
        const struct site *site = &analysis->site[rate->touched[i]];
        struct rate_stack stack = {.site = rate->touched[i]};
        memcpy(stack.count, site->rate.count, sizeof stack.count);
        add_stack(&burst, measure, &stack);
    }
    *kept = burst;
}

/* -- windows ---------------------------------------------------------------------------------- */

static void close_window(struct analysis *analysis)
{
    struct rate *rate = &analysis->rate;
    size_t part = rate->open_at / (RATE_WINDOWS / RATE_PARTS);
    for (unsigned i = 0; rate->touches != 0 && i < RATE_MEASURES; i++)
        keep_burst(analysis, (enum rate_measure)i, &rate->burst[i][part]);
    memset(rate->open_count, 0, sizeof rate->open_count);
    rate->touches = 0;
}

static void join_windows(struct rate *rate)
{
    for (size_t i = 0; i < RATE_WINDOWS / 2; i++) {
        struct rate_window *one = &rate->window[2 * i], *other = &rate->window[2 * i + 1];
        for (unsigned k = 0; k < RATE_MEASURES; k++)
            one->count[k] += other->count[k];
        one->frees += other->frees;
        rate->window[i] = *one;
    }
    memset(&rate->window[RATE_WINDOWS / 2], 0, RATE_WINDOWS / 2 * sizeof rate->window[0]);
    rate->windows = (rate->windows + 1) / 2;
    rate->open_at /= 2;
    rate->window_ns *= 2;
}

static void join_parts(struct rate_burst part[RATE_PARTS], enum rate_measure measure)
{
    for (size_t i = 0; i < RATE_PARTS / 2; i++) {
        bool is_first = speed_of(&part[2 * i], measure) >= speed_of(&part[2 * i + 1], measure);
        part[i] = part[2 * i + !is_first];
    }
    memset(&part[RATE_PARTS / 2], 0, RATE_PARTS / 2 * sizeof part[0]);
}

/* The window of that time, which may be behind all that there were. */
static size_t find_window(struct rate *rate, uint64_t time_ns)
{
    uint64_t at = time_ns > rate->start_ns ? time_ns - rate->start_ns : 0;
    while (at / rate->window_ns >= RATE_WINDOWS) {
        join_windows(rate);
        for (unsigned i = 0; i < RATE_MEASURES; i++)
            join_parts(rate->burst[i], (enum rate_measure)i);
    }
    return (size_t)(at / rate->window_ns);
}

static struct rate_window *get_window(struct rate *rate, uint64_t time_ns)
{
    if (time_ns >= rate->from_ns && time_ns < rate->to_ns)
        return &rate->window[rate->open_at];
    size_t at = find_window(rate, time_ns);
    rate->windows = at >= rate->windows ? at + 1 : rate->windows;
    return &rate->window[at];
}

/* The event is not in the open window. A neighbour that lies before it does not open its own. */
static void open_window(struct analysis *analysis, uint64_t time_ns)
{
    struct rate *rate = &analysis->rate;
    bool is_straggler = time_ns < rate->from_ns && rate->from_ns - time_ns <= rate->window_ns;
    if (is_straggler)
        return;
    close_window(analysis);
    rate->open_at = find_window(rate, time_ns);
    rate->windows = rate->open_at >= rate->windows ? rate->open_at + 1 : rate->windows;
    rate->from_ns = rate->start_ns + rate->open_at * rate->window_ns;
    rate->to_ns = rate->from_ns + rate->window_ns;
    rate->opening++;
}

static void touch(struct analysis *analysis, uint32_t number)
{
    struct rate *rate = &analysis->rate;
    struct site_rate *site = &analysis->site[number].rate;
    *site = (struct site_rate){.opening = rate->opening};
    if (rate->touches == rate->touched_room) {
        rate->touched = store_grow(analysis->store, rate->touched, rate->touched_room,
                                   2 * rate->touched_room, sizeof rate->touched[0]);
        rate->touched_room *= 2;
    }
    rate->touched[rate->touches++] = number;
}

void rate_add(struct analysis *analysis, uint32_t number, uint64_t time_ns,
              const struct amount *one)
{
    struct rate *rate = &analysis->rate;
    if (time_ns < rate->from_ns || time_ns >= rate->to_ns)
        open_window(analysis, time_ns);
    struct site_rate *site = &analysis->site[number].rate;
    if (site->opening != rate->opening)
        touch(analysis, number);
    struct rate_window *window = get_window(rate, time_ns);
    const uint64_t count[RATE_MEASURES] = {one->blocks, one->bytes};
    for (unsigned i = 0; i < RATE_MEASURES; i++) {
        window->count[i] += count[i];
        site->count[i] += count[i];
        rate->open_count[i] += count[i];
    }
}

void rate_add_free(struct analysis *analysis, uint64_t time_ns, uint64_t blocks)
{
    get_window(&analysis->rate, time_ns)->frees += blocks;
}

void rate_finish(struct analysis *analysis)
{
    close_window(analysis);
}

/* -- results ---------------------------------------------------------------------------------- */

size_t rate_find_bursts(const struct rate *rate, enum rate_measure measure,
                        const struct rate_burst **bursts, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < RATE_PARTS; i++) {
        const struct rate_burst *burst = &rate->burst[measure][i];
        double speed = speed_of(burst, measure);
        size_t at = count;
        if (speed <= 0 || (at == most && speed_of(bursts[at - 1], measure) >= speed))
            continue;
        at -= at == most;
        for (; at > 0 && speed_of(bursts[at - 1], measure) < speed; at--)
            bursts[at] = bursts[at - 1];
        bursts[at] = burst;
        count += count < most;
    }
    return count;
}

static double sum_windows(const struct rate *rate, enum rate_measure measure, size_t from,
                          size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += (double)rate->window[i].count[measure];
    return sum * 1e9 / ((double)rate->window_ns * (double)(to - from));
}

double rate_get_mean(const struct rate *rate, enum rate_measure measure)
{
    return rate->windows == 0 ? 0 : sum_windows(rate, measure, 0, rate->windows);
}

/* Columns that are finer than windows show their window. */
double rate_get(const struct rate *rate, enum rate_measure measure, size_t column, size_t columns)
{
    size_t from = column * rate->windows / columns;
    size_t to = (column + 1) * rate->windows / columns;
    return rate->windows == 0 ? 0 : sum_windows(rate, measure, from, to > from ? to : from + 1);
}
