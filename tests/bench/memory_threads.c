/* memory_threads.c - what threads leave behind: in their caches when they are idle, after their
 * end, and after a long time of changing use. */
#define _GNU_SOURCE
#include "tests/bench/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

static void start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
    if (pthread_create(thread, NULL, body, argument) != 0)
        bench_die("a thread could not be started");
}

/* Allocates and frees `bytes` in all of mixed sizes, never more than `bytes` at once. */
static void use_and_free(size_t bytes, uint64_t seed)
{
    enum { PLACES = 4096 };
    void *held[PLACES];
    size_t count = 0;
    uint64_t random = seed * 0x9e3779b97f4a7c15U + 1;
    for (size_t used = 0; used < bytes && count < PLACES; count++) {
        size_t shift = bench_random_range(&random, 0, 6);
        size_t size = bench_random_range(&random, 16, 31) << shift;
        held[count] = bench_alloc(size);
        used += size;
    }
    for (size_t i = 0; i < count; i++)
        free(held[i]);
}

enum { IDLE_THREADS = 64 };
static pthread_barrier_t barrier;

static void *idle_body(void *argument)
{
    use_and_free(BENCH_MIB, (uint64_t)(uintptr_t)argument);
    pthread_barrier_wait(&barrier); /* all have used theirs */
    pthread_barrier_wait(&barrier); /* measured */
    return NULL;
}

static void run_idle(void)
{
    pthread_t threads[IDLE_THREADS];
    memory_point("start", 0);
    pthread_barrier_init(&barrier, NULL, IDLE_THREADS + 1);
    for (uintptr_t i = 0; i < IDLE_THREADS; i++)
        start_thread(&threads[i], idle_body, (void *)(i + 1));
    pthread_barrier_wait(&barrier);
    memory_point("idle", 0);
    memory_light_use();
    memory_point("later", 0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < IDLE_THREADS; i++)
        pthread_join(threads[i], NULL);
    memory_point("joined", 0);
}

static void *burst_body(void *argument)
{
    for (uint64_t i = 1; i <= 20; i++)
        use_and_free(BENCH_MIB / 2, (uint64_t)(uintptr_t)argument * 100 + i);
    return NULL;
}

/* Threads in waves of eight; each works and ends. */
static void run_comers(void)
{
    enum { WAVE = 8 };
    memory_point("start", 0);
    size_t waves = memory_scaled(40);
    for (size_t wave = 0; wave < waves; wave++) {
        pthread_t threads[WAVE];
        for (size_t i = 0; i < WAVE; i++)
            start_thread(&threads[i], burst_body, (void *)(wave * WAVE + i + 1));
        for (size_t i = 0; i < WAVE; i++)
            pthread_join(threads[i], NULL);
    }
    memory_point("end", 0);
    memory_peak("peak", 0);
}

/* Long churn: each phase has its own sizes and its own level. What a thread drops was often
 * allocated by its neighbour, for every fourth block is handed on. */
enum { CHURN_THREADS = 8, CHURN_PHASES = 16, CHURN_HANDS = 1024, CHURN_PLACES = 60000 };

static struct {
    size_t least, most; /* bytes of a block */
    double level;       /* part of the places in use */
} const churn_phases[] = {{16, 128, 1.0}, {64, 512, 0.7}, {16, 1024, 0.5}, {256, 2048, 0.4},
                          {32, 64, 1.0},  {16, 400, 0.8}, {128, 192, 0.6}, {16, 4096, 0.3}};

static struct churner {
    struct memory_pool pool;
    _Atomic(uint32_t *)
        hands[CHURN_HANDS]; /* exchanged with a neighbour; each begins with its size */
    size_t operations;      /* of one phase */
    unsigned number;
} churners[CHURN_THREADS];

/* Leaves a block in a hand of this thread's or of its neighbour's, and frees what one of the two
 * left there. */
static void hand_on(struct churner *churner, size_t place, unsigned neighbour)
{
    struct memory_pool *pool = &churner->pool;
    struct churner *other = &churners[(churner->number + neighbour) % CHURN_THREADS];
    uint32_t *block = pool->blocks[place];
    *block = pool->bytes[place];
    pool->blocks[place] = NULL;
    memory_pool_drop(pool, place);
    free(atomic_exchange(&other->hands[place % CHURN_HANDS], block));
}

static void churn_phase(struct churner *churner, unsigned phase)
{
    struct memory_pool *pool = &churner->pool;
    size_t kind = (phase + churner->number) % (sizeof(churn_phases) / sizeof(*churn_phases));
    size_t level = (size_t)((double)pool->places * churn_phases[kind].level);
    for (size_t i = 0; i < churner->operations; i++) {
        uint64_t random = bench_random(&pool->random);
        size_t place = (size_t)(random >> 20) % pool->places;
        if (pool->blocks[place] != NULL) {
            if (random % 4 == 0)
                hand_on(churner, place, random / 4 % 2);
            else
                memory_pool_drop(pool, place);
        }
        if (place < level)
            memory_pool_fill(pool, place,
                             bench_random_range(&pool->random, churn_phases[kind].least,
                                                churn_phases[kind].most));
    }
}

static void *churn_body(void *argument)
{
    struct churner *churner = argument;
    for (unsigned phase = 0; phase < CHURN_PHASES; phase++) {
        churn_phase(churner, phase);
        pthread_barrier_wait(&barrier); /* the phase is over */
        pthread_barrier_wait(&barrier); /* measured */
    }
    return NULL;
}

static size_t churn_asked(void)
{
    size_t asked = 0;
    for (int i = 0; i < CHURN_THREADS; i++) {
        asked += churners[i].pool.asked;
        for (int hand = 0; hand < CHURN_HANDS; hand++) {
            const uint32_t *block = atomic_load(&churners[i].hands[hand]);
            asked += block != NULL ? *block : 0;
        }
    }
    return asked;
}

static void run_churn(void)
{
    static const char *const names[CHURN_PHASES] = {"1", "2",  "3",  "4",  "5",  "6",  "7",  "8",
                                                    "9", "10", "11", "12", "13", "14", "15", "end"};
    pthread_t threads[CHURN_THREADS];
    pthread_barrier_init(&barrier, NULL, CHURN_THREADS + 1);
    for (unsigned i = 0; i < CHURN_THREADS; i++) {
        memory_pool_init(&churners[i].pool, CHURN_PLACES, i + 1);
        churners[i].operations = memory_scaled(1000000000 / CHURN_THREADS / CHURN_PHASES);
        churners[i].number = i;
        start_thread(&threads[i], churn_body, &churners[i]);
    }
    for (int phase = 0; phase < CHURN_PHASES; phase++) {
        pthread_barrier_wait(&barrier);
        memory_point(names[phase], churn_asked());
        pthread_barrier_wait(&barrier);
    }
    for (int i = 0; i < CHURN_THREADS; i++)
        pthread_join(threads[i], NULL);
    memory_light_use();
    memory_point("later", churn_asked());
}

const struct memory_program memory_threads[] = {
    {"idle", "64 threads that each used and freed 1 MiB of mixed sizes, and wait", run_idle},
    {"comers", "320 threads come and go in waves of eight", run_comers},
    {"churn", "8 threads, phases of other sizes and levels, 1,000 million operations", run_churn},
    {NULL, NULL, NULL},
};
