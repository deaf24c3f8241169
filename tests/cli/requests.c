/* requests.c - a program with transactions of known numbers: 1,000 requests, each with a child that
 * every third rolls back, a mark, malloc's blocks of which every tenth escapes, freed later or
 * never; one that two threads share; one that stays open.
 *
 *     requests wait    it then prints its process id, and allocates until its input ends; the open
 *                      one alone leads to 7 blocks of 100 bytes, and 5 of 200 are lost */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/mpress_txn.h"

enum { REQUESTS = 1000 };

static char *volatile escaped[REQUESTS];

static void fill(struct mpress_txn *txn, int blocks, size_t bytes)
{
    for (int i = 0; i < blocks; i++)
        memset(mpress_txn_alloc(txn, bytes, i % 2 != 0 ? 1 : 0), i, bytes);
}

static __attribute__((noinline)) void answer(struct mpress_txn *request, int number)
{
    struct mpress_txn *txn = mpress_txn_begin(request, "answer", 0);
    fill(txn, 10, 100);
    if (number % 3 == 0)
        mpress_txn_rollback(txn);
    else
        mpress_txn_commit(txn);
}

static __attribute__((noinline)) void serve(int number)
{
    struct mpress_txn *txn = mpress_txn_begin(NULL, "request", 0);
    struct mpress_txn_mark mark;
    fill(txn, 20, 40);
    mpress_txn_save(txn, &mark);
    answer(txn, number);
    fill(txn, 5, 1000);
    mpress_txn_rollback_to(txn, &mark);
    mpress_txn_enter(txn);
    escaped[number] = strdup("what the request left behind");
    mpress_txn_leave(txn);
    if (number % 10 != 0)
        free(escaped[number]);
    mpress_txn_commit(txn);
}

static void *help(void *txn)
{
    mpress_txn_adopt(txn);
    fill(txn, 10, 64);
    mpress_txn_commit(txn);
    return NULL;
}

static void share(void)
{
    pthread_t thread;
    struct mpress_txn *txn = mpress_txn_begin(NULL, "shared", 0);
    fill(txn, 10, 64);
    if (pthread_create(&thread, NULL, help, txn) == 0)
        pthread_join(thread, NULL);
}

static __attribute__((noinline)) void hold(struct mpress_txn *txn)
{
    for (int i = 0; i < 7; i++) {
        void **only = mpress_txn_alloc(txn, sizeof(*only), 0);
        *only = memset(malloc(100), 1, 100);
    }
    for (int i = 0; i < 5; i++)
        memset(malloc(200), 1, 200);
}

static void wait_for_the_end(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    printf("%d\n", (int)getpid());
    fflush(stdout);
    while (poll(&input, 1, 1) == 0)
        free(memset(malloc(3000), 1, 3000));
    puts("done");
}

int main(int argc, char **argv)
{
    bool waits = argc > 1 && strcmp(argv[1], "wait") == 0;
    for (int i = 0; i < REQUESTS; i++)
        serve(i);
    share();
    for (int i = 0; i < REQUESTS; i += 20)
        free(escaped[i]);
    struct mpress_txn *open = mpress_txn_begin(NULL, "open", 0);
    fill(open, 3, 500);
    if (waits) {
        hold(open);
        wait_for_the_end();
    }
    return 0;
}
