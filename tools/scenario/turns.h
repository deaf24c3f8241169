/* turns.h - how long the threads of a program ran, and how long they waited for a processor: what
 * else the machine does is no memory pressure, and is taken off the time of a piece of work.
 *
 *     work of one thread    ====....=====..=====      wall - waited
 *     of two at once        ====....==..====          busy for longer than the work took: the share
 *                           ..====..==..====          of it in which they ran, of the wall time
 *
 * Each thread is looked at now and then (/proc); what one does behind that nobody sees. */
#ifndef MPRESS_TOOLS_SCENARIO_TURNS_H
#define MPRESS_TOOLS_SCENARIO_TURNS_H

#include <stddef.h>
#include <sys/types.h>

enum { TURNS_THREADS = 512 };

struct turns_thread {
    pid_t id;
    double ran_before, waited_before; /* seconds, until the work began; 0: it was not there */
    double ran, waited;               /* until it was seen last */
};

struct turns {
    struct turns_thread thread[TURNS_THREADS];
    size_t threads; /* others are not counted */
};

/* A piece of work begins: what they did before is none of it. */
void turns_begin(struct turns *turns);
/* A thread of a process, as it is now. */
void turns_look(struct turns *turns, pid_t process, const char *thread);

struct turns_sum {
    double ran, waited; /* seconds, of all threads since the beginning */
};
struct turns_sum turns_add_up(const struct turns *turns);

/* What the work would have taken had nobody waited. */
double turns_unhindered(double wall, const struct turns_sum *sum);

#endif
