/* crashing.c - `crashing KIND`: allocates, and ends by a signal in fall(). */
#define _GNU_SOURCE
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

static __attribute__((noinline)) void fall(const char *kind)
{
    if (strcmp(kind, "abort") == 0)
        abort();
    if (strcmp(kind, "raise") == 0)
        raise(SIGFPE);
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
