/* compare.c - runs shadow_tell under the library, traced, and compares the trace, as the reader
 * gives it out, with what the program noted itself.
 *
 *     shadow_compare LIBRARY TELL MODE whole EVENTS    it ends by itself: everything is there
 *     shadow_compare LIBRARY TELL MODE killed TIMES    SIGKILL at so many random moments: whatever
 *                                                      was told is there, and nothing else */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/shadow/told.h"
#include "tools/trace/trace.h"

enum { TELLERS = TOLD_GENERATIONS * TOLD_THREADS, NO_TELLER = TELLERS, LATEST_MS = 400 };
#define OBJECTS_MAX ((size_t)1 << 27)

static char folder[64];
static char trace_path[128];
static char told_path[128];

/* What the trace says of one teller. */
struct seen {
    uint64_t events;
    uint64_t births;
    uint64_t hash;
    uint64_t kinds[TOLD_KINDS];
    uint64_t foreign;
};

struct comparison {
    const struct told_all *all;
    struct seen seen[TELLERS];
    uint64_t *births; /* by object: teller << 48 | number */
};

static void fail(const char *what, uint64_t a, uint64_t b)
{
    fprintf(stderr, "%s: %" PRIu64 " and %" PRIu64 "\n", what, a, b);
    exit(1);
}

/* -- the trace -------------------------------------------------------------------------------- */

static unsigned find_teller(const struct comparison *comparison, uint32_t tid)
{
    unsigned i = 0;
    while (i < TELLERS && atomic_load(&comparison->all->told[i].tid) != tid)
        i++;
    return i;
}

static void note_death(struct comparison *comparison, struct seen *seen, uint64_t teller,
                       const struct trace_event *event)
{
    uint64_t birth = comparison->births[event->old_object];
    seen->hash = told_death(seen->hash, event->old_address, birth >> 48, birth << 16 >> 16);
    seen->foreign += birth >> 48 != teller;
}

static void note_birth(struct comparison *comparison, struct seen *seen, uint64_t teller,
                       const struct trace_event *event)
{
    if (event->object >= OBJECTS_MAX)
        fail("too many objects for this test", event->object, OBJECTS_MAX);
    comparison->births[event->object] = teller << 48 | ++seen->births;
    seen->hash = told_birth(seen->hash, event->address, event->size);
}

static bool takes_part(const struct trace_event *event)
{
    switch (event->kind) {
    case TRACE_EVENT_ALLOC:
    case TRACE_EVENT_REALLOC:
        return told_size(event->size);
    case TRACE_EVENT_FREE:
        return told_size(event->old_size);
    default:
        return false;
    }
}

static void note_event(struct comparison *comparison, const struct trace_event *event)
{
    unsigned teller = takes_part(event) ? find_teller(comparison, event->tid) : NO_TELLER;
    if (teller == NO_TELLER)
        return;
    struct seen *seen = &comparison->seen[teller];
    if (event->kind != TRACE_EVENT_ALLOC)
        note_death(comparison, seen, teller, event);
    if (event->kind != TRACE_EVENT_FREE)
        note_birth(comparison, seen, teller, event);
    seen->events++;
    seen->kinds[event->kind == TRACE_EVENT_ALLOC  ? TOLD_ALLOC
                : event->kind == TRACE_EVENT_FREE ? TOLD_FREE
                                                  : TOLD_REALLOC]++;
}

/* -- comparing -------------------------------------------------------------------------------- */

/* A killed thread may have been between the event and its note of it. */
static void compare_teller(const struct told *told, const struct seen *seen, bool is_killed)
{
    uint64_t events = atomic_load(&told->events);
    if (seen->events < events)
        fail("events are missing: seen and told", seen->events, events);
    if (seen->events > events + is_killed)
        fail("events nobody told: seen and told", seen->events, events);
    if (seen->events == events && events > 0 && seen->hash != told->hash[events % TOLD_HASHES])
        fail("other events than were told: hash seen and told", seen->hash,
             told->hash[events % TOLD_HASHES]);
    if (is_killed)
        return;
    for (unsigned i = 0; i < TOLD_KINDS; i++) {
        if (seen->kinds[i] != told->kinds[i])
            fail("of a kind: seen and told", seen->kinds[i], told->kinds[i]);
    }
    if (seen->foreign != told->foreign)
        fail("deaths in another thread: seen and told", seen->foreign, told->foreign);
}

