/* chain.c - a process forks, its child too, and so on, 24 deep; some links run a program anew, by
 * fork, vfork or posix_spawn. Every generation allocates, and has a trace of its own that says so.
 *
 *     shadow_chain LIBRARY MODE       (and for the generations: shadow_chain generation N) */
#include <dirent.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/trace/trace.h"

enum { GENERATIONS = 25, BLOCKS = 100, FREED = 60 };

extern char **environ;
static char self[4096];

static void check(bool holds, const char *what, uint64_t number)
{
    if (holds)
        return;
    fprintf(stderr, "shadow_chain: %s (%" PRIu64 ")\n", what, number);
    exit(1);
}

static uint64_t size_of(unsigned generation)
{
    return 40007 + generation * 16;
}

/* -- the generations -------------------------------------------------------------------------- */

static void live(unsigned generation);

static char *blocks[BLOCKS]; /* a parent's are its children's too */

static void allocate(unsigned generation)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        check(blocks[i] == NULL || blocks[i][0] == (char)(generation - 1), "a parent's block", i);
        free(blocks[i]);
        blocks[i] = malloc(size_of(generation));
        check(blocks[i] != NULL, "no memory", i);
        memset(blocks[i], (int)generation, size_of(generation));
    }
    for (unsigned i = 0; i < FREED; i++) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
}

static pid_t start_anew(unsigned generation)
{
    char number[16];
    char *arguments[] = {self, (char[]){"generation"}, number, NULL};
    pid_t child = -1;
    snprintf(number, sizeof(number), "%u", generation);
    switch (generation % 4) {
    case 1:
        child = fork();
        break;
    case 2:
        child = vfork();
        break;
    default:
        check(posix_spawn(&child, self, NULL, NULL, arguments, environ) == 0, "no spawn", 0);
        return child;
    }
    if (child == 0) {
        execv(self, arguments);
        _exit(127);
    }
    return child;
}

static pid_t start_next(unsigned generation)
{
    if (generation % 4 != 0)
        return start_anew(generation);
    pid_t child = fork();
    if (child == 0) {
        live(generation);
        exit(0);
    }
    return child;
}

static void live(unsigned generation)
{
    int status = 0;
    allocate(generation);
    if (generation + 1 == GENERATIONS)
        return;
    pid_t child = start_next(generation + 1);
    check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child failed",
          generation);
}

/* -- their traces ----------------------------------------------------------------------------- */

struct counts {
    unsigned born[GENERATIONS];
    unsigned freed[GENERATIONS];
};

static void count_event(struct counts *counts, const struct trace_event *event)
{
    for (unsigned i = 0; i < GENERATIONS; i++) {
        counts->born[i] += event->kind == TRACE_EVENT_ALLOC && event->size == size_of(i);
        counts->freed[i] += event->kind == TRACE_EVENT_FREE && event->old_size == size_of(i);
    }
}

/* A trace holds one generation or, of a process that went on to run another program, none. */
static void read_trace(const char *path, unsigned *traces_of)
{
    struct trace_error error;
    struct counts counts = {{0}, {0}};
    struct trace *trace = trace_open(path, &error);
    check(trace != NULL, error.text, 0);
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event))
        count_event(&counts, &event);
    unsigned holds = 0;
    for (unsigned i = 0; i < GENERATIONS; i++) {
        if (counts.born[i] == 0)
            continue;
        check(counts.born[i] == BLOCKS && counts.freed[i] == FREED, "counts of generation", i);
        traces_of[i]++;
        holds++;
    }
    bool is_complete = trace_visit_is_complete(visit, &error);
    check(holds <= 1, "generations in one trace", holds);
    check(holds == 0 || is_complete, error.text, 0);
    trace_visit_destroy(visit);
    trace_close(trace);
}

static void read_traces(const char *folder)
{
    unsigned traces_of[GENERATIONS] = {0};
    DIR *listing = opendir(folder);
    check(listing != NULL, "no folder of traces", 0);
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        char path[400];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        read_trace(path, traces_of);
        unlink(path);
    }
    closedir(listing);
    for (unsigned i = 0; i < GENERATIONS; i++)
        check(traces_of[i] == 1, "not one trace of generation", i);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/mpress-chain-XXXXXX";
    char trace_path[64];
    int status = -1;
    check(argc == 3 && readlink("/proc/self/exe", self, sizeof(self) - 1) > 0, "two arguments", 0);
    if (strcmp(argv[1], "generation") == 0) {
        live((unsigned)strtoul(argv[2], NULL, 0));
        return 0;
    }
    check(mkdtemp(folder) != NULL, "no folder", 0);
    snprintf(trace_path, sizeof(trace_path), "%s/%%p.mpt", folder);
    setenv("LD_PRELOAD", argv[1], 1);
    setenv("MPRESS_TRACE", argv[2], 1);
    setenv("MPRESS_TRACE_FILE", trace_path, 1);
    pid_t child = fork();
    if (child == 0) {
        execl(self, self, "generation", "0", (char *)NULL);
        _exit(127);
    }
    check(waitpid(child, &status, 0) == child && status == 0, "the first generation failed",
          (unsigned)status);
    read_traces(folder);
    rmdir(folder);
    return 0;
}
