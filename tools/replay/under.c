/* under.c - see under.h. The trace is compiled once; each run of the experiment is a child like
 * those of any replay, which finds program and orders in two files without names that it inherits.
 */
#define _GNU_SOURCE /* memfd_create */
#include "tools/replay/under.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/place.h"
#include "tools/replay/allocators.h"
#include "tools/replay/compile.h"
#include "tools/replay/options.h"
#include "tools/replay/run.h"
#include "tools/replay/scratch.h"
#include "tools/scenario/options.h"
#include "tools/scenario/scenario.h"
#include "tools/trace/memory.h"
#include "tools/units.h"

enum { SCALE_DEFAULT = 100000 };

/* The command line, and what it is in words. */
struct under {
    struct options replay;
    char made[160]; /* the workload; "": a trace */
    char how[160];  /* "": as always */
};

/* The orders for all runs; -1: errno says why. */
static int make_orders(const struct options *replay)
{
    const struct program_orders orders = {.mode = PROGRAM_PLAIN,
                                          .touch = replay->touch,
                                          .copies = replay->copies,
                                          .rounds = replay->rounds,
                                          .speed = replay->speed,
                                          .says = 1};
    int fd = memfd_create("mpress-replay-result", 0);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, sizeof(struct result)) == 0 &&
        pwrite(fd, &orders, sizeof(orders), 0) == (ssize_t)sizeof(orders))
        return fd;
    close(fd);
    return -1;
}

static int run(struct scenario_options *options, const struct options *replay,
               const struct compiled *compiled)
{
    char path[ALLOCATOR_PATH_BYTES], program[16], result[16];
    int fd = make_orders(replay);
    if (fd < 0 || !run_find_child(path, sizeof(path))) {
        cli_say("no replay can be started: %s",
                fd < 0 ? strerror(errno) : "mpress-replay-child is not there");
        return CLI_USAGE;
    }
    fcntl(compiled->fd, F_SETFD, 0);
    snprintf(program, sizeof(program), "%d", compiled->fd);
    snprintf(result, sizeof(result), "%d", fd);
    char *arguments[] = {path, program, result, NULL};
    options->plan[0].arguments = arguments;
    int status = scenario_run(options);
    close(fd);
    return status;
}

static int compile(struct source *source, struct scenario_options *options,
                   const struct options *replay)
{
    struct compiled compiled;
    const struct compile_options how = {.is_one_thread = replay->is_one_thread,
                                        .is_paced = replay->speed > 0};
    int status = CLI_USAGE, error = compile_source(source, &how, &compiled);
    if (error != 0) {
        scratch_say(source_name(source), error);
        return CLI_USAGE;
    }
    if (compiled.program->operations == 0)
        cli_say("%s: there is nothing to replay in it", source_name(source));
    else
        status = run(options, replay, &compiled);
    compile_free(&compiled);
    return status;
}

static int compile_what_is_asked(struct scenario_options *options, const struct options *replay)
{
    if (replay->workload < WORKLOAD_KINDS) {
        struct workload workload = {.kind = replay->workload,
                                    .threads = replay->workload_threads,
                                    .objects = replay->scale[0]};
        return compile(&(struct source){.workload = &workload}, options, replay);
    }
    struct trace *trace = cli_open_whole_trace(options->plan[0].trace);
    if (trace == NULL)
        return CLI_USAGE;
    int status = compile(&(struct source){.trace = trace}, options, replay);
    trace_close(trace);
    return status;
}

/* -- the command line ------------------------------------------------------------------------- */

/* Set before it is known how large the workload is: `check` completes it. */
static const char *find_made(const void *under_)
{
    const struct under *under = under_;
    return under->replay.workload < WORKLOAD_KINDS ? under->made : NULL;
}

static int take(void *under_, int option)
{
    struct under *under = under_;
    return options_take(&under->replay, option);
}

static int check(struct under *under)
{
    struct options *replay = &under->replay;
    int status = options_check(replay);
    if (status != CLI_GO_ON || replay->workload == WORKLOAD_KINDS)
        return status;
    if (replay->scales > 1)
        return cli_refuse("replay", "--scale: one at a time is put under pressure");
    if (replay->scales == 0)
        replay->scale[0] = SCALE_DEFAULT;
    snprintf(under->made, sizeof(under->made), "%s, %s, %s", workload_name(replay->workload),
             units_plural(replay->scale[0], "block").at,
             units_plural(replay->workload_threads, "thread").at);
    return CLI_GO_ON;
}

/* Behind the others, with a comma; what there is no room for is left out. */
static void append(struct under *under, const char *words)
{
    size_t used = strlen(under->how), more = strlen(words) + 2;
    if (used + more >= sizeof(under->how))
        return;
    memcpy(under->how + used, ", ", 2);
    memcpy(under->how + used + (used == 0 ? 0 : 2), words, more - 1);
}

static void describe(struct under *under)
{
    static const char *const touched[] = {"untouched", "first bytes touched", "",
                                          "all bytes touched"};
    const struct options *replay = &under->replay;
    char words[48];
    if (replay->is_one_thread)
        append(under, "threads folded");
    if (replay->copies > 1) {
        snprintf(words, sizeof(words), "%u copies", replay->copies);
        append(under, words);
    }
    if (replay->rounds > 1) {
        snprintf(words, sizeof(words), "%u rounds", replay->rounds);
        append(under, words);
    }
    if (replay->touch != PROGRAM_TOUCH_PAGES)
        append(under, touched[replay->touch]);
    if (replay->speed > 0) {
        snprintf(words, sizeof(words), "at %g times the recorded speed", replay->speed);
        append(under, words);
    }
}

/* Ours is preloaded by the mechanism, if that is one of ours. */
static int choose(struct plan *plan, struct allocators *allocators)
{
    int status = allocators_parse(plan->with == NULL ? "mpress" : plan->with, allocators);
    const struct allocator *allocator = &allocators->all[0];
    if (status != 0)
        return status;
    if (allocators->count != 1 || allocator->is_none)
        return cli_refuse("replay", "--with %s: one allocator at a time is put under pressure",
                          plan->with);
    plan->environment = allocator->variable;
    bool is_ours = strncmp(allocator->name, "mpress", 6) == 0;
    if (!is_ours)
        plan->preload = allocator->library;
    else if (strcmp(plan->pressure, "rlimit") == 0)
        return cli_refuse("replay", "--pressure rlimit: mpress keeps budgets itself, for others");
    return CLI_GO_ON;
}

int under_main(int argc, char **argv)
{
    struct under under = {.made = ""};
    options_init(&under.replay);
    const struct options_of_replay replay = {options_of_source(), "t:s:", take, find_made, &under};
    struct scenario_options *options = memory_alloc(1, sizeof(*options));
    struct allocators *allocators = memory_alloc(1, sizeof(*allocators));
    int status = options_read(argc, argv, &replay, options);
    if (status == CLI_GO_ON && options->is_list)
        status = scenario_run(options);
    if (status == CLI_GO_ON)
        status = check(&under);
    if (status == CLI_GO_ON)
        status = choose(&options->plan[0], allocators);
    if (status == CLI_GO_ON) {
        describe(&under);
        options->plan[0].how = under.how[0] == '\0' ? NULL : under.how;
        status = compile_what_is_asked(options, &under.replay);
    }
    allocators_fini(allocators);
    options_fini(options);
    free(options);
    return status;
}
