/* switching.c - starts and stops traces by itself while other threads go on, some of which are born
 * before and some during a trace. Every trace sees main leave 1000 blocks of 777 bytes, and threads
 * hand blocks to each other that the trace saw born; meanwhile it is copied. */
#define _GNU_SOURCE /* usleep */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/mpress.h"

enum { THREADS = 3, SLOTS = 64, BLOCKS = 1000, BYTES = 777 };

static _Atomic(void *) shared[SLOTS];
static atomic_bool is_over;

static void *churn(void *number)
{
    unsigned random = (unsigned)(size_t)number + 1;
    while (!is_over) {
        random = random * 1664525 + 1013904223;
        void *block = malloc(random >> 20 & 1023);
        free(atomic_exchange(&shared[random >> 8 & (SLOTS - 1)], block));
    }
    return NULL;
}

static void leave_blocks(void)
{
    static void *volatile left;
    for (int i = 0; i < BLOCKS; i++)
        left = malloc(BYTES);
}

static int trace_once(const char *file, const char *mode)
{
    pthread_t born_inside;
    if (mpress_trace_start(file, mode) != 0 || mpress_trace_start(file, mode) == 0)
        return 1;
    if (pthread_create(&born_inside, NULL, churn, (void *)9) != 0)
        return 2;
    leave_blocks();
    mpress_mark("in the middle");
    usleep(10000);
    if (mpress_trace_dump(NULL) != 0)
        return 4;
    if (mpress_trace_stop() != 0)
        return 3;
    leave_blocks(); /* not to be seen */
    return pthread_detach(born_inside);
}

int main(void)
{
    static const char *const modes[] = {"full", "events"};
    pthread_t threads[THREADS];
    char name[64];
    if (mpress_trace_stop() == 0 || mpress_trace_start("x.mpt", "some") == 0)
        return 4;
    free(malloc(100));
    if (mpress_trace_start("alone.mpt", "events") != 0)
        return 5;
    leave_blocks();
    if (mpress_trace_stop() != 0)
        return 6;
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, churn, (void *)i) != 0)
            return 7;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        snprintf(name, sizeof name, "part%zu.mpt", i);
        int failed = trace_once(name, modes[i]);
        if (failed != 0)
            return 10 * failed;
    }
    if (mpress_trace_start("sampled.mpt", "sample") != 0)
        return 8;
    leave_blocks();
    pid_t child = fork();
    if (child == 0) {
        leave_blocks();
        exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        return 9;
    is_over = true;
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    puts("done");
    return 0;
}
