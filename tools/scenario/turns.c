/* turns.c - see turns.h */
#define _GNU_SOURCE /* sched_getaffinity */
#include "tools/scenario/turns.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/scenario/victim.h"

void turns_begin(struct turns *turns, double now)
{
    turns->looked = now;
    turns->interval = (struct turns_interval){0};
    turns->sum = (struct turns_sum){0};
    for (size_t i = 0; i < turns->threads; i++)
        turns->thread[i].still = 0;
}

static void close_files(struct turns_thread *thread)
{
    procfile_close(&thread->schedstat);
    procfile_close(&thread->children);
}

/* NULL: there are too many. */
static struct turns_thread *find(struct turns *turns, pid_t id)
{
    for (size_t i = 0; i < turns->threads; i++) {
        if (turns->thread[i].id == id)
            return &turns->thread[i];
    }
    if (turns->threads == TURNS_THREADS)
        return NULL;
    turns->thread[turns->threads] = (struct turns_thread){.id = id};
    return &turns->thread[turns->threads++];
}

static void add(struct turns *turns, struct turns_thread *it, double ran, double waited)
{
    struct turns_interval *interval = &turns->interval;
    double more = fmax(0, ran - it->ran), held_up = waited - it->waited;
    interval->ran += more;
    interval->ran_most = fmax(interval->ran_most, more);
    if (held_up > interval->waited_most) {
        interval->waited_most = held_up;
        interval->before = it->still;
    }
    it->is_still = ran == it->ran && waited == it->waited;
    it->look = turns->look + 1;
    it->ran = ran;
    it->waited = waited;
}

void turns_add(struct turns *turns, pid_t id, double ran, double waited)
{
    struct turns_thread *it = find(turns, id);
    if (it != NULL)
        add(turns, it, ran, waited);
}

static void read_thread(pid_t process, const char *thread, const char *name, struct procfile *file,
                        char *text, size_t capacity)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/task/%s/%s", (int)process, thread, name);
    procfile_read(file, path, text, capacity);
}

/* (Files of one that is too many are not kept.) */
void turns_look(struct turns *turns, pid_t process, const char *thread, char *children,
                size_t capacity)
{
    char text[96];
    unsigned long long ran, waited;
    struct turns_thread nobody = {.id = 0}, *it = find(turns, (pid_t)atoi(thread));
    struct turns_thread *files = it == NULL ? &nobody : it;
    read_thread(process, thread, "schedstat", &files->schedstat, text, sizeof text);
    if (it != NULL && sscanf(text, "%llu %llu", &ran, &waited) == 2)
        add(turns, it, (double)ran / 1e9, (double)waited / 1e9);
    read_thread(process, thread, "children", &files->children, children, capacity);
    if (it == NULL)
        close_files(&nobody);
}

/* What is left of it beside what the threads needed themselves. */
static double find_room(const struct turns_interval *interval, unsigned processors)
{
    double needed = fmax(interval->ran_most, interval->ran / processors);
    return fmax(0, interval->lasted - needed);
}

/* A service starts threads as long as it lives: those that have ended make room. */
static void drop_ended(struct turns *turns)
{
    size_t kept = 0;
    for (size_t i = 0; i < turns->threads; i++) {
        if (turns->thread[i].look == turns->look)
            turns->thread[kept++] = turns->thread[i];
        else
            close_files(&turns->thread[i]);
    }
    turns->threads = kept;
}

void turns_end(struct turns *turns)
{
    for (size_t i = 0; i < turns->threads; i++)
        close_files(&turns->thread[i]);
    turns->threads = 0;
}

/* The time that nobody needed nor was held up in. What was booked of earlier such time, as a wait
 * is told when it is over, is not booked again. */
static void note_still(struct turns *turns, double hindered, unsigned processors)
{
    double room = find_room(&turns->interval, processors) - hindered;
    for (size_t i = 0; i < turns->threads; i++) {
        struct turns_thread *it = &turns->thread[i];
        it->still = it->is_still ? fmax(0, it->still + room) : 0;
    }
}

void turns_end_look(struct turns *turns, double now, unsigned processors)
{
    struct turns_sum *sum = &turns->sum;
    turns->look++;
    turns->processors = processors;
    drop_ended(turns);
    turns->interval.lasted = now - turns->looked;
    sum->ran += turns->interval.ran;
    double hindered = turns_hindrance(&turns->interval, processors);
    sum->hindered += hindered;
    note_still(turns, hindered, processors);
    if (turns->threads > sum->threads_most)
        sum->threads_most = turns->threads;
    turns->interval = (struct turns_interval){0};
    turns->looked = now;
}

unsigned turns_count_processors(pid_t process)
{
    cpu_set_t set; /* (too small for some machines) */
    return sched_getaffinity(process, sizeof set, &set) == 0
               ? (unsigned)CPU_COUNT(&set)
               : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

double turns_hindrance(const struct turns_interval *interval, unsigned processors)
{
    double now = fmin(interval->waited_most, interval->lasted);
    double then = fmin(interval->waited_most - now, interval->before);
    return fmin(now, find_room(interval, processors)) + then;
}

double turns_unhindered(double wall, double ran, double hindered, unsigned processors)
{
    return fmax(0, fmax(wall - hindered, fmin(wall, ran / processors)));
}

double turns_take_off(const struct turns *turns, double wall)
{
    return turns_unhindered(wall, turns->sum.ran, turns->sum.hindered, turns->processors);
}

double turns_find_late(const struct turns_news *news)
{
    const double at_once = 0.0001;
    double slept = news->lasted - news->woken;
    if (slept < at_once) /* what we waited before it began was none of its life */
        return news->woken + fmin(news->busy, news->age) / 2;
    return slept < news->patience ? news->woken : news->woken / 2;
}
