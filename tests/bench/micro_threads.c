/* micro_threads.c - blocks that cross threads, and threads that come and go. */
#define _GNU_SOURCE
#include "tests/bench/micro.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

static void start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
    if (pthread_create(thread, NULL, body, argument) != 0)
        bench_die("a thread could not be started");
}

/* A ring between one producer and one consumer; each side waits for the other by yielding. */
enum { RING = 1024 };
static struct {
    _Atomic(void *) slots[RING];
    size_t operations;
} ring;

static void *consume(void *unused)
{
    for (size_t i = 0; i < ring.operations; i++) {
        _Atomic(void *) *slot = &ring.slots[i % RING];
        void *block;
        while ((block = atomic_load_explicit(slot, memory_order_acquire)) == NULL)
            sched_yield();
        atomic_store_explicit(slot, NULL, memory_order_release);
        free(block);
    }
    return unused;
}

static double hand_over(size_t operations, size_t bytes)
{
    pthread_t consumer;
    ring.operations = operations;
    double start = bench_now_ns();
    start_thread(&consumer, consume, NULL);
    for (size_t i = 0; i < operations; i++) {
        _Atomic(void *) *slot = &ring.slots[i % RING];
        void *block = bench_alloc(bytes);
        while (atomic_load_explicit(slot, memory_order_acquire) != NULL)
            sched_yield();
        atomic_store_explicit(slot, block, memory_order_release);
    }
    pthread_join(consumer, NULL);
    return (bench_now_ns() - start) / (double)operations;
}

/* A burst of mixed sizes: `*argument` blocks allocated, then freed. */
static void *burst(void *argument)
{
    enum { MOST = 2000 };
    void *held[MOST];
    size_t count = *(const size_t *)argument;
    uint64_t random = 1;
    for (size_t i = 0; i < count && i < MOST; i++)
        held[i] = bench_alloc(bench_random_range(&random, 16, 512));
    for (size_t i = 0; i < count && i < MOST; i++)
        free(held[i]);
    return NULL;
}

static double thread_churn(size_t operations, size_t count)
{
    double start = bench_now_ns();
    for (size_t i = 0; i < operations; i++) {
        pthread_t thread;
        start_thread(&thread, burst, &count);
        pthread_join(thread, NULL);
    }
    return (bench_now_ns() - start) / (double)operations;
}

/* Threads that each allocate and free bulks of their own, all at the same time. */
enum { BULK = 2000, THREADS_MOST = 8 };
static size_t bulks;

static void *bulk_body(void *argument)
{
    size_t count = BULK;
    for (size_t i = 0; i < bulks; i++)
        burst(&count);
    return argument;
}

static double thread_bulks(size_t operations, size_t count)
{
    pthread_t threads[THREADS_MOST];
    bulks = operations / BULK / count + 1;
    double start = bench_now_ns();
    for (size_t i = 0; i < count; i++)
        start_thread(&threads[i], bulk_body, NULL);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return (bench_now_ns() - start) / (double)(bulks * BULK * count);
}

/* Each thread frees, in every round, what its neighbour allocated in it. */
static struct crosser {
    pthread_barrier_t *barrier;
    void *blocks[BULK];
    struct crosser *neighbour;
    uint64_t random;
} crossers[THREADS_MOST];

static void *cross_body(void *argument)
{
    struct crosser *crosser = argument;
    for (size_t round = 0; round < bulks; round++) {
        for (size_t i = 0; i < BULK; i++)
            crosser->blocks[i] = bench_alloc(bench_random_range(&crosser->random, 16, 512));
        pthread_barrier_wait(crosser->barrier);
        for (size_t i = 0; i < BULK; i++)
            free(crosser->neighbour->blocks[i]);
        pthread_barrier_wait(crosser->barrier);
    }
    return NULL;
}

static double cross_free(size_t operations, size_t count)
{
    pthread_t threads[THREADS_MOST];
    pthread_barrier_t barrier;
    bulks = operations / BULK / count + 1;
    pthread_barrier_init(&barrier, NULL, (unsigned)count);
    double start = bench_now_ns();
    for (size_t i = 0; i < count; i++) {
        crossers[i].barrier = &barrier;
        crossers[i].neighbour = &crossers[(i + 1) % count];
        crossers[i].random = i + 1;
        start_thread(&threads[i], cross_body, &crossers[i]);
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    return (bench_now_ns() - start) / (double)(bulks * BULK * count);
}

#define CROSSED "one block, freed by the neighbour"

const struct micro_pattern micro_threads[] = {
    {"handover-64", "one block from a producer to a consumer", hand_over, 1000000, 64},
    {"handover-4K", "one block from a producer to a consumer", hand_over, 500000, 4096},
    {"thread-churn", "a thread that allocates and frees 1000", thread_churn, 1000, 1000},
    {"bulk-1", "one block, bulks of 2000", thread_bulks, 2000000, 1},
    {"bulk-2", "one block, bulks of 2000 in 2 threads", thread_bulks, 2000000, 2},
    {"bulk-8", "one block, bulks of 2000 in 8 threads", thread_bulks, 2000000, 8},
    {"cross-2", CROSSED " of 2 threads", cross_free, 2000000, 2},
    {"cross-8", CROSSED " of 8 threads", cross_free, 1000000, 8},
    {NULL, NULL, NULL, 0, 0},
};
