/* gain.c - see gain.h */
#include "tools/propose/gain.h"

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

enum { ROUNDS_OPERATIONS = 1 << 21, ROUNDS_MOST = 1000 };

/* One of the two programs. */
struct side {
    struct compiled compiled;
    struct gain_side *result;
};

/* Short traces are replayed again and again, so that there is something to measure. */
static uint32_t rounds_of(const struct side *side)
{
    uint64_t operations = side->compiled.program->operations | 1;
    uint64_t rounds = ROUNDS_OPERATIONS / operations + 1;
    return rounds < ROUNDS_MOST ? (uint32_t)rounds : ROUNDS_MOST;
}

static bool run_one(const struct side *side, const struct allocator *allocator,
                    struct result *result, struct gain *gain)
{
    const struct run_plan plan = {
        .compiled = &side->compiled,
        .orders = {.touch = PROGRAM_TOUCH_PAGES, .copies = 1, .rounds = rounds_of(side)},
    };
    memset(result, 0, sizeof *result);
    run_once(&plan, allocator, PROGRAM_PLAIN, result);
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

static void compare_runs(struct gain *gain, double *before, double *with)
{
    double *percent = memory_alloc(gain->runs, sizeof *percent);
    for (unsigned run = 0; run < gain->runs; run++)
        percent[run] = before[run] > 0 ? 100 * (1 - with[run] / before[run]) : 0;
    gain->percent = sort_median(percent, gain->runs);
    gain->low = percent[gain->runs / 4];
    gain->high = percent[gain->runs - 1 - gain->runs / 4];
    gain->before.ns = (uint64_t)sort_median(before, gain->runs);
    gain->with.ns = (uint64_t)sort_median(with, gain->runs);
    free(percent);
}

/* In turns. */
static void run_all(struct side sides[2], const struct allocator *allocator, struct gain *gain,
                    struct result *result)
{
    double *taken[2] = {memory_alloc(gain->runs, sizeof **taken),
                        memory_alloc(gain->runs, sizeof **taken)};
    bool is_done = true;
    for (unsigned run = 0; run < 2 * gain->runs && is_done; run++) {
        struct side *side = &sides[run % 2];
        is_done = run_one(side, allocator, result, gain);
        taken[run % 2][run / 2] = (double)result->cpu_ns / rounds_of(side);
        if (run < 2 || result->resident_peak < side->result->peak)
            side->result->peak = result->resident_peak;
    }
    if (is_done)
        compare_runs(gain, taken[0], taken[1]);
    free(taken[0]);
    free(taken[1]);
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
