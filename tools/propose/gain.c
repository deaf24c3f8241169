/* gain.c - see gain.h */
#include "tools/propose/gain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/propose/plan.h"
#include "tools/replay/run.h"
#include "tools/replay/scratch.h"
#include "tools/trace/memory.h"

static void begin_plan(void *plan)
{
    plan_begin(plan);
}

static bool next_of_plan(void *plan, struct trace_visit *visit, struct trace_event *event)
{
    return plan_next(plan, visit, event);
}

enum { ROUNDS_OPERATIONS = 1 << 21, ROUNDS_MOST = 32 };

/* One of the two programs. */
struct side {
    struct compiled compiled;
    struct gain_side *result;
    double *taken; /* by each run, a round; */
    double own;    /* by the replay itself: the least of all */
};

/* Short traces are replayed again and again: what disturbs a window does not in all rounds. */
static uint32_t rounds_of(const struct side *side)
{
    uint64_t operations = side->compiled.program->operations | 1;
    uint64_t rounds = ROUNDS_OPERATIONS / operations + 1;
    return rounds < ROUNDS_MOST ? (uint32_t)rounds : ROUNDS_MOST;
}

static bool run_one(const struct side *side, const struct allocator *allocator,
                    enum program_mode mode, struct result *result, struct gain *gain)
{
    const struct run_plan plan = {
        .compiled = &side->compiled,
        .orders = {.touch = PROGRAM_TOUCH_PAGES, .copies = 1, .rounds = rounds_of(side)},
    };
    memset(result, 0, sizeof *result);
    run_once(&plan, allocator, mode, result);
    if (result->is_done == 0)
        snprintf(gain->error, sizeof gain->error, "%s", result->error);
    return result->is_done != 0;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double sort_median(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* How many of the least and of the most can be left out so that the true median lies between the
 * others 19 times in 20: a value is below it as often as above (sign test). */
static unsigned count_outer(unsigned count)
{
    double chance = pow(0.5, count), tail = chance; /* that `outer` are below, or fewer */
    unsigned outer = 0;
    while (2 * tail <= 0.05) {
        chance *= (double)(count - outer) / (outer + 1);
        tail += chance;
        outer++;
    }
    return outer != 0 ? outer - 1 : 0;
}

/* Of each run, without the replay's own work; that may take longer than a run with little else. */
static void take_off(double *taken, double own, unsigned runs)
{
    for (unsigned run = 0; run < runs; run++)
        taken[run] = fmax(0, taken[run] - own);
}

void gain_compare(double *before, double before_own, double *with, double with_own,
                  struct gain *gain)
{
    double *percent = memory_alloc(gain->runs, sizeof *percent);
    take_off(before, before_own, gain->runs);
    take_off(with, with_own, gain->runs);
    for (unsigned run = 0; run < gain->runs; run++)
        percent[run] = before[run] > 0 ? 100 * (1 - with[run] / before[run]) : 0;
    gain->percent = sort_median(percent, gain->runs);
    gain->low = percent[count_outer(gain->runs)];
    gain->high = percent[gain->runs - 1 - count_outer(gain->runs)];
    gain->before.ns = (uint64_t)sort_median(before, gain->runs);
    gain->with.ns = (uint64_t)sort_median(with, gain->runs);
    free(percent);
}

static bool run_side(struct side *side, const struct allocator *allocator, unsigned run,
                     struct gain *gain, struct result *result)
{
    if (!run_one(side, allocator, PROGRAM_NULL, result, gain))
        return false;
    double own = (double)result->cpu_least_ns;
    side->own = run == 0 || own < side->own ? own : side->own;
    if (!run_one(side, allocator, PROGRAM_PLAIN, result, gain))
        return false;
    side->taken[run] = (double)result->cpu_least_ns;
    if (side->result->peak == 0 || result->resident_peak < side->result->peak)
        side->result->peak = result->resident_peak;
    return true;
}

/* In turns. */
static void run_all(struct side sides[2], const struct allocator *allocator, struct gain *gain,
                    struct result *result)
{
    bool is_done = true;
    for (int i = 0; i < 2; i++)
        sides[i].taken = memory_alloc(gain->runs, sizeof *sides[i].taken);
    for (unsigned run = 0; run < 2 * gain->runs && is_done; run++)
        is_done = run_side(&sides[run % 2], allocator, run / 2, gain, result);
    if (is_done)
        gain_compare(sides[0].taken, sides[0].own, sides[1].taken, sides[1].own, gain);
    free(sides[0].taken);
    free(sides[1].taken);
}

static int compile_side(const struct trace *trace, struct plan *plan, struct side *side)
{
    const struct rewriting rewriting = {begin_plan, next_of_plan, plan};
    const struct compile_options options = {0};
    struct source source = {.trace = trace, .rewriting = plan != NULL ? &rewriting : NULL};
    return compile_source(&source, &options, &side->compiled);
}

void gain_measure(const struct trace *trace, uint32_t node, unsigned runs, struct gain *gain)
{
    struct side sides[2] = {{.result = &gain->before}, {.result = &gain->with}};
    struct allocators *allocators = memory_alloc(1, sizeof *allocators);
    struct result *result = memory_alloc(1, sizeof *result);
    struct plan *plan = plan_create(trace, node);
    *gain = (struct gain){.runs = runs};
    if (allocators_parse("mpress", allocators) != CLI_OK)
        snprintf(gain->error, sizeof gain->error, "libmpress.so was not found");
    else if (compile_side(trace, NULL, &sides[0]) != 0 || compile_side(trace, plan, &sides[1]) != 0)
        snprintf(gain->error, sizeof gain->error, "no room for the replay in %.100s",
                 scratch_folder());
    else
        run_all(sides, &allocators->all[0], gain, result);
    compile_free(&sides[0].compiled);
    compile_free(&sides[1].compiled);
    plan_destroy(plan);
    allocators_fini(allocators);
    free(result);
}

bool gain_is_worth_it(const struct gain *gain)
{
    return gain->error[0] == '\0' && gain->percent >= GAIN_LEAST && gain->low > 0;
}
