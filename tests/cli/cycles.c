/* cycles.c - `cycles SEED ROUNDS LEAK`: rounds of work, a mark behind each, after which everything
 * is given back but a cache whose blocks change and a queue whose length does, both by chance. With
 * LEAK bytes, so many are forgotten in each round. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/mpress.h"

enum { CACHE = 64, QUEUE = 50, WORK = 40 };

static uint64_t state;
static void *cache[CACHE];
static void *queue[QUEUE];
static unsigned queued;
static char *buffer;
static size_t buffer_bytes;

static unsigned next_random(unsigned below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

static __attribute__((noinline)) void *make_entry(void)
{
    return calloc(1, 16 + next_random(3000));
}

static __attribute__((noinline)) void change_cache(void)
{
    for (int i = 0; i < 10; i++) {
        unsigned at = next_random(CACHE);
        free(cache[at]);
        cache[at] = make_entry();
    }
}

static __attribute__((noinline)) void change_queue(void)
{
    unsigned wanted = next_random(QUEUE);
    while (queued < wanted)
        queue[queued++] = malloc(100 + next_random(400));
    while (queued > wanted)
        free(queue[--queued]);
}

static __attribute__((noinline)) void fill_buffer(void)
{
    size_t bytes = 1000 + next_random(9000);
    if (bytes <= buffer_bytes)
        return;
    buffer = realloc(buffer, bytes);
    buffer_bytes = bytes;
}

static __attribute__((noinline)) void work(void)
{
    void *block[WORK];
    for (int i = 0; i < WORK; i++)
        block[i] = malloc(16 + next_random(2000));
    for (int i = 0; i < WORK; i++)
        free(block[i]);
}

/* Some are still pointed to, some not: the growth is what tells. */
static __attribute__((noinline)) void forget(size_t bytes)
{
    char *volatile block = malloc(bytes);
    memset(block, 1, bytes);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
    size_t leak = argc == 4 ? (size_t)atoi(argv[3]) : 0;
    state = argc == 4 ? (uint64_t)atoi(argv[1]) * 7919 + 1 : 0;
    for (unsigned i = 0; i < rounds; i++) {
        char label[32];
        work();
        change_cache();
        change_queue();
        fill_buffer();
        if (leak != 0)
            forget(leak);
        snprintf(label, sizeof label, "round %u", i);
        if (mpress_mark)
            mpress_mark(label);
    }
    return rounds == 0 ? 2 : 0;
}
