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
#include "tools/replay/run.h"
#include "tools/replay/scratch.h"
#include "tools/scenario/options.h"
#include "tools/scenario/scenario.h"
#include "tools/trace/memory.h"

static const struct program_orders orders = {
    .mode = PROGRAM_PLAIN, .touch = PROGRAM_TOUCH_PAGES, .copies = 1, .rounds = 1, .says = 1};

/* The orders for all runs; -1: errno says why. */
static int make_orders(void)
{
    int fd = memfd_create("mpress-replay-result", 0);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, sizeof(struct result)) == 0 &&
        pwrite(fd, &orders, sizeof(orders), 0) == (ssize_t)sizeof(orders))
        return fd;
    close(fd);
    return -1;
}

static int run(struct options *options, const struct compiled *compiled)
{
    char path[ALLOCATOR_PATH_BYTES], program[16], result[16];
    int fd = make_orders();
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

static int compile(const struct plan *plan, struct options *options)
{
    struct compiled compiled;
    const struct compile_options how = {.is_one_thread = false};
    struct trace *trace = cli_open_whole_trace(plan->trace);
    if (trace == NULL)
        return CLI_USAGE;
    struct source source = {.trace = trace};
    int error = compile_source(&source, &how, &compiled);
    int status = CLI_USAGE;
    if (error != 0) {
        scratch_say(plan->trace, error);
    } else if (compiled.program->operations == 0) {
        cli_say("%s: there is nothing to replay in it", plan->trace);
        compile_free(&compiled);
    } else {
        status = run(options, &compiled);
        compile_free(&compiled);
    }
    trace_close(trace);
    return status;
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
    struct options *options = memory_alloc(1, sizeof(*options));
    struct allocators *allocators = memory_alloc(1, sizeof(*allocators));
    int status = options_read(argc, argv, true, options);
    if (status == CLI_GO_ON && options->is_list)
        status = scenario_run(options);
    if (status == CLI_GO_ON)
        status = choose(&options->plan[0], allocators);
    if (status == CLI_GO_ON)
        status = compile(&options->plan[0], options);
    allocators_fini(allocators);
    options_fini(options);
    free(options);
    return status;
}
