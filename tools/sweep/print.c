/* print.c - a sweep on a terminal of 80 columns. */
#define _GNU_SOURCE /* sigabbrev_np */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report/page.h"
#include "tools/sweep/sweep.h"
#include "tools/symbols/symbols.h"
#include "tools/units.h"

enum { DEPTH = 8, SAME_FRAMES = 3 };

/* Failures that are shown once: the same end, refused at the same place. */
struct kind {
    const struct sweep_result *first;
    size_t runs;
};

const char *sweep_outcome_name(enum sweep_outcome outcome)
{
    static const char *const names[] = {"same", "gave up", "silent", "aborted", "crashed", "hung"};
    return names[outcome];
}

static const char *describe_outcome(enum sweep_outcome outcome)
{
    static const char *const texts[] = {"ended as without failure",
                                        "gave up: another exit status",
                                        "SILENT: other output, status the same",
                                        "ABORTED: by abort()",
                                        "CRASHED: by another signal",
                                        "HUNG: had to be killed"};
    return texts[outcome];
}

const char *sweep_way_text(enum sweep_way way)
{
    static const char *const texts[] = {[SWEEP_BRANCH] = "fork of one run",
                                        [SWEEP_ASKED] = "run of its own",
                                        [SWEEP_MISSED] = "the forking run did not come there",
                                        [SWEEP_ASTRAY] = "the forking run ended otherwise",
                                        [SWEEP_FAILED] = "it could not be forked",
                                        [SWEEP_THREADS] = "there were several threads",
                                        [SWEEP_CHILDREN] = "there were child processes",
                                        [SWEEP_TIMER] = "a timer ran",
                                        [SWEEP_SHARES] = "a pipe, socket or the like was open",
                                        [SWEEP_MEMORY] = "memory was shared with others",
                                        [SWEEP_EFFECT] = "a fork would be felt outside"};
    return texts[way];
}

/* -- counts ----------------------------------------------------------------------------------- */

static size_t count(const struct sweep *sweep, enum sweep_mode mode, enum sweep_outcome outcome)
{
    size_t runs = 0;
    for (size_t i = 0; i < sweep->count; i++)
        runs += sweep->results[i].mode == mode && sweep->results[i].outcome == outcome;
    return runs;
}

static size_t count_forks(const struct sweep *sweep)
{
    size_t forks = 0;
    for (size_t i = sweep->taken_up; i < sweep->count; i++)
        forks += sweep->results[i].way == SWEEP_BRANCH;
    return forks;
}

static size_t count_way(const struct sweep *sweep, enum sweep_mode mode, enum sweep_way way)
{
    size_t runs = 0;
    for (size_t i = 0; i < sweep->count; i++)
        runs += sweep->results[i].mode == mode && sweep->results[i].way == way;
    return runs;
}

static void print_head(const struct sweep *sweep)
{
    const struct census *census = &sweep->census;
    char name[PAGE_CELL_BYTES];
    page_fit(name, sweep->options->arguments[0], 24, true);
    printf("%s: %s, ", name, units_plural(census->calls, "allocation").at);
    printf("%s, %s a run", units_plural(census->stacks, "call stack").at,
           units_duration(sweep->wall_ns).at);
    if (sweep->code != 0)
        printf("; exit status %d without failure", sweep->code);
    fputc('\n', stdout);
    size_t forks = count_forks(sweep);
    size_t runs = sweep->count - sweep->taken_up - forks;
    if (forks != 0)
        printf("%s%s", units_plural(forks, "fork").at, runs != 0 ? " and " : "");
    if (forks == 0 || runs != 0)
        printf("%s", units_plural(runs, "run").at);
    fputs(" in ", stdout);
    printf("%s", units_duration(sweep->spent_ns).at);
    if (sweep->taken_up != 0)
        printf(", and %s before", units_plural(sweep->taken_up, "run").at);
    if (sweep->count < sweep->planned)
        printf("; %s not tried", units_count(sweep->planned - sweep->count).at);
    fputs("\n\n", stdout);
}

static void print_counts(const struct sweep *sweep)
{
    printf("%-42s %10s %10s\n", "", "that alone", "all behind");
    for (unsigned i = 0; i < SWEEP_OUTCOMES; i++) {
        size_t alone = count(sweep, SWEEP_TRANSIENT, (enum sweep_outcome)i);
        size_t behind = count(sweep, SWEEP_PERSISTENT, (enum sweep_outcome)i);
        if (alone + behind != 0)
            printf("%-42s %10zu %10zu\n", describe_outcome((enum sweep_outcome)i), alone, behind);
    }
    fputc('\n', stdout);
    for (unsigned i = 0; i < SWEEP_WAYS; i++) {
        size_t alone = count_way(sweep, SWEEP_TRANSIENT, (enum sweep_way)i);
        size_t behind = count_way(sweep, SWEEP_PERSISTENT, (enum sweep_way)i);
        char text[64];
        snprintf(text, sizeof(text), "%s%s", i > SWEEP_ASKED ? "run: " : "",
                 sweep_way_text((enum sweep_way)i));
        if (alone + behind != 0)
            printf("%-42s %10zu %10zu\n", text, alone, behind);
    }
    if (!sweep->is_reproducible)
        puts("\nTwo runs without failure differed: outputs are not compared.");
}

