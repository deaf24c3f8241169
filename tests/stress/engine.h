/* engine.h - a storm of random calls on a heap, against a model of what it must hold.
 *
 * Several generations of threads allocate, resize and free blocks of all sizes, hand them to each
 * other, leave some behind when they die, and fork in between. Every block is filled with a pattern
 * of its own that is verified when it changes hands, grows, or dies, and its granules are marked in
 * a shadow map that finds overlaps at once. The first contradiction ends the process with one line
 * and the seed. */
#ifndef MPRESS_TESTS_ENGINE_H
#define MPRESS_TESTS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The heap under test. Any function after `usable` may be NULL. */
struct stress_heap {
    const char *name;
    void *(*alloc)(size_t bytes);
    void *(*alloc_zeroed)(size_t bytes);
    void *(*alloc_aligned)(size_t alignment, size_t bytes);
    void *(*resize)(void *p, size_t bytes); /* bytes > 0 */
    void (*free)(void *p);
    size_t (*usable)(void *p);
    void *(*alloc_pages)(size_t bytes); /* whole pages, at a page's boundary */
    void (*free_sized)(void *p, size_t alignment, size_t bytes); /* what was asked for */
    void (*ask)(unsigned question); /* statistics, trimming, ...: any number, any time */
    void (*audit)(bool is_empty);   /* recounts; only the calling thread runs */
    void (*thread_exit)(void);      /* a thread ends; it calls the heap a little more after it */
    void (*fork_child)(void);       /* first thing in the child of a fork */
};

struct stress_options {
    uint64_t seed;
    unsigned threads;     /* at a time, at most 64 */
    unsigned generations; /* how often they die and others are born */
    unsigned operations;  /* of each thread */
    unsigned forks;       /* of each generation */
    size_t most_bytes;    /* of one block */
};

/* Reads --seed N --threads N --generations N --operations N --forks N --most-bytes N into *options,
 * and --divisor N, which leaves an N-th of the operations; false after a line on stderr: there is
 * no such option. */
bool stress_read_options(int argc, char **argv, struct stress_options *options);

/* Says the seed, runs the storm, returns when all of it was consistent. */
void stress_run(const struct stress_heap *heap, const struct stress_options *options);

#endif
