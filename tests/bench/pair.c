/* pair.c - nanoseconds per malloc and free of one size, through the PLT like any program's calls.
 *
 * bench_pair BYTES PAIRS: prints the time of one pair, the least of seven rounds. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The compiler must not know what these do. */
static void *(*volatile allocate)(size_t) = malloc;
static void (*volatile release)(void *) = free;

static double round_ns(size_t bytes, long pairs)
{
    double start = now_ns();
    for (long i = 0; i < pairs; i++) {
        void *p = malloc(bytes);
        __asm__ volatile("" : "+r"(p) : : "memory");
        free(p);
    }
    return (now_ns() - start) / (double)pairs;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_pair BYTES PAIRS\n");
        return 2;
    }
    size_t bytes = strtoul(argv[1], NULL, 10);
    long pairs = strtol(argv[2], NULL, 10);
    release(allocate(bytes));
    double least = round_ns(bytes, pairs);
    for (int round = 1; round < 7; round++) {
        double ns = round_ns(bytes, pairs);
        if (ns < least)
            least = ns;
    }
    printf("%.3f\n", least);
    return 0;
}