/* -- failures --------------------------------------------------------------------------------- */

static bool is_same_kind(const struct sweep_result *a, const struct sweep_result *b)
{
    if (a->outcome != b->outcome || a->code != b->code)
        return false;
    for (size_t i = 0; i < SAME_FRAMES; i++) {
        uint64_t left = i < a->stack.frames ? a->stack.ip[i] : 0;
        uint64_t right = i < b->stack.frames ? b->stack.ip[i] : 0;
        if (left != right)
            return false;
    }
    return true;
}

static size_t find_kinds(const struct sweep *sweep, struct kind *kinds)
{
    size_t found = 0;
    for (size_t i = 0; i < sweep->count; i++) {
        const struct sweep_result *result = &sweep->results[i];
        if (!sweep_is_bad(result->outcome) && result->outcome != SWEEP_SILENT)
            continue;
        size_t kind = 0;
        while (kind < found && !is_same_kind(kinds[kind].first, result))
            kind++;
        if (kind == found)
            kinds[found++] = (struct kind){.first = result};
        kinds[kind].runs++;
    }
    return found;
}

/* Worse ends first, then what more runs came to. */
static int compare_kinds(const void *left, const void *right)
{
    const struct kind *a = left;
    const struct kind *b = right;
    if (a->first->outcome != b->first->outcome)
        return a->first->outcome < b->first->outcome ? 1 : -1;
    if (a->runs != b->runs)
        return a->runs < b->runs ? 1 : -1;
    return a->first->nth < b->first->nth ? -1 : a->first->nth > b->first->nth;
}

static void print_frame(const struct frame *frame)
{
    char place[PAGE_CELL_BYTES] = "";
    char text[4096];
    if (frame->function != NULL)
        snprintf(text, sizeof(text), "%.4000s", frame->function);
    else
        snprintf(text, sizeof(text), "%.256s+0x%llx", frame->module,
                 (unsigned long long)frame->offset);
    char function[PAGE_CELL_BYTES];
    page_fit(function, text, 44, false);
    if (frame->file != NULL)
        snprintf(text, sizeof(text), "%.3900s:%u", frame->file, frame->line);
    else
        snprintf(text, sizeof(text), "(%.256s)", frame->module);
    page_fit(place, text, 26, true);
    printf("        %-44s  %s\n", function, place);
}

static void print_stack(struct symbols *symbols, const struct sweep_stack *stack)
{
    if (stack->frames == 0)
        puts("        (where is not known)");
    for (size_t i = 0; i < stack->frames && i < DEPTH; i++) {
        struct trace_node node = {.ip = stack->ip[i]};
        struct frames frames = symbols_find(symbols, &node);
        for (size_t k = 0; k < frames.count; k++)
            print_frame(&frames.frame[k]);
    }
    if (stack->frames > DEPTH)
        printf("        ... %s further out\n", units_plural(stack->frames - DEPTH, "frame").at);
}

static void print_kind(struct symbols *symbols, const struct kind *kind)
{
    const struct sweep_result *first = kind->first;
    const char *name = sigabbrev_np(first->code);
    bool is_signal = first->outcome == SWEEP_CRASHED || first->outcome == SWEEP_ABORTED;
    printf("\n%s", sweep_outcome_name(first->outcome));
    if (is_signal && name != NULL)
        printf(" (SIG%s)", name);
    printf(" when allocation %s", units_count(first->nth).at);
    printf(" (%s) failed%s", units_bytes(first->bytes).at,
           first->mode == SWEEP_PERSISTENT ? ", and all behind it" : "");
    if (kind->runs > 1)
        printf("%s%s more like this", first->mode == SWEEP_PERSISTENT ? ";\n  " : "; ",
               units_plural(kind->runs - 1, "run").at);
    fputc('\n', stdout);
    print_stack(symbols, &first->stack);
}

static void print_again(const struct sweep *sweep, const struct sweep_result *result)
{
    printf("\nAgain by hand, in front of the command:\n  MPRESS_FAIL_NTH=%llu %sLD_PRELOAD=%s\n",
           (unsigned long long)result->nth,
           result->mode == SWEEP_PERSISTENT ? "MPRESS_FAIL_MODE=persistent " : "", sweep->library);
}

void sweep_print(const struct sweep *sweep)
{
    struct kind *kinds = calloc(sweep->count + 1, sizeof(*kinds));
    print_head(sweep);
    print_counts(sweep);
    if (kinds == NULL)
        return;
    size_t found = find_kinds(sweep, kinds);
    qsort(kinds, found, sizeof(*kinds), compare_kinds);
    struct symbols *symbols = symbols_create(sweep->census.trace);
    size_t shown = found < sweep->options->top ? found : sweep->options->top;
    for (size_t i = 0; i < shown; i++)
        print_kind(symbols, &kinds[i]);
    if (shown < found)
        printf("\n... and %s more (--top)\n", units_plural(found - shown, "place").at);
    if (found != 0)
        print_again(sweep, kinds[0].first);
    symbols_destroy(symbols);
    free(kinds);
}
