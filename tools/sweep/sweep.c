/* sweep.c - the order of the runs, and what each of them came to. */
#define _GNU_SOURCE
#include "tools/sweep/sweep.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/progress.h"
#include "tools/trace/memory.h"
#include "tools/units.h"

enum { CANNOT_RUN = 3 };

static struct progress line;

struct sweep_result *sweep_add(struct sweep *sweep)
{
    sweep->results =
        memory_grow(sweep->results, sweep->count, &sweep->capacity, sizeof(*sweep->results));
    struct sweep_result *result = &sweep->results[sweep->count++];
    memset(result, 0, sizeof(*result));
    return result;
}

bool sweep_is_bad(enum sweep_outcome outcome)
{
    return outcome >= SWEEP_ABORTED;
}

/* -- one run ---------------------------------------------------------------------------------- */

static enum sweep_outcome judge(const struct sweep *sweep, const struct probe *probe)
{
    if (probe->is_hung)
        return SWEEP_HUNG;
    if (WIFSIGNALED(probe->wait_status))
        return WTERMSIG(probe->wait_status) == SIGABRT ? SWEEP_ABORTED : SWEEP_CRASHED;
    if (WEXITSTATUS(probe->wait_status) != sweep->code)
        return SWEEP_GAVE_UP;
    bool is_same = probe->output == sweep->output || !sweep->is_reproducible;
    return is_same ? SWEEP_SAME : SWEEP_SILENT;
}

static int code_of(const struct probe *probe)
{
    if (probe->is_hung)
        return 0;
    return WIFSIGNALED(probe->wait_status) ? WTERMSIG(probe->wait_status)
                                           : WEXITSTATUS(probe->wait_status);
}

static bool is_counted(const struct trace_event *event)
{
    bool is_call = event->kind == TRACE_EVENT_ALLOC || event->kind == TRACE_EVENT_REALLOC ||
                   event->kind == TRACE_EVENT_FAILED;
    return is_call && (event->bits & TRACE_EVENT_IN_TXN) == 0;
}

/* Where memory was refused: the run's own trace knows. */
static void read_failure(const char *path, struct sweep_result *result)
{
    struct trace_error error;
    struct trace_event event;
    struct trace *trace = trace_open(path, &error);
    if (trace == NULL)
        return;
    struct trace_visit *visit = trace_visit_create(trace);
    uint64_t calls = 0;
    while (calls < result->nth && trace_visit_next(visit, &event))
        calls += is_counted(&event);
    if (calls == result->nth && event.kind == TRACE_EVENT_FAILED) {
        result->bytes = event.size;
        census_read_stack(trace, event.stack, &result->stack);
    }
    trace_visit_destroy(visit);
    trace_close(trace);
}

/* False: it was interrupted, or there is no room. */
static bool run_probe(struct sweep *sweep, uint64_t nth, enum sweep_mode mode)
{
    char path[128];
    struct probe probe;
    snprintf(path, sizeof(path), "%s/run.mpt", sweep->folder);
    int error = probe_run(sweep, nth, mode, path, &probe);
    if (error != 0)
        cli_say("no run can be started: %s", strerror(error));
    if (error != 0 || probe_stop != 0)
        return false;
    struct sweep_result *result = sweep_add(sweep);
    *result = (struct sweep_result){
        .nth = nth, .mode = mode, .outcome = judge(sweep, &probe), .code = code_of(&probe)};
    read_failure(path, result);
    unlink(path);
    state_add(sweep, result);
    return true;
}

/* -- the runs without failure ----------------------------------------------------------------- */

static int refuse_program(const struct sweep *sweep, const struct probe *probe)
{
    const char *name = sweep->options->arguments[0];
    if (probe->is_hung)
        cli_say("%s did not end in time, though nothing failed (--timeout)", name);
    else
        cli_say("%s was killed by signal %d (%s), though nothing failed", name,
                WTERMSIG(probe->wait_status), strsignal(WTERMSIG(probe->wait_status)));
    return CANNOT_RUN;
}

/* The first tells what there is to fail, the second whether it is the same every time. */
static int run_twice(struct sweep *sweep)
{
    char path[128];
    struct probe first;
    struct probe second;
    snprintf(path, sizeof(path), "%s/census.mpt", sweep->folder);
    int error = probe_run(sweep, 0, SWEEP_TRANSIENT, path, &first);
    if (error == 0 && (first.is_hung || WIFSIGNALED(first.wait_status)))
        return refuse_program(sweep, &first);
    if (error == 0 && access(path, R_OK) != 0) {
        cli_say("%s did not take the library: nothing can be made to fail in it",
                sweep->options->arguments[0]);
        return CANNOT_RUN;
    }
    if (error == 0 && census_read(path, &sweep->census) != 0)
        return CLI_USAGE;
    sweep->code = WEXITSTATUS(first.wait_status);
    sweep->output = first.output;
    sweep->wall_ns = first.wall_ns;
    snprintf(path, sizeof(path), "%s/run.mpt", sweep->folder);
    if (error == 0)
        error = probe_run(sweep, 0, SWEEP_TRANSIENT, path, &second);
    if (error != 0) {
        cli_say("no run can be started: %s", strerror(error));
        return CLI_USAGE;
    }
    sweep->is_reproducible =
        second.wait_status == first.wait_status && second.output == first.output;
    return CLI_OK;
}

/* -- all runs --------------------------------------------------------------------------------- */

struct todo {
    struct sweep *sweep;
    uint8_t *done; /* by number: a bit for each mode */
    uint64_t begun_ns;
    unsigned runs;
};

