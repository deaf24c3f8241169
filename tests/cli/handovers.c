/* handovers.c - blocks that pass from thread to thread outside the heap, and what a trace makes of
 * it.
 *
 * usage: handovers LOG         eight threads at a time, three after another in each place, exchange
 *                              blocks; each writes down whose blocks it frees
 *        handovers LOG TRACE   compares: every free must be that of the block it was
 *
 * A block holds its name: the thread that made it, and how many that one had made before. Its sizes
 * nobody else asks for. The larger ones have magazines of a few blocks only. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/trace/trace.h"

enum { PLACES = 8, GENERATIONS = 3, WORKERS = PLACES * GENERATIONS, STEPS = 6000, SLOTS = 32 };

static const size_t sizes[] = {1007, 39, 20007, 20009, 39, 100007, 20007, 600007};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

struct worker {
    uint32_t tid;
    uint32_t made;
    uint32_t freed;
    uint64_t name[STEPS * 2]; /* of the blocks it freed: number of the maker << 32 | count */
};
static struct worker *workers; /* the log */
static uint64_t *_Atomic slots[SLOTS];

static bool is_ours(uint64_t size)
{
    for (size_t i = 0; i < SIZES; i++)
        if (sizes[i] == size)
            return true;
    return false;
}

/* -- the storm -------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 20;
}

static void sign(uint64_t *block, struct worker *self)
{
    if (block == NULL)
        abort();
    *block = (uint64_t)(self - workers) << 32 | self->made++;
}

static void *work(void *argument)
{
    struct worker *self = argument;
    uint64_t random = 88172645463325252U + (uint64_t)(self - workers) * 7919;
    self->tid = (uint32_t)syscall(SYS_gettid);
    for (int i = 0; i < STEPS; i++) {
        size_t size = sizes[next_random(&random) % SIZES];
        uint64_t *mine = malloc(size);
        sign(mine, self);
        mine = atomic_exchange(&slots[next_random(&random) % SLOTS], mine);
        if (mine == NULL)
            continue;
        self->name[self->freed++] = *mine;
        if (next_random(&random) % 4 == 0) {
            mine = realloc(mine, sizes[next_random(&random) % SIZES]);
            sign(mine, self);
            self->name[self->freed++] = *mine;
        }
        free(mine);
    }
    return NULL;
}

static int storm(void)
{
    pthread_t threads[PLACES];
    for (int i = 0; i < WORKERS; i++) {
        if (i >= PLACES)
            pthread_join(threads[i % PLACES], NULL);
        if (pthread_create(&threads[i % PLACES], NULL, work, &workers[i]) != 0)
            return 1;
    }
    for (int i = 0; i < PLACES; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

/* -- the comparison --------------------------------------------------------------------------- */

static struct worker *find_worker(uint32_t tid)
{
    for (int i = 0; i < WORKERS; i++)
        if (workers[i].tid == tid)
            return &workers[i];
    return NULL;
}

/* Names of objects, by their number. */
static uint64_t names[WORKERS * STEPS * 2 + 100000];
static uint32_t born[WORKERS], died[WORKERS];

/* False: another block was freed than the trace says. */
static bool is_right(const struct trace_event *event)
{
    struct worker *worker = find_worker(event->tid);
    if (worker == NULL || event->object >= sizeof(names) / sizeof(names[0]))
        return worker == NULL;
    size_t index = (size_t)(worker - workers);
    bool is_realloc = event->kind == TRACE_EVENT_REALLOC;
    if ((event->kind == TRACE_EVENT_FREE || is_realloc) && is_ours(event->old_size))
        if (names[event->old_object] != worker->name[died[index]++])
            return false;
    if ((event->kind == TRACE_EVENT_ALLOC || is_realloc) && is_ours(event->size))
        names[event->object] = (uint64_t)index << 32 | born[index]++;
    return true;
}

static int compare(const char *path)
{
    struct trace_error error;
    struct trace *trace = trace_open(path, &error);
    if (trace == NULL)
        return puts(error.text), 1;
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    uint64_t wrong = 0;
    while (trace_visit_next(visit, &event))
        wrong += !is_right(&event);
    for (int i = 0; i < WORKERS; i++)
        wrong += born[i] != workers[i].made || died[i] != workers[i].freed;
    bool is_complete = trace_visit_is_complete(visit, NULL);
    printf("%llu wrong, %s\n", (unsigned long long)wrong,
           is_complete ? "complete" : "not complete");
    trace_visit_destroy(visit);
    trace_close(trace);
    return wrong != 0 || !is_complete;
}

int main(int count, char **arguments)
{
    int log = count > 1 ? open(arguments[1], O_RDWR | O_CREAT, 0600) : -1;
    if (log < 0 || ftruncate(log, WORKERS * sizeof(*workers)) != 0)
        return 2;
    workers = mmap(NULL, WORKERS * sizeof(*workers), PROT_READ | PROT_WRITE, MAP_SHARED, log, 0);
    if (workers == MAP_FAILED)
        return 2;
    return count > 2 ? compare(arguments[2]) : storm();
}