static void compare_all(struct comparison *comparison, bool is_killed)
{
    uint64_t events = 0, foreign = 0, kinds[TOLD_KINDS] = {0};
    for (unsigned i = 0; i < TELLERS; i++) {
        const struct seen *seen = &comparison->seen[i];
        compare_teller(&comparison->all->told[i], seen, is_killed);
        events += seen->events;
        foreign += seen->foreign;
        for (unsigned k = 0; k < TOLD_KINDS; k++)
            kinds[k] += seen->kinds[k];
    }
    if (!is_killed)
        printf("%" PRIu64 " events as told: %" PRIu64 " allocations, %" PRIu64 " frees, %" PRIu64
               " reallocs; %" PRIu64 " deaths in another thread\n",
               events, kinds[TOLD_ALLOC], kinds[TOLD_FREE], kinds[TOLD_REALLOC], foreign);
}

static void read_trace(struct comparison *comparison, bool is_killed)
{
    struct trace_error error;
    struct trace *trace = trace_open(trace_path, &error);
    if (trace == NULL) { /* killed before it began: then nothing may have been told */
        if (!is_killed)
            fail(error.text, 0, 0);
        return;
    }
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event))
        note_event(comparison, &event);
    const struct trace_totals *totals = trace_visit_totals(visit);
    if (totals->dropped != 0 || totals->stale != 0)
        fail("events dropped, and blocks whose free was lost", totals->dropped, totals->stale);
    if (!is_killed && !trace_visit_is_complete(visit, &error))
        fail(error.text, 0, 0);
    trace_visit_destroy(visit);
    trace_close(trace);
}

static void compare(const struct told_all *all, bool is_killed)
{
    struct comparison comparison = {.all = all};
    comparison.births = mmap(NULL, OBJECTS_MAX * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (comparison.births == MAP_FAILED)
        fail("no room for the objects", 0, 0);
    read_trace(&comparison, is_killed);
    compare_all(&comparison, is_killed);
    munmap(comparison.births, OBJECTS_MAX * sizeof(uint64_t));
}

/* -- running ---------------------------------------------------------------------------------- */

static pid_t start(char **argv, const char *events)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    setenv("LD_PRELOAD", argv[1], 1);
    setenv("MPRESS_TRACE", argv[3], 1);
    setenv("MPRESS_TRACE_FILE", trace_path, 1);
    execl(argv[2], argv[2], told_path, events, (char *)NULL);
    _exit(127);
}

/* In a fresh file. */
static struct told_all *map_told(void)
{
    int fd = open(told_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct told_all)) != 0)
        fail("no file for what is told", 0, 0);
    struct told_all *all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (all == MAP_FAILED)
        fail("no memory for what is told", 0, 0);
    return all;
}

static void run(char **argv, const char *events, const struct timespec *kill_after)
{
    struct told_all *all = map_told();
    pid_t child = start(argv, events);
    int status = -1;
    if (kill_after != NULL) {
        nanosleep(kill_after, NULL);
        kill(child, SIGKILL);
    }
    waitpid(child, &status, 0);
    bool is_right = kill_after == NULL ? status == 0 : WIFSIGNALED(status);
    if (!is_right)
        fail("status of the program", (unsigned)status, 0);
    compare(all, kill_after != NULL);
    munmap(all, sizeof(*all));
    unlink(trace_path);
    unlink(told_path);
}

static void run_and_kill(char **argv, unsigned times)
{
    unsigned seed = (unsigned)time(NULL);
    fprintf(stderr, "seed %u\n", seed);
    for (unsigned i = 0; i < times; i++) {
        long after_ms = rand_r(&seed) % LATEST_MS;
        const struct timespec kill_after = {0, after_ms * 1000000};
        run(argv, "1000000000000", &kill_after);
    }
    printf("%u traces of killed programs are as told\n", times);
}

static void remove_folder(void)
{
    unlink(trace_path);
    unlink(told_path);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fputs("shadow_compare LIBRARY TELL MODE whole|killed COUNT\n", stderr);
        return 2;
    }
    snprintf(folder, sizeof(folder), "/tmp/mpress-shadow-XXXXXX");
    if (mkdtemp(folder) == NULL)
        fail("no folder", 0, 0);
    snprintf(trace_path, sizeof(trace_path), "%s/t.mpt", folder);
    snprintf(told_path, sizeof(told_path), "%s/told", folder);
    atexit(remove_folder);
    if (strcmp(argv[4], "killed") == 0)
        run_and_kill(argv, (unsigned)strtoul(argv[5], NULL, 0));
    else
        run(argv, argv[5], NULL);
    return 0;
}
