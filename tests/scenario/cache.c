/* cache.c - a program whose work slows down, breaks or stays well in a way that is known: it looks
 * at its own RLIMIT_DATA as a cache looks at its configured size, and works the longer the less of
 * what it wants it may have.
 *
 *     cache SHAPE [--units N] [--unit-us N] [--mib N] [--forks N] [--pairs N] [--pause-ms N]
 *                 [--pace spin|sleep] [--noise PERCENT] [--seed N] [--holds wanted|allowed]
 *                 [--ANY WORD]
 *
 *     linear   1 to 4 times as long, by the share that is missing
 *     cliff    8 times as long below half of what it wants
 *     step     1.5 times as long below 6 tenths
 *     flat     as long with less memory
 *     dies     abort() below half
 *     fails    says so and exits with 3 below half
 *     hangs    sleeps for ever below half
 *     never    as linear, and it stays slow when the limit is lifted
 *     slow     as linear, and it stays slow for 2 s after that
 *     leaks    a fiftieth of what it wants is lost with each second
 *
 * A unit of work is a line "unit"; with --units N it ends after so many. It touches the memory it
 * wants (--mib, 32) at first, or as much of it as it gets; --forks children that do nothing share
 * it. At first it also allocates and frees a small block --pairs times; and one unit in 40 takes
 * --pause-ms longer.
 *
 * With --pace sleep a unit is slept through, so that many of these keep their pace side by side on
 * a busy machine. Units differ by --noise (standard deviation), another way with each --seed and
 * in each process. With --holds allowed it gives back what is more than the limit, and takes it
 * again when that is lifted, as a cache does whose size is set while it runs. */
#define _GNU_SOURCE /* clock_gettime */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, BLOCKS_MOST = 4096, LEAK = 64 << 10 };

static struct {
    const char *shape, *pace, *holds;
    unsigned long units, unit_us, mib, forks, pairs, pause_ms, noise, seed;
    char *block[BLOCKS_MOST];
    unsigned long blocks;
    size_t leaked;     /* bytes */
    double slow_until; /* CLOCK_MONOTONIC */
    double began;
    uint64_t random;
} cache = {.shape = "linear", .pace = "spin", .holds = "wanted", .unit_us = 2000, .mib = 32};

static const struct {
    const char *name;
    unsigned long *value;
} numbers[] = {{"--units", &cache.units}, {"--unit-us", &cache.unit_us},
               {"--mib", &cache.mib},     {"--forks", &cache.forks},
               {"--pairs", &cache.pairs}, {"--pause-ms", &cache.pause_ms},
               {"--noise", &cache.noise}, {"--seed", &cache.seed}};

static const struct {
    const char *name;
    const char **value;
} words[] = {{"--pace", &cache.pace}, {"--holds", &cache.holds}};

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

/* A block is a mapping of its own, so that what is given back does not stay in the heap. */
static void keep_blocks_apart(void)
{
#ifdef M_MMAP_THRESHOLD /* musl always does so */
    mallopt(M_MMAP_THRESHOLD, LEAK);
#endif
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

/* What libc and the stack have of the limit, and as much again. */
enum { REST = 2 * MIB };

/* What the limit leaves of what it wants, beside what is lost. */
static void hold_what_is_allowed(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_DATA, &limit);
    size_t others = REST + cache.leaked;
    unsigned long allowed = cache.mib;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (rlim_t)cache.mib * MIB + others)
        allowed = limit.rlim_cur < others ? 0 : (unsigned long)((limit.rlim_cur - others) / MIB);
    while (cache.blocks > allowed)
        free(cache.block[--cache.blocks]);
    grow_to(allowed);
}

/* Nobody knows these blocks any more. */
static void leak(void)
{
    double due = (double)cache.mib * MIB * (now() - cache.began) / 50;
    while ((double)cache.leaked < due) {
        char *block = malloc(LEAK);
        if (block == NULL)
            return;
        memset(block, 1, LEAK);
        cache.leaked += LEAK;
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

static double draw_uniform(void)
{
    cache.random = cache.random * 6364136223846793005u + 1442695040888963407u; /* Knuth's */
    return (double)(cache.random >> 11) * 0x1p-53;
}

/* Around 1: a sum of twelve is as good as normal. Nothing is done in no time. */
static double draw_noise(void)
{
    const double least = 0.1;
    double sum = -6;
    for (unsigned i = 0; i < 12; i++)
        sum += draw_uniform();
    double factor = 1 + (double)cache.noise / 100 * sum;
    return factor < least ? least : factor;
}

/* Until then, whatever wakes it; what it began late ends late, as work does. */
static void sleep_for(double seconds)
{
    double until = now() + seconds;
    struct timespec time = {(time_t)until, (long)((until - (double)(time_t)until) * 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) != 0)
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
    if (is_shape("step"))
        return share < 0.6 ? 1.5 : 1;
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
    double seconds = (double)cache.unit_us * 1e-6 * find_factor(share) * draw_noise();
    if (strcmp(cache.pace, "sleep") == 0)
        sleep_for(seconds);
    else
        spin(seconds);
    if (is_shape("leaks"))
        leak();
    if (strcmp(cache.holds, "allowed") == 0)
        hold_what_is_allowed();
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

static void read_option(const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strcmp(name, numbers[i].name) == 0)
            *numbers[i].value = strtoul(value, NULL, 10);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(name, words[i].name) == 0)
            *words[i].value = value;
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cache.shape = argv[1];
    for (int i = 2; i + 1 < argc; i += 2)
        read_option(argv[i], argv[i + 1]);
    cache.random = cache.seed * 1000003 + (uint64_t)getpid();
    cache.began = now();
    keep_blocks_apart();
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
