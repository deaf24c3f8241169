/* moments.c - looks over all sites now and then, and keeps the largest. A moment costs a comparison
 * for each site; where the run is longer than was known, there are at most MOMENTS / 2 of them for
 * each doubling of its length. */
#include "tools/analysis/moments.h"

#include <string.h>

#include "tools/analysis/analysis.h"
#include "tools/analysis/looks.h"

enum {
    FIRST_STEP_NS = 1000,
    FINER = 16, /* a program may sleep for most of its time */
};

/* Not much less than the distance that spreads them over the run, if its length is known. */
static uint64_t choose_step(const struct trace_facts *facts)
{
    uint64_t run_ns = looks_find_end(facts) - facts->header.start_ns;
    uint64_t step_ns = run_ns / (MOMENTS * FINER);
    return step_ns > FIRST_STEP_NS ? step_ns : FIRST_STEP_NS;
}

void moments_init(struct analysis *analysis)
{
    uint64_t step_ns = choose_step(analysis->facts);
    analysis->moments = (struct moments){
        .moment = store_alloc(analysis->store, MOMENTS, sizeof analysis->moments.moment[0]),
        .step_ns = step_ns,
        .next_ns = analysis->facts->header.start_ns + step_ns,
    };
}

/* -- the largest sites ------------------------------------------------------------------------ */

/* The sites of a full moment are a heap (Williams 1964), smallest first: the one to give up. */
static void sift_down(struct moment_site *site, size_t count, size_t at)
{
    for (size_t least = at;; at = least) {
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            if (site[child].bytes < site[least].bytes)
                least = child;
        }
        if (least == at)
            return;
        struct moment_site other = site[at];
        site[at] = site[least];
        site[least] = other;
    }
}

static void add_site(struct moment *moment, uint32_t number, uint64_t bytes)
{
    if (moment->sites < MOMENT_SITES) {
        moment->site[moment->sites++] = (struct moment_site){bytes, number};
        for (size_t i = MOMENT_SITES / 2; moment->sites == MOMENT_SITES && i-- > 0;)
            sift_down(moment->site, MOMENT_SITES, i);
        return;
    }
    if (bytes <= moment->site[0].bytes)
        return;
    moment->site[0] = (struct moment_site){bytes, number};
    sift_down(moment->site, MOMENT_SITES, 0);
}

void moments_read_now(const struct analysis *analysis, uint64_t time_ns, struct moment *moment)
{
    moment->time_ns = time_ns;
    moment->bytes = analysis->total.now.bytes;
    moment->sites = 0;
    for (size_t i = 0; i < analysis->sites; i++) {
        if (analysis->site[i].held.now.bytes != 0)
            add_site(moment, (uint32_t)i, analysis->site[i].held.now.bytes);
    }
}

void moments_read_peak(const struct analysis *analysis, struct moment *moment)
{
    moment->time_ns = analysis->peak_ns;
    moment->bytes = analysis->peak_bytes;
    moment->sites = 0;
    for (size_t i = 0; i < analysis->sites; i++) {
        struct amount peak = held_get_at_peak(&analysis->site[i].held, analysis->peak_serial);
        if (peak.bytes != 0)
            add_site(moment, (uint32_t)i, peak.bytes);
    }
}

/* -- the course ------------------------------------------------------------------------------- */

static void halve(struct moments *moments)
{
    for (size_t i = 0; i < MOMENTS / 2; i++)
        moments->moment[i] = moments->moment[2 * i + 1];
    moments->count = MOMENTS / 2;
    moments->step_ns *= 2;
}

/* Between next_ns and the event nothing changed, however long that was. */
void moments_take(struct analysis *analysis, uint64_t time_ns)
{
    struct moments *moments = &analysis->moments;
    if (moments->count == MOMENTS)
        halve(moments);
    moments_read_now(analysis, moments->next_ns, &moments->moment[moments->count++]);
    uint64_t steps = (time_ns - moments->next_ns) / moments->step_ns + 1;
    if (__builtin_mul_overflow(steps, moments->step_ns, &steps) ||
        __builtin_add_overflow(moments->next_ns, steps, &moments->next_ns))
        moments->next_ns = UINT64_MAX;
}
