/* replay.c - `mpress replay`: reads, compiles, runs in turns, prints. */
#include "tools/replay/replay.h"

#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/progress.h"
#include "tools/replay/allocators.h"
#include "tools/replay/asked.h"
#include "tools/replay/compile.h"
#include "tools/replay/options.h"
#include "tools/replay/run.h"
#include "tools/replay/scratch.h"
#include "tools/replay/table.h"
#include "tools/replay/under.h"
#include "tools/scenario/scenario.h"
#include "tools/trace/memory.h"
#include "tools/units.h"

enum { PROGRESS_DELAY_NS = 300000000, OVERHEAD_RUNS = 3 };

/* One line for all that goes on; compile_trace's call-back has no room for more. */
static struct {
    struct progress line;
    uint64_t rounds; /* runs altogether */
    uint64_t round;  /* done */
} shown;

static void show_reading(double share)
{
    if (progress_is_due(&shown.line))
        progress_show(&shown.line, "reading  %.0f %%", 100 * share);
}

static void show_run(const struct run_plan *plan, double share)
{
    if (!progress_is_due(&shown.line))
        return;
    double done = (double)shown.round + share;
    double spent = (double)(progress_now_ns() - shown.line.started_ns) / 1e9;
    double left = done > 0 ? spent * ((double)shown.rounds - done) / done : 0;
    progress_show(&shown.line, "replaying under %s  run %llu of %llu, %.0f %%, about %.0f s left",
                  plan->what, (unsigned long long)shown.round + 1, (unsigned long long)shown.rounds,
                  100 * share, left);
}

/* -- runs ------------------------------------------------------------------------------------- */

static bool run(struct run_plan *plan, struct row *row, enum program_mode mode,
                struct result *result)
{
    if (row->error[0] == '\0') {
        plan->what = row->allocator->name;
        run_once(plan, row->allocator, row->allocator->is_none ? PROGRAM_NULL : mode, result);
        if (!result->is_done)
            memcpy(row->error, result->error, sizeof(row->error));
    }
    shown.round++;
    return row->error[0] == '\0';
}

/* In turns, so that what else the machine does hits all alike. */
static void run_in_turns(struct run_plan *plan, struct table *table, struct result *results)
{
    unsigned runs = table->options->runs;
    for (unsigned round = 0; round < runs; round++) {
        for (size_t i = 0; i < table->rows; i++)
            run(plan, &table->row[i], PROGRAM_PLAIN, &results[i * runs + round]);
    }
}

static void judge_contents(struct row *row, const struct result *checked)
{
    row->is_verified = !row->allocator->is_none;
    row->overlaps = checked->overlaps;
    if (row->overlaps != 0)
        snprintf(row->error, sizeof(row->error), "%s: %.180s",
                 units_plural(row->overlaps, "overlap").at, checked->overlap);
}

static void run_rest(struct run_plan *plan, struct table *table, struct row *row,
                     const struct result *results)
{
    struct result timed;
    struct result checked;
    bool is_timed = table->options->is_timed && run(plan, row, PROGRAM_TIMED, &timed);
    if (table->options->is_verified && run(plan, row, PROGRAM_CHECKED, &checked))
        judge_contents(row, &checked);
    if (row->error[0] == '\0')
        stats_make(&row->stats, results, table->options->runs, is_timed ? &timed : NULL);
    row->knows_internal = row->error[0] == '\0' && results[0].knows_internal;
}

/* The least of some runs: what else the machine does makes them longer only. 0: it is not known. */
static uint64_t measure_overhead(struct run_plan *plan)
{
    static const struct allocator nothing = {.name = "nothing"};
    struct row row = {.allocator = &nothing};
    struct result result;
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < OVERHEAD_RUNS && run(plan, &row, PROGRAM_NULL, &result); i++)
        least = result.wall_ns < least ? result.wall_ns : least;
    return row.error[0] == '\0' ? least : 0;
}