static void show(const struct todo *todo)
{
    const struct sweep *sweep = todo->sweep;
    if (!progress_is_due(&line))
        return;
    size_t bad = 0;
    for (size_t i = 0; i < sweep->count; i++)
        bad += sweep_is_bad(sweep->results[i].outcome);
    double spent = (double)(progress_now_ns() - todo->begun_ns) / 1e9;
    double left =
        todo->runs != 0 ? spent * (double)(sweep->planned - sweep->count) / todo->runs : 0;
    progress_show(&line, "failing  %zu of %zu runs, %zu bad, about %.0f s left", sweep->count,
                  sweep->planned, bad, left);
}

static bool may_go_on(const struct todo *todo)
{
    const struct sweep_options *options = todo->sweep->options;
    if (options->runs_most != 0 && todo->runs >= options->runs_most)
        return false;
    return options->budget_ns == 0 || progress_now_ns() - todo->begun_ns < options->budget_ns;
}

/* In the modes that are wanted and were not tried. False: that was all. */
static bool try_number(struct todo *todo, uint64_t nth)
{
    for (unsigned mode = 0; mode < SWEEP_MODES; mode++) {
        if (!todo->sweep->options->modes[mode] || (todo->done[nth] >> mode & 1) != 0)
            continue;
        show(todo);
        if (!may_go_on(todo) || !run_probe(todo->sweep, nth, (enum sweep_mode)mode))
            return false;
        todo->done[nth] |= (uint8_t)(1U << mode);
        todo->runs++;
    }
    return true;
}

static bool try_stacks(struct todo *todo)
{
    const struct census *census = &todo->sweep->census;
    for (size_t i = 0; i < census->count; i++) {
        if (!try_number(todo, census->sites[i].nth))
            return false;
    }
    return true;
}

static void try_every(struct todo *todo)
{
    for (uint64_t nth = 1; nth <= todo->sweep->census.calls; nth++) {
        if (!try_number(todo, nth))
            return;
    }
}

static void run_all(struct sweep *sweep)
{
    const struct sweep_options *options = sweep->options;
    struct todo todo = {.sweep = sweep, .begun_ns = progress_now_ns()};
    size_t numbers = options->is_every ? sweep->census.calls : sweep->census.count;
    sweep->planned = numbers * (size_t)(options->modes[0] + options->modes[1]);
    todo.done = memory_alloc(sweep->census.calls + 1, 1);
    for (size_t i = 0; i < sweep->count; i++) {
        if (sweep->results[i].nth <= sweep->census.calls)
            todo.done[sweep->results[i].nth] |= (uint8_t)(1U << sweep->results[i].mode);
    }
    sweep->taken_up = sweep->count;
    if (sweep->planned < sweep->count) /* those of other modes */
        sweep->planned = sweep->count;
    progress_init(&line, !options->is_quiet, 0);
    if (try_stacks(&todo) && options->is_every)
        try_every(&todo);
    progress_fini(&line);
    sweep->spent_ns = progress_now_ns() - todo.begun_ns;
    free(todo.done);
}

/* -- the command ------------------------------------------------------------------------------ */

static int find_target(struct sweep *sweep)
{
    char why[TARGET_WHY_BYTES];
    if (target_find(sweep->options->arguments[0], sweep->program, why) != TARGET_FINE) {
        cli_say("%s", why);
        return CANNOT_RUN;
    }
    if (place_find_library(sweep->library) != 0 || !place_can_preload(sweep->library)) {
        cli_say("%s: no library that can be preloaded (MPRESS_LIBRARY can name it)",
                sweep->library);
        return CLI_USAGE;
    }
    return CLI_OK;
}

static int make_folder(struct sweep *sweep)
{
    const char *place = getenv("TMPDIR");
    int length = snprintf(sweep->folder, sizeof(sweep->folder), "%s/mpress-fail-XXXXXX",
                          place != NULL && strlen(place) < 40 ? place : "/tmp");
    if (length > 0 && mkdtemp(sweep->folder) != NULL)
        return CLI_OK;
    cli_say("%s: no room for traces: %s", sweep->folder, strerror(errno));
    return CLI_USAGE;
}

static void remove_folder(const struct sweep *sweep)
{
    static const char *const names[] = {"census.mpt", "run.mpt"};
    char path[128];
    for (unsigned i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", sweep->folder, names[i]);
        unlink(path);
    }
    rmdir(sweep->folder);
}

static int print(const struct sweep *sweep)
{
    int status = CLI_OK;
    for (size_t i = 0; i < sweep->count; i++) {
        if (sweep_is_bad(sweep->results[i].outcome))
            status = CLI_FAILED;
    }
    if (!sweep->options->is_json)
        sweep_print(sweep);
    else if (sweep_print_json(sweep) != CLI_OK)
        return CLI_USAGE;
    return cli_finish(CLI_OK) == CLI_OK ? status : CLI_USAGE;
}

static int sweep_in_folder(struct sweep *sweep)
{
    sweep->input_fd = probe_keep_input();
    int status = sweep->input_fd < 0 ? CLI_USAGE : run_twice(sweep);
    if (status == CLI_OK)
        status = state_load(sweep);
    if (status == CLI_OK) {
        run_all(sweep);
        status = print(sweep);
    }
    census_fini(&sweep->census);
    free(sweep->results);
    return status;
}

int sweep_main(int argc, char **argv)
{
    struct sweep_options options;
    int status = sweep_parse(argc, argv, &options);
    if (status != CLI_GO_ON)
        return status;
    struct sweep *sweep = memory_alloc(1, sizeof(*sweep));
    sweep->options = &options;
    probe_catch_signals();
    status = find_target(sweep);
    if (status == CLI_OK)
        status = make_folder(sweep);
    if (status == CLI_OK) {
        status = sweep_in_folder(sweep);
        remove_folder(sweep);
    }
    free(sweep);
    return status;
}
