/* child.c - mpress-replay-child PROGRAM RESULT: started by `mpress replay` only; both are
 * descriptors of files (program.h). */
#define _GNU_SOURCE
#include "preload/mpress.h"
#include "tools/replay/child/child.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct child child;

_Noreturn void child_fail(const char *format, ...)
{
    char text[RESULT_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (child.result != NULL && child.result->error[0] == '\0')
        memcpy(child.result->error, text, sizeof(text));
    if (child.result != NULL && child.result->orders.says) {
        fputs(text, stderr);
        fputc('\n', stderr);
    }
    _exit(1);
}

static void *map(int fd, size_t bytes, int protection, int flags)
{
    void *start = mmap(NULL, bytes, protection, flags | MAP_POPULATE, fd, 0);
    if (start == MAP_FAILED)
        child_fail("%zu bytes cannot be mapped: %s", bytes, strerror(errno));
    return start;
}

static void map_result(int fd)
{
    child.result = map(fd, sizeof(*child.result), PROT_READ | PROT_WRITE, MAP_SHARED);
}

static void map_tables(void)
{
    int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    int access = PROT_READ | PROT_WRITE;
    size_t slots = (size_t)child.program->slots * child.copies + 1; /* control words name slot 0 */
    child.slots = map(-1, slots * sizeof(*child.slots), access, anonymous);
    child.runners = (size_t)child.program->threads * child.copies;
    size_t timed = child.mode == PROGRAM_TIMED ? child.runners : 1;
    child.counters = map(-1, timed * sizeof(*child.counters), access, anonymous);
}

static void read_orders(void)
{
    const struct program_orders *orders = &child.result->orders;
    child.mode = (enum program_mode)orders->mode;
    child.touch = (enum program_touch)orders->touch;
    child.copies = orders->copies;
    child.rounds = orders->rounds;
    child.speed = orders->speed;
}

/* Which library malloc comes from, so that the parent can tell whether the preload worked. */
static void name_owner(void)
{
    Dl_info info;
    if (dladdr((void *)(uintptr_t)malloc, &info) != 0 && info.dli_fname != NULL)
        snprintf(child.result->owner, sizeof(child.result->owner), "%s", info.dli_fname);
}

/* A library that refused the profile said why; its figures would be those of none. */
static void check_profile(void)
{
    struct mpress_option option;
    if (getenv("MPRESS_PROFILE") == NULL)
        return;
    for (size_t i = 0; mpress_option_read && mpress_option_read(i, &option) == 0; i++) {
        if (strcmp(option.variable, "MPRESS_PROFILE") == 0 && !option.is_default)
            return;
    }
    child_fail("the library did not take the profile");
}

static void add_latencies(void)
{
    size_t timed = child.mode == PROGRAM_TIMED ? child.runners : 0;
    for (size_t i = 0; i < timed; i++) {
        const struct counters *counters = &child.counters[i];
        for (size_t k = 0; k < TRACE_LATENCY_BUCKETS; k++)
            child.result->latency[k] += counters->latency[k];
        child.result->call_ns += counters->call_ns;
        if (counters->latency_max_ns > child.result->latency_max_ns)
            child.result->latency_max_ns = counters->latency_max_ns;
    }
}

static void run_round(void)
{
    struct runner *first = gate_begin();
    engine_run(first);
    gate_finish(first);
    gate_wait_for_end();
    if (child.mode == PROGRAM_CHECKED)
        rest_check();
}

/* Each begins with an empty heap, as far as the allocator lets it. */
static void run_rounds(void)
{
    for (uint32_t round = 1; round <= child.rounds; round++) {
        run_round();
        if (child.rounds == 1)
            return;
        rest_free();
        child.result->resident_last = resident_now();
        if (round == 1)
            child.result->resident_first = child.result->resident_last;
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("mpress-replay-child: a part of mpress replay; run that\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nothing is left behind */
    map_result(atoi(argv[2]));
    read_orders();
    child.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    stream_init(atoi(argv[1]));
    map_tables();
    txns_init();
    name_owner();
    check_profile();
    if (child.mode == PROGRAM_TIMED)
        clock_calibrate();
    gate_init();
    free(malloc(1)); /* the allocator is up before we look at our size */
    resident_begin();
    if (child.program->threads != 0)
        run_rounds();
    resident_finish();
    add_latencies();
    child.result->is_done = 1;
    _exit(0); /* the allocator's own exit work is not ours to time */
}