static void run_all(struct table *table)
{
    const struct options *options = table->options;
    struct run_plan plan = {.compiled = table->compiled,
                            .orders = {.touch = options->touch,
                                       .copies = options->copies,
                                       .rounds = options->rounds,
                                       .speed = options->speed},
                            .show = shown.line.is_on ? show_run : NULL};
    struct result *results = memory_alloc(table->rows * options->runs, sizeof(*results));
    shown.round = 0;
    bool is_paced =
        options->speed > 0; /* it then takes as long as the recording, and tells nothing */
    shown.rounds = table->rows * (options->runs + options->is_timed + options->is_verified) +
                   (is_paced ? 0 : OVERHEAD_RUNS);
    progress_init(&shown.line, !options->is_quiet, PROGRESS_DELAY_NS);
    table->overhead_ns = is_paced ? 0 : measure_overhead(&plan);
    run_in_turns(&plan, table, results);
    for (size_t i = 0; i < table->rows; i++)
        run_rest(&plan, table, &table->row[i], results + i * options->runs);
    progress_fini(&shown.line);
    free(results);
}

/* -- the command ------------------------------------------------------------------------------ */

int replay_say_failures(const struct table *table)
{
    int status = CLI_OK;
    for (size_t i = 0; i < table->rows; i++) {
        if (table->row[i].error[0] == '\0')
            continue;
        cli_say("%s: %s", table->row[i].allocator->name, table->row[i].error);
        status = CLI_FAILED;
    }
    return status;
}

static int print_table(const struct table *table, void *unused)
{
    (void)unused;
    int status = replay_say_failures(table);
    if (!table->options->is_json)
        table_print(table, stdout);
    else if (table_print_json(table) != CLI_OK)
        status = CLI_FAILED;
    return cli_finish(status);
}

static int replay_compiled(const struct options *options, const struct source *source,
                           const struct allocators *allocators, const struct compiled *compiled,
                           replay_print *print, void *context)
{
    struct table table = {
        .options = options, .source = source, .compiled = compiled, .rows = allocators->count};
    table.row = memory_alloc(table.rows, sizeof(*table.row));
    for (size_t i = 0; i < table.rows; i++)
        table.row[i].allocator = &allocators->all[i];
    run_all(&table);
    int status = print(&table, context);
    free(table.row);
    return status;
}

int replay_source(const struct options *options, struct source *source,
                  const struct allocators *allocators, replay_print *print, void *context)
{
    struct compiled compiled;
    progress_init(&shown.line, !options->is_quiet, PROGRESS_DELAY_NS);
    const struct compile_options how = {.is_one_thread = options->is_one_thread,
                                        .is_paced = options->speed > 0,
                                        .show = shown.line.is_on ? show_reading : NULL};
    int error = compile_source(source, &how, &compiled);
    progress_fini(&shown.line);
    if (error != 0) {
        scratch_say(source_name(source), error);
        return CLI_FAILED;
    }
    if (compiled.program->operations == 0) {
        cli_say("%s: there is nothing to replay in it", source_name(source));
        compile_free(&compiled);
        return CLI_FAILED;
    }
    int status = replay_compiled(options, source, allocators, &compiled, print, context);
    compile_free(&compiled);
    return status;
}

int replay_trace(const struct options *options, const struct trace *trace,
                 const struct allocators *allocators, replay_print *print, void *context)
{
    struct source source = {.trace = trace};
    return replay_source(options, &source, allocators, print, context);
}

static int find_allocators(const struct options *options, struct allocators *allocators)
{
    int status = CLI_OK;
    for (unsigned i = 0; i < options->withs && status == CLI_OK; i++)
        status = allocators_parse(options->with[i], allocators);
    if (status == CLI_OK && options->profile != NULL)
        status = allocators_add_profile(allocators, options->profile);
    return status;
}

static int replay_file(const struct options *options, const struct allocators *allocators)
{
    struct trace *trace = cli_open_whole_trace(options->trace);
    int status = CLI_FAILED;
    if (trace != NULL)
        status = replay_trace(options, trace, allocators, print_table, NULL);
    trace_close(trace);
    return status;
}

static int compare(int argc, char **argv)
{
    struct options options;
    int status = options_parse(argc, argv, &options);
    if (status != CLI_GO_ON)
        return status;
    struct allocators *allocators = memory_alloc(1, sizeof(*allocators));
    status = find_allocators(&options, allocators);
    if (status == CLI_OK)
        status = options.trace != NULL ? replay_file(&options, allocators)
                                       : replay_scales(&options, allocators);
    allocators_fini(allocators);
    return status;
}

int replay_main(int argc, char **argv)
{
    switch (asked_find(argc, argv)) {
    case ASKED_SCENARIO:
        return scenario_main(argc, argv);
    case ASKED_UNDER:
        return under_main(argc, argv);
    default:
        return compare(argc, argv);
    }
}
