/* timed.h - how long the hot path takes, in a build of the library for pressure experiments
 * (libmpress-timed.so): one in 64 calls of malloc, calloc, operator new, free and operator delete
 * that the thread's magazines serve is timed, on average. In libmpress.so nothing of this is there:
 * not an instruction.
 *
 * The hot path leaves no count, so calls that are to be picked at random must be counted: by one
 * subtraction in each (hot.h). The distance to the next is drawn for each thread from 1..127, each
 * as likely as another: no rhythm of the program's meets it, and every call has the same chance.
 * The one that is due does the same between two looks at the clock, and then goes on as ever, to
 * the door too, where slow calls are timed (watch.h). What looking at the clock takes at best is
 * taken off. What is still in it: the wait for what is under way in the processor, which a call
 * that nobody times may share with its neighbours; what a call costs on average is less. */
#ifndef MPRESS_TIMED_H
#define MPRESS_TIMED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIMED_ONE_IN = 64 };

/* Calls of this thread before one is timed. */
struct timed_left {
    uint32_t allocs, frees;
};
extern _Thread_local struct timed_left timed_left __attribute__((tls_model("initial-exec")));

/* What their namesakes in hot.h do, timed. */
void *timed_alloc(size_t bytes);
void *timed_alloc_medium(size_t bytes);
void *timed_alloc_zeroed(size_t bytes);
bool timed_free(void *p);

#endif
