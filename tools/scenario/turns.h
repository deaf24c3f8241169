/* turns.h - how long the threads of a program ran, and how long others kept them from it: what else
 * the machine does is no memory pressure, and is taken off the time of a piece of work.
 *
 * All threads are looked at now and then (/proc). Between two looks they held the work up by no
 * more than the one that waited longest; and by nothing that they needed themselves, who ran
 * meanwhile:
 *
 *     one thread          ====....====     8 s ran, 4 waited: 4 of others
 *     two at once         ====....====     both wait in the same 4 s
 *                         ===.....====     and 5: 5 of others
 *     two, one processor  ==..==..==..     each waits for the other, and nothing of it is of
 * others:
 *                         ..==..==..==     together they ran all the time that the processor has
 *
 * A wait is told when it is over. One that is longer than what is between two looks began before
 * the first of them, while its thread was still: so much of it is taken off there, too.
 *
 * What one does behind the last look nobody sees. */
#ifndef MPRESS_TOOLS_SCENARIO_TURNS_H
#define MPRESS_TOOLS_SCENARIO_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tools/scenario/procfile.h"

enum { TURNS_THREADS = 512 };

/* All in seconds. */
struct turns_thread {
    pid_t id;
    unsigned look;      /* the last one that it was there at */
    double ran, waited; /* until then, since it began */
    bool is_still;      /* it neither ran nor stopped waiting since the look before that */
    double still;       /* seconds in which it may have waited already: it has been still in them */
    struct procfile schedstat, children;
};

/* Between two looks. */
struct turns_interval {
    double lasted;
    double ran, ran_most; /* of all threads; of one */
    double waited_most;   /* of one */
    double before;        /* what of that may have been before it */
};

/* Since the work began. */
struct turns_sum {
    double ran, hindered;
    size_t threads_most;
};

struct turns {
    struct turns_thread thread[TURNS_THREADS];
    size_t threads; /* that were there at the last look, or are at this one; others do not count */
    unsigned look;
    double looked;       /* process_now() */
    unsigned processors; /* that they may run on, at the last look */
    struct turns_interval interval;
    struct turns_sum sum;
};

/* A piece of work begins now: what they did until the last look is none of it. */
void turns_begin(struct turns *turns, double now);
/* A look: each thread, by what it ran and waited since it began; then that these were all. */
void turns_add(struct turns *turns, pid_t id, double ran, double waited);
void turns_end_look(struct turns *turns, double now, unsigned processors);
/* The same of a thread of that number, by what /proc tells; `children`: the processes that it has
 * started, as a list of numbers. */
void turns_look(struct turns *turns, pid_t process, const char *thread, char *children,
                size_t capacity);
/* None of them is looked at any more. */
void turns_end(struct turns *turns);

/* How many a process may run on. */
unsigned turns_count_processors(pid_t process);

/* The part of an interval in which the work was held up by others. */
double turns_hindrance(const struct turns_interval *interval, unsigned processors);
/* What work would have taken that had others hold it up so long, and ran so long. */
double turns_unhindered(double wall, double ran, double hindered, unsigned processors);
/* The same of the work that goes on. */
double turns_take_off(const struct turns *turns, double wall);

/* How we came to see that a process has ended; and how long we waited for a processor meanwhile. */
struct turns_news {
    double age;      /* of it, when we were to sleep */
    double busy;     /* we waited, from the look before it on until then */
    double woken;    /* and when we were woken */
    double lasted;   /* of sleep and that */
    double patience; /* the clock was to wake us then */
};

/* How long before it had ended. It woke us; or it had ended at any time since the clock woke us; or
 * while we did not get to sleep. */
double turns_find_late(const struct turns_news *news);

#endif
