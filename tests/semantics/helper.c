/* helper.c - the thread of the library's own that gives memory back: what it does for a program,
 * and that a program does not notice it. */
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "preload/mpress.h"
#include "tests/semantics/check.h"

enum { PATIENCE_MS = 20000 };

/* Large enough for a helper; small calls let it come. */
static void *make_large_heap(size_t bytes)
{
    char *heap = malloc(bytes / 3);
    CHECK(heap != NULL);
    memset(heap, 1, bytes / 3);
    for (size_t i = 0; i < bytes / 3 * 2 / 1000; i++) {
        char *object = malloc(1000);
        CHECK(object != NULL);
        memset(object, 1, 1000);
        *(void **)(void *)object = heap;
        heap = object;
    }
    return heap;
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* -- what it does ----------------------------------------------------------------------------- */

enum { THREADS = 8, KEPT_BYTES = 200 * 1024 };
static sem_t used, over;

/* Leaves its magazines full, those of medium blocks too. */
static void *use_and_wait(void *unused)
{
    static _Thread_local void *blocks[4000];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 4000; i++)
            blocks[i] = malloc(i % 500 == 0 ? 100000 : i % 1000 + 1);
        for (size_t i = 0; i < 4000; i++)
            free(blocks[i]);
    }
    sem_post(&used);
    sem_wait(&over);
    return unused;
}

static size_t cached_bytes(void)
{
    struct mpress_stats stats;
    mpress_stats_read(&stats);
    return stats.cached;
}

static void what_idle_threads_keep_is_taken_back(void)
{
    if (!check_is_mpress() || check_option_is("MPRESS_HEAP", "mimalloc"))
        SKIP("the library's promise for its own heap");
    pthread_t threads[THREADS];
    sem_init(&used, 0, 0);
    sem_init(&over, 0, 0);
    make_large_heap(30 << 20);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, use_and_wait, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        sem_wait(&used);
    for (long ms = 0; cached_bytes() > KEPT_BYTES; ms += 10) {
        CHECK(ms < PATIENCE_MS);
        for (int i = 0; i < 20; i++) /* too large to be at hand */
            free(hidden_pointer(malloc(1 << 20)));
        sleep_ms(10);
    }
    for (int i = 0; i < THREADS; i++)
        sem_post(&over);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

CHECK_MAIN(CASE(what_idle_threads_keep_is_taken_back))
