/* looks.c - events come in an order that can have happened, not strictly by time (threads are
 * merged), so asked bytes cannot simply be copied when a sample's time has come. Each change is
 * booked to the interval between two samples that its own time lies in; sums give the rest. */
#include "tools/analysis/looks.h"

#include <stdlib.h>

static int compare_times(const void *a, const void *b)
{
    const struct look *one = a, *other = b;
    return (one->sample.time_ns > other->sample.time_ns) -
           (one->sample.time_ns < other->sample.time_ns);
}

uint64_t looks_find_end(const struct trace_facts *facts)
{
    uint64_t end_ns = facts->header.start_ns;
    if (facts->end != NULL && facts->end->time_ns > end_ns)
        end_ns = facts->end->time_ns;
    for (size_t i = 0; i < facts->samples; i++)
        end_ns = facts->sample[i].time_ns > end_ns ? facts->sample[i].time_ns : end_ns;
    return end_ns;
}

void looks_init(struct analysis *analysis)
{
    const struct trace_facts *facts = analysis->facts;
    analysis->looks = facts->samples;
    analysis->look = store_alloc(analysis->store, facts->samples + 1, sizeof analysis->look[0]);
    for (size_t i = 0; i < facts->samples; i++)
        analysis->look[i].sample = facts->sample[i];
    qsort(analysis->look, analysis->looks, sizeof analysis->look[0], compare_times);
    analysis->asked_delta =
        store_alloc(analysis->store, facts->samples + 1, sizeof analysis->asked_delta[0]);
}

/* Number of the first look at or after `time_ns`; `looks` if there is none. */
static size_t find_look(const struct analysis *analysis, uint64_t time_ns)
{
    size_t from = 0, to = analysis->looks;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (analysis->look[middle].sample.time_ns < time_ns)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void move_to(struct analysis *analysis, uint64_t time_ns)
{
    size_t at = find_look(analysis, time_ns);
    analysis->look_at = at;
    analysis->look_from_ns = at == 0 ? 0 : analysis->look[at - 1].sample.time_ns + 1;
    analysis->look_to_ns = at == analysis->looks ? UINT64_MAX : analysis->look[at].sample.time_ns;
}

void looks_add(struct analysis *analysis, uint64_t time_ns, uint64_t delta)
{
    if (time_ns < analysis->look_from_ns || time_ns > analysis->look_to_ns)
        move_to(analysis, time_ns);
    analysis->asked_delta[analysis->look_at] += delta;
}

/* `asked` below 0, as two's complement: frees whose allocations are booked to a later interval. */
static void fill_in(struct look *look, uint64_t asked, bool is_whole)
{
    const struct trace_sample *sample = &look->sample;
    look->is_known = is_whole && sample->live != 0;
    look->asked = asked > INT64_MAX ? 0 : asked;
    if (!look->is_known)
        return;
    /* Event times are interpolated between clock readings, so the sum may lead the sample. */
    if (look->asked > sample->live)
        look->asked = sample->live;
    look->internal = sample->live - look->asked;
    look->resident_heap =
        sample->live + sample->external + sample->cached + sample->dirty + sample->meta;
    look->fragmentation = 1 - (double)look->asked / (double)look->resident_heap;
    if (sample->total_free != 0)
        look->scatter = 1 - (double)sample->largest_free / (double)sample->total_free;
    if (sample->rss_anon != 0)
        look->coverage = (double)look->resident_heap / (double)sample->rss_anon;
}

void looks_finish(struct analysis *analysis)
{
    uint64_t asked = 0;
    for (size_t i = 0; i < analysis->looks; i++) {
        asked += analysis->asked_delta[i];
        fill_in(&analysis->look[i], asked, analysis->facts->whole_since_ns == 0);
    }
}

/* A resident set hardly shrinks before memory goes back, so its exact maximum is often reached long
 * after the memory was needed: of the looks within 2 % of it, the fullest one is meant. */
const struct look *analysis_find_rss_peak(const struct analysis *analysis)
{
    uint64_t most = 0;
    for (size_t i = 0; i < analysis->looks; i++) {
        if (analysis->look[i].sample.rss > most)
            most = analysis->look[i].sample.rss;
    }
    const struct look *best = NULL;
    for (size_t i = 0; i < analysis->looks; i++) {
        const struct look *look = &analysis->look[i];
        if (look->sample.rss >= most - most / 50 && (best == NULL || look->asked > best->asked))
            best = look;
    }
    return best;
}

double analysis_get_overhead(const struct analysis *analysis, uint64_t *resident_heap)
{
    uint64_t most = 0;
    for (size_t i = 0; i < analysis->looks; i++) {
        if (analysis->look[i].resident_heap > most)
            most = analysis->look[i].resident_heap;
    }
    *resident_heap = most;
    if (most == 0 || analysis->peak_bytes == 0)
        return 0;
    return (double)most / (double)analysis->peak_bytes - 1;
}

const struct look *analysis_find_last_look(const struct analysis *analysis)
{
    return analysis->looks == 0 ? NULL : &analysis->look[analysis->looks - 1];
}
