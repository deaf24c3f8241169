/* memory.c - bench_memory [--scale F] [--light-ms MS] PROGRAM: runs one memory program.
 *
 * Each line is a JSON object: asked_mib, what the program holds; pages_mib, the pages that hold
 * some of it (where the program can tell); under our library internal_mib, external_mib,
 * cached_mib, dirty_mib and meta_mib, what the heap keeps beyond that, in the words of the README;
 * rss_mib, what the process keeps resident (without the program's own tables); seconds since its
 * start. */
#define _GNU_SOURCE
#include "tests/bench/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/mpress.h"
#include "tests/bench/bench.h"

static struct {
    double scale;
    unsigned light_ms;
    const char *program;
    double start_ns;
} memory = {.scale = 1, .light_ms = 2000};

size_t memory_scaled(size_t count)
{
    size_t scaled = (size_t)((double)count * memory.scale);
    return scaled > 0 ? scaled : 1;
}

static double mib(size_t bytes)
{
    return (double)bytes / (double)BENCH_MIB;
}

/* What our heap itself says; nothing under another one. */
static void print_parts(size_t asked)
{
    struct mpress_stats stats;
    if (mpress_stats_read == NULL)
        return;
    mpress_stats_read(&stats);
    printf("\"internal_mib\": %.2f, \"external_mib\": %.2f, \"cached_mib\": %.2f, "
           "\"dirty_mib\": %.2f, \"meta_mib\": %.2f, ",
           mib(stats.live) - mib(asked), mib(stats.external), mib(stats.cached), mib(stats.dirty),
           mib(stats.meta));
}

/* pages 0: not known. */
static void print_point(const char *name, size_t asked, size_t pages, size_t rss)
{
    printf("{\"program\": \"%s\", \"point\": \"%s\", \"asked_mib\": %.2f, ", memory.program, name,
           mib(asked));
    if (pages > 0)
        printf("\"pages_mib\": %.2f, ", mib(pages));
    print_parts(asked);
    printf("\"rss_mib\": %.2f, \"seconds\": %.3f}\n", mib(rss),
           (bench_now_ns() - memory.start_ns) / 1e9);
    fflush(stdout);
}

void memory_point(const char *name, size_t asked_bytes)
{
    print_point(name, asked_bytes, 0, bench_rss_bytes());
}

void memory_peak(const char *name, size_t asked_bytes)
{
    print_point(name, asked_bytes, 0, bench_peak_bytes());
}

void memory_light_use(void)
{
    enum { HELD = 64, EACH_MS = 20 };
    void *held[HELD] = {NULL};
    uint64_t random = 7;
    double end = bench_now_ns() + memory.light_ms * 1e6;
    for (unsigned turn = 0; bench_now_ns() < end; turn += EACH_MS) {
        for (unsigned i = 0; i < EACH_MS; i++) {
            void **place = &held[(turn + i) % HELD];
            free(*place);
            *place = bench_alloc(bench_random_range(&random, 16, 1024));
        }
        bench_sleep_ms(1);
    }
    for (unsigned i = 0; i < HELD; i++)
        free(held[i]);
}

void memory_pool_init(struct memory_pool *pool, size_t places, uint64_t seed)
{
    pool->blocks = bench_table(places, sizeof(*pool->blocks));
    pool->bytes = bench_table(places, sizeof(*pool->bytes));
    pool->places = places;
    pool->asked = 0;
    pool->random = seed * 0x9e3779b97f4a7c15U + 1;
}

void memory_pool_fill(struct memory_pool *pool, size_t place, size_t bytes)
{
    pool->blocks[place] = bench_alloc(bytes);
    memset(pool->blocks[place], 0x5a, bytes);
    pool->bytes[place] = (uint32_t)bytes;
    pool->asked += bytes;
}

void memory_pool_drop(struct memory_pool *pool, size_t place)
{
    free(pool->blocks[place]);
    pool->asked -= pool->bytes[place];
    pool->blocks[place] = NULL;
    pool->bytes[place] = 0;
}

void memory_pool_point(const struct memory_pool *pool, const char *name)
{
    size_t rss = bench_rss_bytes();
    print_point(name, pool->asked, bench_pages_bytes(pool->blocks, pool->bytes, pool->places), rss);
}

void memory_pool_thin(struct memory_pool *pool, size_t first, size_t count, double share)
{
    size_t below = (size_t)(share * 1e6);
    for (size_t place = first; place < first + count; place++) {
        if (bench_random_range(&pool->random, 0, 999999) < below)
            memory_pool_drop(pool, place);
    }
}

static const struct memory_program *const lists[] = {memory_heaps, memory_threads};

static const struct memory_program *find_program(const char *name)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        for (const struct memory_program *program = lists[i]; program->name != NULL; program++) {
            if (strcmp(program->name, name) == 0)
                return program;
        }
    }
    bench_die("there is no memory program '%s' (see --list)", name);
}

static void list_programs(void)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        for (const struct memory_program *program = lists[i]; program->name != NULL; program++)
            printf("%-14s %s\n", program->name, program->summary);
    }
}

static void read_option(const char *name, const char *value)
{
    if (strcmp(name, "--scale") == 0)
        memory.scale = bench_fraction(name, value);
    else if (strcmp(name, "--light-ms") == 0)
        memory.light_ms = (unsigned)bench_number(name, value);
    else
        bench_die("there is no option '%s'", name);
}

int main(int argc, char **argv)
{
    static char line_buffer[BUFSIZ];
    setvbuf(stdout, line_buffer, _IOFBF, sizeof(line_buffer));
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_programs();
        return 0;
    }
    int next = 1;
    for (; next + 1 < argc; next += 2)
        read_option(argv[next], argv[next + 1]);
    if (next != argc - 1)
        bench_die("usage: bench_memory --list | [--scale F] [--light-ms MS] PROGRAM");
    const struct memory_program *program = find_program(argv[next]);
    memory.program = program->name;
    memory.start_ns = bench_now_ns();
    program->run();
    return 0;
}
