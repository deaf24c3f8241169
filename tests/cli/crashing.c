/* crashing.c - `crashing KIND`: allocates, and ends by a signal in fall(). */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int sink;

static void handle(int number)
{
    (void)number;
    puts("handled");
    exit(7);
}

static __attribute__((noinline)) int descend(int depth)
{
    volatile char frame[2000];
    frame[0] = (char)depth;
    return descend(depth + 1) + frame[0];
}

/* What is deepest on the stack then is the recorder. */
static __attribute__((noinline)) int descend_and_allocate(int depth)
{
    char *volatile block = malloc(24);
    free(block);
    return descend_and_allocate(depth + 1) + (block != NULL);
}

static void *descend_aside(void *kept)
{
    char *volatile known = malloc(10); /* to whoever records */
    free(known);
    sink = descend(0);
    return kept;
}

static __attribute__((noinline)) void fall(const char *kind)
{
    if (strcmp(kind, "abort") == 0)
        abort();
    if (strcmp(kind, "raise") == 0)
        raise(SIGFPE);
    if (strcmp(kind, "overflow") == 0)
        sink = descend(0);
    if (strcmp(kind, "overflow allocating") == 0)
        sink = descend_and_allocate(0);
    pthread_t thread;
    if (strcmp(kind, "overflow aside") == 0 &&
        pthread_create(&thread, NULL, descend_aside, NULL) == 0)
        pthread_join(thread, NULL);
    if (strcmp(kind, "handled") == 0)
        signal(SIGSEGV, handle);
    *(volatile int *)0x18 = 1;
    sink = 1;
}

int main(int argc, char **argv)
{
    static char *volatile kept;
    for (int i = 0; i < 1000; i++)
        kept = malloc(100);
    fall(argc > 1 ? argv[1] : "");
    return kept == NULL;
}
