/* server.c - a program to be attached to: threads that hand blocks to each other, one that loads
 * and unloads a library, and a main that forks children which allocate. It prints its process id
 * when all of that goes on, and ends when its standard input does.
 *
 *     server THREADS    0: main alone allocates
 *     server idle       nobody does, until the end */
#define _GNU_SOURCE /* usleep */
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 64, THREADS_MAX = 32, BYTES = 777 };

static _Atomic(void *) shared[SLOTS];
static atomic_bool is_over;

static void churn_once(unsigned *random)
{
    *random = *random * 1664525 + 1013904223;
    unsigned char *block = malloc((*random >> 20 & 1023) + 1);
    block[0] = 1;
    free(atomic_exchange(&shared[*random >> 8 & (SLOTS - 1)], block));
}

static void *churn(void *number)
{
    unsigned random = (unsigned)(size_t)number + 1;
    while (!is_over) {
        for (int i = 0; i < 100; i++)
            churn_once(&random);
        usleep(100);
    }
    return NULL;
}

static void *load_and_unload(void *unused)
{
    (void)unused;
    while (!is_over) {
        void *library = dlopen("libm.so.6", RTLD_NOW);
        if (library != NULL)
            dlclose(library);
        usleep(1000);
    }
    return NULL;
}

static int fork_once(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        unsigned random = 5;
        for (int i = 0; i < 1000; i++)
            churn_once(&random);
        _exit(0);
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

static int has_input_ended(int timeout_ms)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, timeout_ms) == 1;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX + 1];
    unsigned random = 77;
    int count = argc == 2 ? atoi(argv[1]) : 0;
    if (count > THREADS_MAX)
        return 2;
    void *older[3] = {malloc(BYTES), malloc(BYTES), malloc(BYTES)};
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(size_t)i);
    if (count > 0)
        pthread_create(&threads[count], NULL, load_and_unload, NULL);
    dprintf(1, "%d\n", (int)getpid());
    if (strcmp(argv[1], "idle") == 0) {
        while (!has_input_ended(-1))
            continue;
    } else {
        while (!has_input_ended(5)) {
            churn_once(&random);
            if (count > 0 && fork_once() != 0)
                return 3;
        }
    }
    is_over = 1;
    for (int i = 0; count > 0 && i <= count; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++)
        free(older[i]);
    dprintf(1, "done\n");
    return 0;
}
