/* memory_heaps.c - one thread fills the heap, thins it out at random and goes on: how much of the
 * free memory goes back to the system, and how much of it serves other sizes? */
#include "tests/bench/memory.h"

#include "tests/bench/bench.h"

static void run_base(void)
{
    memory_point("start", 0);
}

static void light_use(const struct memory_pool *pool)
{
    memory_light_use();
    memory_pool_point(pool, "later");
}

/* 16..8191 bytes, each doubling as likely as the others. */
static size_t any_doubling(struct memory_pool *pool)
{
    size_t shift = bench_random_range(&pool->random, 0, 8);
    return bench_random_range(&pool->random, 16, 31) << shift | shift;
}

static size_t small(struct memory_pool *pool)
{
    return bench_random_range(&pool->random, 16, 1024);
}

/* 817 MiB of many sizes, of which one block in twenty survives. */
static void spike(size_t (*size)(struct memory_pool *), size_t places)
{
    struct memory_pool pool;
    size_t level = memory_scaled(817 * BENCH_MIB);
    memory_pool_init(&pool, memory_scaled(places), 1);
    size_t used = 0;
    for (; used < pool.places && pool.asked < level; used++)
        memory_pool_fill(&pool, used, size(&pool));
    memory_pool_point(&pool, "top");
    memory_pool_thin(&pool, 0, used, 0.95);
    memory_pool_point(&pool, "freed");
    light_use(&pool);
}

static void run_spike(void)
{
    spike(any_doubling, 800000);
}

static void run_spike_small(void)
{
    spike(small, 1700000);
}

/* Random replacement at a constant level: do sparse slabs ever come free? */
static void run_drain(void)
{
    struct memory_pool pool;
    size_t count = memory_scaled(600000);
    size_t replacements = memory_scaled(2200000);
    memory_pool_init(&pool, count, 2);
    for (size_t i = 0; i < count; i++)
        memory_pool_fill(&pool, i, bench_random_range(&pool.random, 16, 415));
    memory_pool_point(&pool, "top");
    memory_pool_thin(&pool, 0, count, 0.60);
    memory_pool_point(&pool, "freed");
    for (size_t i = 0; i < replacements;) {
        size_t place = bench_random_range(&pool.random, 0, count - 1);
        if (pool.blocks[place] == NULL)
            continue;
        memory_pool_drop(&pool, place);
        memory_pool_fill(&pool, place, bench_random_range(&pool.random, 16, 415));
        i++;
    }
    memory_pool_point(&pool, "replaced");
    light_use(&pool);
}

/* Each phase has one size and leaves 15 % of its blocks behind. */
static void run_phases(void)
{
    static const size_t sizes[] = {32, 96, 48, 320, 160, 640, 80, 1024};
    enum { PHASES = sizeof(sizes) / sizeof(*sizes) };
    struct memory_pool pool;
    size_t phase_bytes = memory_scaled(64 * BENCH_MIB);
    size_t places = 0;
    for (int phase = 0; phase < PHASES; phase++)
        places += phase_bytes / sizes[phase] + 1;
    memory_pool_init(&pool, places, 3);
    size_t first = 0;
    for (int phase = 0; phase < PHASES; phase++) {
        size_t count = phase_bytes / sizes[phase] + 1;
        for (size_t i = 0; i < count; i++)
            memory_pool_fill(&pool, first + i, sizes[phase]);
        memory_pool_thin(&pool, first, count, 0.85);
        first += count;
    }
    memory_pool_point(&pool, "end");
    memory_peak("peak", pool.asked);
    light_use(&pool);
}

static size_t fill_up_to(struct memory_pool *pool, size_t least, size_t most, size_t level)
{
    size_t place = 0;
    for (; place < pool->places && pool->asked < level; place++) {
        if (pool->blocks[place] == NULL)
            memory_pool_fill(pool, place, bench_random_range(&pool->random, least, most));
    }
    return place;
}

/* 300 MiB, 90 % freed at random, filled up again with sizes half as large again. */
static void run_refill(void)
{
    struct memory_pool pool;
    size_t level = memory_scaled(300 * BENCH_MIB);
    memory_pool_init(&pool, level / 200 + 64, 4);
    size_t used = fill_up_to(&pool, 32, 512, level);
    memory_pool_point(&pool, "full");
    memory_pool_thin(&pool, 0, used, 0.90);
    memory_pool_point(&pool, "freed");
    light_use(&pool);
    fill_up_to(&pool, 48, 768, level);
    memory_pool_point(&pool, "refilled");
    memory_peak("peak", pool.asked);
}

/* Small, middle and large blocks, all of them freed. */
static void run_empty(void)
{
    struct memory_pool pool;
    size_t level = memory_scaled(400 * BENCH_MIB);
    memory_pool_init(&pool, level / 100 + 64, 5);
    size_t used = fill_up_to(&pool, 16, 1024, level / 2);
    while (pool.asked < level) {
        size_t shift = bench_random_range(&pool.random, 0, 9);
        size_t bytes = bench_random_range(&pool.random, 1024, 2048) << shift;
        memory_pool_fill(&pool, used++, bytes);
    }
    memory_pool_point(&pool, "full");
    memory_pool_thin(&pool, 0, used, 1.0);
    memory_pool_point(&pool, "freed");
    light_use(&pool);
}

const struct memory_program memory_heaps[] = {
    {"base", "a program that does nothing", run_base},
    {"spike", "817 MiB of 16 bytes to 8 KiB, 95 % freed at random, 2 s of light use", run_spike},
    {"spike_small", "the same with sizes of 16 bytes to 1 KiB", run_spike_small},
    {"drain", "600,000 blocks, 60 % freed, 2.2 million random replacements", run_drain},
    {"phases", "eight phases of one size each, 15 % of each survive at random", run_phases},
    {"refill", "300 MiB, 90 % freed at random, refilled with shifted sizes", run_refill},
    {"empty", "400 MiB of all sizes, everything freed, 2 s of light use", run_empty},
    {NULL, NULL, NULL},
};
