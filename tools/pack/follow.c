/* follow.c - see follow.h. */
#define _GNU_SOURCE /* pthread_condattr_setclock, tfind */
#include "tools/pack/follow.h"

#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tools/family.h"
#include "tools/pack/packer.h"
#include "tools/progress.h"
#include "tools/trace/mapping.h"
#include "tools/trace/memory.h"

enum {
    PERIOD_NS = 250 * 1000 * 1000,
    REST = 4,          /* of the time a look takes, at least so many times are waited */
    BLOCKS_LEAST = 24, /* shorter traces are packed at the end, at once */
};

/* One trace of the family. */
struct followed {
    char *path;            /* the key; first, as `known` compares by it */
    struct packer *packer; /* NULL: not yet, or not any more */
    bool is_over;          /* cannot be packed while it is written, or packed already */
};

struct follow {
    char *trace;
    uint64_t since_ns;
    struct frames *frames;
    void *known; /* tsearch's tree of struct followed */
    struct followed **followed;
    size_t count;
    size_t capacity;
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t is_ended;
    bool is_over; /* lock */
};

/* -- the family ------------------------------------------------------------------------------- */

static int compare_paths(const void *left, const void *right)
{
    const struct followed *a = left;
    const struct followed *b = right;
    return strcmp(a->path, b->path);
}

static void add_path(const char *path, void *context)
{
    struct follow *follow = context;
    struct trace_header head;
    struct followed key = {.path = (char *)(uintptr_t)path};
    if (tfind(&key, &follow->known, compare_paths) != NULL || !mapping_read_head(path, &head) ||
        head.start_ns < follow->since_ns)
        return;
    struct followed *one = memory_alloc(1, sizeof(*one));
    one->path = memory_alloc(strlen(path) + 1, 1);
    strcpy(one->path, path);
    follow->followed =
        memory_grow(follow->followed, follow->count, &follow->capacity, sizeof(*follow->followed));
    follow->followed[follow->count++] = one;
    if (tsearch(one, &follow->known, compare_paths) == NULL)
        memory_fail(1, sizeof(*one));
}

/* -- while the program runs ------------------------------------------------------------------- */

static void open_when_long_enough(struct followed *one)
{
    struct trace_header head;
    struct trace_error error;
    bool is_packed;
    if (!mapping_read_head(one->path, &head) || head.blocks < BLOCKS_LEAST)
        return;
    /* A ring writes over its blocks, and needs their disk space for that. */
    if (head.lane_blocks_most == 0 && head.blocks_most == 0)
        one->packer = packer_open(one->path, &is_packed, &error);
    one->is_over = one->packer == NULL;
}

static void pack_some(struct follow *follow, struct followed *one)
{
    if (one->packer == NULL && !one->is_over)
        open_when_long_enough(one);
    if (one->packer == NULL || one->is_over)
        return;
    packer_scan(one->packer, false);
    int packed;
    while ((packed = packer_step(one->packer, follow->frames)) > 0)
        ;
    one->is_over = packer_punch(one->packer) != 0 || packed < 0;
}

static void look(struct follow *follow)
{
    family_visit(follow->trace, add_path, follow);
    for (size_t i = 0; i < follow->count; i++)
        pack_some(follow, follow->followed[i]);
}

/* False: the program has ended. */
static bool rest(struct follow *follow, uint64_t for_ns)
{
    uint64_t until_ns = progress_now_ns() + for_ns;
    const struct timespec until = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};
    pthread_mutex_lock(&follow->lock);
    while (!follow->is_over &&
           pthread_cond_timedwait(&follow->is_ended, &follow->lock, &until) == 0)
        ;
    bool goes_on = !follow->is_over;
    pthread_mutex_unlock(&follow->lock);
    return goes_on;
}

static void *run_thread(void *context)
{
    struct follow *follow = context;
    uint64_t pause_ns = PERIOD_NS;
    setpriority(PRIO_PROCESS, 0, 19); /* of this thread, on Linux */
    while (rest(follow, pause_ns)) {
        uint64_t start_ns = progress_now_ns();
        look(follow);
        pause_ns = REST * (progress_now_ns() - start_ns);
        if (pause_ns < PERIOD_NS)
            pause_ns = PERIOD_NS;
    }
    return NULL;
}

static void start_thread(struct follow *follow)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    follow->has_thread = pthread_create(&follow->thread, NULL, run_thread, follow) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct follow *follow_start(const char *trace, uint64_t since_ns)
{
    struct follow *follow = memory_alloc(1, sizeof(*follow));
    pthread_condattr_t attributes;
    follow->trace = memory_alloc(strlen(trace) + 1, 1);
    strcpy(follow->trace, trace);
    follow->since_ns = since_ns;
    follow->frames = frames_create();
    pthread_mutex_init(&follow->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&follow->is_ended, &attributes);
    pthread_condattr_destroy(&attributes);
    start_thread(follow);
    return follow;
}

/* -- at its end ------------------------------------------------------------------------------- */

static void pack_rest(struct follow *follow, struct packer *packer, follow_tick *tick,
                      void *context, struct follow_result *result)
{
    packer_scan(packer, true);
    int packed;
    while ((packed = packer_step(packer, follow->frames)) > 0) {
        double share = (double)packer->candidate_next / (double)packer->candidate_count;
        if (!tick(packer->path, share, context)) {
            result->left++;
            return;
        }
    }
    int error = packed < 0 ? -packed : packer_complete(packer, packer->is_resumed);
    if (error == 0)
        return;
    result->failed++;
    mapping_set_error(&result->error, packer->path, "could not be packed: %s", strerror(error));
}

static void finish_one(struct follow *follow, struct followed *one, follow_tick *tick,
                       void *context, struct follow_result *result)
{
    bool is_packed = false;
    if (one->packer == NULL)
        one->packer = packer_open(one->path, &is_packed, &result->error);
    if (one->packer == NULL)
        result->failed += !is_packed;
    else if (result->left > 0)
        result->left++;
    else if (packer_is_live(one->packer))
        result->live++;
    else
        pack_rest(follow, one->packer, tick, context, result);
    if (one->packer != NULL)
        packer_close(one->packer);
    tdelete(one, &follow->known, compare_paths);
    free(one->path);
    free(one);
}

static void end_thread(struct follow *follow)
{
    if (!follow->has_thread)
        return;
    pthread_mutex_lock(&follow->lock);
    follow->is_over = true;
    pthread_cond_signal(&follow->is_ended);
    pthread_mutex_unlock(&follow->lock);
    pthread_join(follow->thread, NULL);
}

void follow_finish(struct follow *follow, follow_tick *tick, void *context,
                   struct follow_result *result)
{
    *result = (struct follow_result){0};
    end_thread(follow);
    family_visit(follow->trace, add_path, follow);
    for (size_t i = 0; i < follow->count; i++)
        finish_one(follow, follow->followed[i], tick, context, result);
    pthread_mutex_destroy(&follow->lock);
    pthread_cond_destroy(&follow->is_ended);
    frames_destroy(follow->frames);
    free(follow->followed);
    free(follow->trace);
    free(follow);
}
