/* sweep.c - the order of what is tried, and what each came to. */
#define _GNU_SOURCE
#include "tools/sweep/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
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

enum sweep_outcome sweep_judge(const struct sweep *sweep, const struct probe *probe)
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

int sweep_code_of(const struct probe *probe)
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
static bool run_probe(struct sweep *sweep, struct census_site *site, enum sweep_mode mode)
{
    char path[128];
    struct probe probe;
    snprintf(path, sizeof(path), "%s/run.mpt", sweep->folder);
    const struct probe_start start = {.nth = site->nth, .mode = mode, .trace = path};
    int error = probe_run(sweep, &start, &probe);
    if (error != 0)
        cli_say("no run can be started: %s", strerror(error));
    if (error != 0 || probe_stop != 0)
        return false;
    struct sweep_result *result = sweep_add(sweep);
    *result = (struct sweep_result){.nth = site->nth,
                                    .mode = mode,
                                    .outcome = sweep_judge(sweep, &probe),
                                    .way = (enum sweep_way)site->way,
                                    .code = sweep_code_of(&probe)};
    read_failure(path, result);
    unlink(path);
    state_add(sweep, result);
    site->is_done[mode] = true;
    sweep->tried++;
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

/* It left no trace: that may be for want of room. */
static int refuse_untraced(const struct sweep *sweep)
{
    const uint64_t enough_bytes = 64 << 20;
    struct statvfs there;
    bool is_known = statvfs(sweep->folder, &there) == 0;
    uint64_t room_bytes = is_known ? (uint64_t)there.f_bavail * there.f_frsize : UINT64_MAX;
    if (room_bytes < enough_bytes) {
        cli_say("%s: no room for traces, %s are left; TMPDIR names another folder", sweep->folder,
                units_bytes(room_bytes).at);
        return CLI_USAGE;
    }
    cli_say("%s did not take the library: nothing can be made to fail in it",
            sweep->options->arguments[0]);
    return CANNOT_RUN;
}

/* Nor is a table without a line an answer: nothing was tried. */
static int refuse_idle(const struct sweep *sweep)
{
    cli_say("%s allocates nothing: there is nothing to make fail in it",
            sweep->options->arguments[0]);
    return CANNOT_RUN;
}

/* The first tells what there is to fail, the second whether it is the same every time. */
static int run_twice(struct sweep *sweep)
{
    char path[128];
    struct probe first;
    struct probe second;
    snprintf(path, sizeof(path), "%s/census.mpt", sweep->folder);
    int error = probe_run(sweep, &(struct probe_start){.trace = path}, &first);
    if (error == 0 && (first.is_hung || WIFSIGNALED(first.wait_status)))
        return refuse_program(sweep, &first);
    if (error == 0 && access(path, R_OK) != 0)
        return refuse_untraced(sweep);
    if (error == 0 && census_read(path, sweep->options->repeats, &sweep->census) != 0)
        return CLI_USAGE;
    sweep->code = WEXITSTATUS(first.wait_status);
    sweep->output = first.output;
    sweep->wall_ns = first.wall_ns;
    snprintf(path, sizeof(path), "%s/run.mpt", sweep->folder);
    if (error == 0)
        error = probe_run(sweep, &(struct probe_start){.trace = path}, &second);
    if (error != 0) {
        cli_say("no run can be started: %s", strerror(error));
        return CLI_USAGE;
    }
    sweep->is_reproducible =
        second.wait_status == first.wait_status && second.output == first.output;
    return CLI_OK;
}

/* -- all of them ------------------------------------------------------------------------------ */

void sweep_show(const struct sweep *sweep)
{
    if (!progress_is_due(&line))
        return;
    size_t bad = 0;
    for (size_t i = 0; i < sweep->count; i++)
        bad += sweep_is_bad(sweep->results[i].outcome);
    double spent = (double)(progress_now_ns() - sweep->begun_ns) / 1e9;
    size_t done = sweep->taken_up + sweep->tried;
    double left =
        sweep->tried != 0 ? spent * (double)(sweep->planned - done) / (double)sweep->tried : 0;
    progress_show(&line, "failing  %zu of %zu, %zu bad, about %.0f s left", done, sweep->planned,
                  bad, left);
}

bool sweep_may_go_on(const struct sweep *sweep)
{
    const struct sweep_options *options = sweep->options;
    if (options->runs_most != 0 && sweep->tried >= options->runs_most)
        return false;
    return options->budget_ns == 0 || progress_now_ns() - sweep->begun_ns < options->budget_ns;
}

/* The rest, in the order of the plan. */
static void try_by_runs(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->census.count; i++) {
        struct census_site *site = &sweep->census.sites[i];
        for (unsigned mode = 0; mode < SWEEP_MODES; mode++) {
            if (!sweep->options->modes[mode] || site->is_done[mode])
                continue;
            sweep_show(sweep);
            if (!sweep_may_go_on(sweep) || !run_probe(sweep, site, (enum sweep_mode)mode))
                return;
        }
    }
}

