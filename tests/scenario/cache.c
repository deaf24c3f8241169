/* cache.c - a program whose work slows down, breaks or stays well in a way that is known: it looks
 * at its own RLIMIT_DATA as a cache looks at its configured size, and works the longer the less of
 * what it wants it may have.
 *
 *     cache SHAPE [--units N] [--unit-us N] [--mib N] [--forks N] [--pairs N] [--pause-ms N]
 *                 [--ANY WORD]
 *
 *     linear   1 to 4 times as long, by the share that is missing
 *     cliff    8 times as long below half of what it wants
 *     flat     as long with less memory
 *     dies     abort() below half
 *     fails    says so and exits with 3 below half
 *     hangs    sleeps for ever below half
 *     never    as linear, and it stays slow when the limit is lifted
 *     slow     as linear, and it stays slow for 2 s after that
 *     leaks    a tenth more memory with each second
 *
 * A unit of work is a line "unit"; with --units N it ends after so many. It touches the memory it
 * wants (--mib, 32) at first, or as much of it as it gets; --forks children that do nothing share
 * it. At first it also allocates and frees a small block --pairs times; and one unit in 40 takes
 * --pause-ms longer. */
#define _GNU_SOURCE /* clock_gettime */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, BLOCKS_MOST = 4096 };

static struct {
    const char *shape;
    unsigned long units, unit_us, mib, forks, pairs, pause_ms;
    char *block[BLOCKS_MOST];
    unsigned long blocks;
    double slow_until; /* CLOCK_MONOTONIC */
    double began;
} cache = {.shape = "linear", .unit_us = 2000, .mib = 32};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int is_shape(const char *name)
{
    return strcmp(cache.shape, name) == 0;
}

/* The share of what it wants that the limit leaves; 1 without one. */
static double read_share(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_DATA, &limit);
    double wanted = (double)cache.mib * MIB;
    return limit.rlim_cur == RLIM_INFINITY || (double)limit.rlim_cur > wanted
               ? 1
               : (double)limit.rlim_cur / wanted;
}

static void grow_to(unsigned long mib)
{
    while (cache.blocks < mib && cache.blocks < BLOCKS_MOST) {
        char *block = malloc(MIB - 64);
        if (block == NULL)
            return;
        memset(block, 1, MIB - 64);
        cache.block[cache.blocks++] = block;
    }
}

static double used(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Processor time: what else the machine does is not its work. */
static void spin(double seconds)
{
    double until = used() + seconds;
    while (used() < until)
        ;
}

static void break_if_asked(double share)
{
    if (share >= 0.5)
        return;
    if (is_shape("dies"))
        abort();
    if (is_shape("fails")) {
        fprintf(stderr, "cache: out of memory\n");
        exit(3);
    }
    while (is_shape("hangs"))
        sleep(1000);
}

/* How many times as long a unit takes now. */
static double find_factor(double share)
{
    double missing = 1 - share;
    if (is_shape("flat") || is_shape("leaks"))
        return 1;
    if (is_shape("cliff"))
        return share < 0.5 ? 8 : 1;
    if (missing > 0 && is_shape("never"))
        cache.slow_until = now() + 1e6;
    if (missing > 0 && is_shape("slow"))
        cache.slow_until = now() + 2;
    if (missing == 0 && now() < cache.slow_until)
        return 4;
    return 1 + 4 * missing; /* 1 to 4 over three quarters */
}

/* One unit in so many. */
enum { PAUSES = 40 };

static void work(unsigned long unit)
{
    double share = read_share();
    break_if_asked(share);
    spin((double)cache.unit_us * 1e-6 * find_factor(share));
    if (is_shape("leaks"))
        grow_to(cache.mib + (unsigned long)((double)cache.mib * (now() - cache.began) / 10));
    if (cache.pause_ms > 0 && unit % PAUSES == PAUSES - 1)
        usleep((useconds_t)cache.pause_ms * 1000);
    puts("unit");
    fflush(stdout);
}

static void allocate(unsigned long pairs)
{
    static void *volatile block; /* seen by nobody, it would not be allocated */
    for (unsigned long i = 0; i < pairs; i++) {
        block = malloc(16 + i % 500);
        free(block);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cache.shape = argv[1];
    for (int i = 2; i + 1 < argc; i += 2) {
        unsigned long number = strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--units") == 0)
            cache.units = number;
        else if (strcmp(argv[i], "--unit-us") == 0)
            cache.unit_us = number;
        else if (strcmp(argv[i], "--forks") == 0)
            cache.forks = number;
        else if (strcmp(argv[i], "--mib") == 0)
            cache.mib = number;
        else if (strcmp(argv[i], "--pairs") == 0)
            cache.pairs = number;
        else if (strcmp(argv[i], "--pause-ms") == 0)
            cache.pause_ms = number;
    }
    cache.began = now();
    grow_to(cache.mib);
    allocate(cache.pairs);
    for (unsigned long i = 0; i < cache.forks; i++) {
        if (fork() == 0)
            return (int)sleep(1000);
    }
    for (unsigned long unit = 0; cache.units == 0 || unit < cache.units; unit++)
        work(unit);
    return 0;
}
