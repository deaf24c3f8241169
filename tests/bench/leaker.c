/* leaker.c - bench_leaker SEED REQUESTS: a service that leaks a little and has a cache without
 * bound, which it halves when it hears that memory runs short; a request without memory fails.
 * Prints how many it went through and answered. Without the library nobody tells it. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/mpress.h"
#include "tests/bench/bench.h"

enum { CACHE = 1 << 16, LEAK_BYTES = 300, LEAST_BYTES = 1000, MOST_BYTES = 16000 };

static struct {
    char *entry[CACHE];
    size_t count;
    uint64_t answered;
    uint64_t random;
    char *leaked;
} service;

static void halve_cache(int level, void *context)
{
    (void)context;
    if (level < MPRESS_EMERGENCY)
        return;
    for (size_t left = service.count / 2; service.count > left;)
        free(service.entry[--service.count]);
}

/* A block points to the one before. */
static bool leak(void)
{
    char *block = malloc(LEAK_BYTES);
    if (block == NULL)
        return false;
    memset(block, 1, LEAK_BYTES);
    memcpy(block, &service.leaked, sizeof(service.leaked));
    service.leaked = block;
    return true;
}

static bool serve(void)
{
    size_t bytes = bench_random_range(&service.random, LEAST_BYTES, MOST_BYTES);
    char *answer = malloc(bytes);
    if (answer == NULL)
        return false;
    memset(answer, (int)bytes, bytes);
    if (service.count < CACHE)
        service.entry[service.count++] = answer;
    else
        free(answer);
    return leak();
}

int main(int argc, char **argv)
{
    if (argc != 3)
        bench_die("usage: bench_leaker SEED REQUESTS");
    service.random = bench_number("SEED", argv[1]);
    uint64_t requests = bench_number("REQUESTS", argv[2]);
    if (mpress_pressure_subscribe != NULL)
        mpress_pressure_subscribe(halve_cache, NULL);
    for (uint64_t number = 1; number <= requests; number++) {
        service.answered += serve();
        if (number % 20 == 0)
            printf("%" PRIu64 " %" PRIu64 "\n", number, service.answered);
    }
    puts("done");
    return 0;
}