/* A trunk for each group: the best of them first. */
static bool try_by_forks(struct sweep *sweep)
{
    size_t from = 0;
    bool goes_on = true;
    for (unsigned i = 0; i < 3 && goes_on; i++) {
        goes_on = trunk_run(sweep, from, sweep->census.groups[i]);
        from = sweep->census.groups[i];
    }
    return goes_on;
}

static void take_up(struct sweep *sweep)
{
    struct census *census = &sweep->census;
    struct census_site **by_number = memory_alloc(census->calls + 1, sizeof(struct census_site *));
    for (size_t i = 0; i < census->count; i++)
        by_number[census->sites[i].nth] = &census->sites[i];
    for (size_t i = 0; i < sweep->count; i++) {
        const struct sweep_result *result = &sweep->results[i];
        struct census_site *site = result->nth <= census->calls ? by_number[result->nth] : NULL;
        if (site != NULL)
            site->is_done[result->mode] = true;
    }
    free(by_number);
    sweep->taken_up = sweep->count;
}

static void try_all(struct sweep *sweep)
{
    const struct sweep_options *options = sweep->options;
    sweep->begun_ns = progress_now_ns();
    sweep->planned = sweep->census.count * (size_t)(options->modes[0] + options->modes[1]);
    take_up(sweep);
    if (sweep->planned < sweep->count) /* those of other modes */
        sweep->planned = sweep->count;
    progress_init(&line, !options->is_quiet, 0);
    bool branches = options->by != SWEEP_RUNS && trunk_is_possible(sweep);
    if (!branches || try_by_forks(sweep))
        try_by_runs(sweep);
    progress_fini(&line);
    sweep->spent_ns = progress_now_ns() - sweep->begun_ns;
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

/* False: errno says why. Its path has no links in it: so the system tells what a process has open.
 */
static bool make_folder_in(struct sweep *sweep, const char *place)
{
    char *path = realpath(place, NULL);
    if (path == NULL)
        return false;
    int length = snprintf(sweep->folder, sizeof(sweep->folder), "%s/mpress-fail-XXXXXX",
                          strcmp(path, "/") == 0 ? "" : path);
    free(path);
    errno = ENAMETOOLONG;
    return length < (int)sizeof(sweep->folder) && mkdtemp(sweep->folder) != NULL;
}

static int make_folder(struct sweep *sweep)
{
    const char *named = getenv("TMPDIR");
    const char *place = named != NULL && *named != '\0' ? named : "/tmp";
    if (make_folder_in(sweep, place) || (errno == ENAMETOOLONG && make_folder_in(sweep, "/tmp")))
        return CLI_OK;
    cli_say("%s: no room for traces: %s", place, strerror(errno));
    return CLI_USAGE;
}

static void remove_folder(const struct sweep *sweep)
{
    char path[sizeof(sweep->folder) + 256];
    struct dirent *entry;
    DIR *folder = opendir(sweep->folder);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        snprintf(path, sizeof(path), "%s/%.255s", sweep->folder, entry->d_name);
        unlink(path);
    }
    if (folder != NULL)
        closedir(folder);
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
    if (status == CLI_OK && sweep->census.calls == 0)
        status = refuse_idle(sweep);
    if (status == CLI_OK) {
        try_all(sweep);
        remove_folder(sweep); /* whoever reads the output may not read all of it: SIGPIPE */
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
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* who begins a session of his own is found, too */
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
