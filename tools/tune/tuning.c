/* tuning.c - chooses exact classes and warm magazines.
 *
 * Exact classes minimise the mean of two shares,
 *
 *     bytes lost to rounding, averaged over time  / bytes asked for, averaged over time
 *     bytes lost to rounding, over all requests   / bytes asked for in all requests
 *
 * the first being memory that is bound, the second memory that is walked through. A class binds a
 * slab of its own, 16 KiB at least: so much more of the first share it must save, and never less
 * than a thousandth. */
#include "tools/tune/tuning.h"

#include <string.h>

#include "tools/tune/rounds.h"

enum { SLAB_BYTES = 16 * 1024, DOORS_LEAST = 100, DOORS_PER = 1000 };

/* -- exact classes ---------------------------------------------------------------------------- */

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static void add_weight(struct fit_point *point, const struct tuning *tuning, uint64_t size)
{
    const struct size_use *use = &tuning->demand.use[size];
    const struct loss *all = &tuning->before;
    double span_ns = tuning->demand.span_ns > 0 ? tuning->demand.span_ns : 1;
    double requests = (double)use->requests;
    point->blocks += share(use->block_ns / span_ns, 2 * all->mean_asked);
    point->asked += share(use->asked_ns / span_ns, 2 * all->mean_asked);
    point->blocks += share(requests, 2 * all->requests_asked);
    point->asked += share(requests * (double)size, 2 * all->requests_asked);
}

static double price_of_class(const struct loss *all)
{
    double bound = share(SLAB_BYTES, 2 * all->mean_asked);
    return bound < 0.0005 ? 0.0005 : bound;
}

static void choose_exact(const struct tuning *tuning, struct fit_point points[LADDER_POINTS])
{
    const struct ladder *ladder = &tuning->ladder;
    memset(points, 0, LADDER_POINTS * sizeof points[0]);
    for (size_t i = 0; i < LADDER_POINTS; i++) {
        points[i].bytes = ladder_point_bytes(i);
        size_t rung = ladder_find(ladder, points[i].bytes);
        points[i].is_class = ladder->rung[rung].bytes == points[i].bytes;
    }
    for (uint64_t size = 0; size <= LADDER_BYTES_MOST; size++)
        add_weight(&points[ladder_point_of(size)], tuning, size);
    fit_choose(points, LADDER_POINTS, FIT_CHOSEN_MOST, price_of_class(&tuning->before));
}

static void insert_rung(struct ladder *ladder, uint32_t bytes)
{
    size_t at = ladder_find(ladder, bytes);
    memmove(&ladder->rung[at + 1], &ladder->rung[at], (ladder->rungs - at) * sizeof(struct rung));
    ladder->rung[at] = ladder->rung[at + 1];
    ladder->rung[at].bytes = bytes;
    ladder->rungs++;
}

static void describe_exact(struct tuning *tuning, struct exact *exact, uint32_t bytes)
{
    size_t rung = ladder_find(&tuning->tuned, bytes);
    exact->bytes = bytes;
    exact->from = rung == 0 ? 0 : tuning->tuned.rung[rung - 1].bytes;
    exact->before = demand_lose(&tuning->demand, &tuning->ladder, exact->from, bytes);
    exact->after = demand_lose(&tuning->demand, &tuning->tuned, exact->from, bytes);
    exact->requests = 0;
    for (uint32_t size = exact->from + 1; size <= bytes; size++)
        exact->requests += tuning->demand.use[size].requests;
}

static void make_exacts(struct tuning *tuning)
{
    struct fit_point points[LADDER_POINTS];
    choose_exact(tuning, points);
    for (size_t i = 0; i < LADDER_POINTS; i++) {
        if (points[i].is_chosen)
            insert_rung(&tuning->tuned, points[i].bytes);
    }
    for (size_t i = 0; i < LADDER_POINTS; i++) {
        if (points[i].is_chosen)
            describe_exact(tuning, &tuning->exact[tuning->exacts++], points[i].bytes);
    }
}

/* -- warm magazines --------------------------------------------------------------------------- */

/* The fewest rounds that bring nine tenths of what can be had; 0: it is not worth a line. */
static unsigned choose_rounds(const struct traffic *traffic, const struct rung *rung)
{
    uint64_t least = traffic->doors[0];
    for (unsigned i = 1; i < DEMAND_CHOICES && rounds_may_begin(rung, i); i++)
        least = traffic->doors[i] < least ? traffic->doors[i] : least;
    uint64_t gain = traffic->doors[0] - least;
    if (gain < DOORS_LEAST || gain * DOORS_PER < traffic->calls)
        return 0;
    unsigned choice = 1;
    while (traffic->doors[choice] > least + gain / 10)
        choice++;
    return choice;
}

/* A class and the exact ones below it, which take over its traffic. */
static void add_warm(struct tuning *tuning, size_t rung, unsigned choice)
{
    const struct traffic *traffic = &tuning->demand.traffic[rung];
    uint32_t below = rung == 0 ? 0 : tuning->ladder.rung[rung - 1].bytes;
    for (size_t i = ladder_find(&tuning->tuned, below + 1);
         i < tuning->tuned.rungs && tuning->tuned.rung[i].bytes <= tuning->ladder.rung[rung].bytes;
         i++)
        tuning->warm[tuning->warms++] = (struct warm){.bytes = tuning->tuned.rung[i].bytes,
                                                      .rounds = UINT32_C(8) << choice,
                                                      .calls = traffic->calls,
                                                      .doors_before = traffic->doors[0],
                                                      .doors_after = traffic->doors[choice]};
}

static void make_warms(struct tuning *tuning)
{
    for (size_t rung = 0; rung < tuning->ladder.rungs; rung++) {
        unsigned choice = choose_rounds(&tuning->demand.traffic[rung], &tuning->ladder.rung[rung]);
        if (choice != 0)
            add_warm(tuning, rung, choice);
    }
}

/* -- both ------------------------------------------------------------------------------------- */

void tuning_make(struct tuning *tuning, const struct trace *trace, struct progress *progress)
{
    demand_read(&tuning->demand, trace, &tuning->ladder, progress);
    tuning->tuned = tuning->ladder;
    tuning->exacts = tuning->warms = 0;
    tuning->before = demand_lose(&tuning->demand, &tuning->ladder, 0, LADDER_BYTES_MOST);
    make_exacts(tuning);
    make_warms(tuning);
    tuning->after = demand_lose(&tuning->demand, &tuning->tuned, 0, LADDER_BYTES_MOST);
}

void tuning_fini(struct tuning *tuning)
{
    demand_free(&tuning->demand);
}
