/* ahead.c - a ring of batches between two threads. */
#define _GNU_SOURCE
#include "tools/analysis/ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "tools/trace/memory.h"

/* Events whose line is fetched from the other processor's cache before it is written. */
enum { EVENTS_AHEAD = 16 };

struct ahead {
    struct trace_visit *visit; /* the reader's, but where it stands still */
    struct ahead_stops stops;  /* as the visit */
    uint64_t read;             /* events; the reader's */
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t is_changed;
    uint64_t filled; /* batches, batch n in slot n % AHEAD_BATCHES; lock */
    uint64_t given;  /* back; lock */
    uint64_t taken;  /* the caller's: given, or the one that it books now too */
    bool is_over;    /* nobody wants more; lock */
    struct batch batch[AHEAD_BATCHES];
};

/* -- reading ---------------------------------------------------------------------------------- */

/* The visit may be asked about this event when it was the last one that was read. */
static bool is_to_stand(const struct ahead *ahead, const struct trace_event *event)
{
    return event->kind == TRACE_EVENT_THREAD_NAME || event->time_ns > ahead->stops.after_ns ||
           (ahead->read % AHEAD_STEP == 0 && event->time_ns >= ahead->stops.at_ns);
}

static void fill(struct ahead *ahead, struct batch *batch)
{
    batch->count = 0;
    batch->stands = batch->is_last = false;
    while (!batch->stands && batch->count < AHEAD_EVENTS) {
        struct trace_event *event = &batch->event[batch->count];
        __builtin_prefetch(event + EVENTS_AHEAD, 1);
        if (!trace_visit_next(ahead->visit, event)) {
            batch->stands = batch->is_last = true;
            break;
        }
        batch->count++;
        ahead->read++;
        batch->stands = is_to_stand(ahead, event);
    }
    batch->events = trace_visit_totals(ahead->visit)->events;
    batch->share = trace_visit_progress(ahead->visit);
}

/* Until there is a slot to fill; a batch at whose end the visit stands still has to come back
 * first. False: nobody wants more. */
static bool wait_for_slot(struct ahead *ahead, bool stands)
{
    pthread_mutex_lock(&ahead->lock);
    while (!ahead->is_over &&
           ahead->filled - ahead->given >= (stands ? 1 : (uint64_t)AHEAD_BATCHES))
        pthread_cond_wait(&ahead->is_changed, &ahead->lock);
    bool is_wanted = !ahead->is_over;
    pthread_mutex_unlock(&ahead->lock);
    return is_wanted;
}

static void *run_thread(void *context)
{
    struct ahead *ahead = context;
    const struct batch *last = NULL;
    while (wait_for_slot(ahead, last != NULL && last->stands) && (last == NULL || !last->is_last)) {
        struct batch *batch = &ahead->batch[ahead->filled % AHEAD_BATCHES];
        fill(ahead, batch);
        pthread_mutex_lock(&ahead->lock);
        ahead->filled++;
        pthread_cond_signal(&ahead->is_changed);
        pthread_mutex_unlock(&ahead->lock);
        last = batch;
    }
    return NULL;
}

/* Signals of the process are for the thread that knows of them. */
static bool start_thread(struct ahead *ahead)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool has_thread = pthread_create(&ahead->thread, NULL, run_thread, ahead) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return has_thread;
}

/* -- booking ---------------------------------------------------------------------------------- */

struct ahead *ahead_create(struct trace_visit *visit, const struct ahead_stops *stops)
{
    struct ahead *ahead = memory_alloc_lines(sizeof(*ahead));
    ahead->visit = visit;
    ahead->stops = *stops;
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->is_changed, NULL);
    ahead->has_thread = start_thread(ahead);
    return ahead;
}

void ahead_destroy(struct ahead *ahead)
{
    if (ahead->has_thread) {
        pthread_mutex_lock(&ahead->lock);
        ahead->is_over = true;
        pthread_cond_signal(&ahead->is_changed);
        pthread_mutex_unlock(&ahead->lock);
        pthread_join(ahead->thread, NULL);
    }
    pthread_mutex_destroy(&ahead->lock);
    pthread_cond_destroy(&ahead->is_changed);
    free(ahead);
}

void ahead_stop_at(struct ahead *ahead, const struct ahead_stops *stops)
{
    ahead->stops = *stops;
}

/* Gives back what was taken, and waits for the next one. */
static void exchange(struct ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    if (ahead->given != ahead->taken) {
        ahead->given = ahead->taken;
        pthread_cond_signal(&ahead->is_changed);
    }
    while (ahead->filled == ahead->taken)
        pthread_cond_wait(&ahead->is_changed, &ahead->lock);
    pthread_mutex_unlock(&ahead->lock);
}

const struct batch *ahead_next(struct ahead *ahead)
{
    if (ahead->taken != 0 && ahead->batch[(ahead->taken - 1) % AHEAD_BATCHES].is_last)
        return NULL;
    struct batch *batch = &ahead->batch[ahead->taken % AHEAD_BATCHES];
    if (ahead->has_thread)
        exchange(ahead);
    else
        fill(ahead, batch);
    ahead->taken++;
    return batch;
}
