/* test_counts.c - what threads count in their slow paths, and what others read of it. */
#define _GNU_SOURCE /* pthread_barrier_t */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { BLOCKS = 200 };

/* As malloc and free do. */
static void *allocate(size_t bytes)
{
    void *p = heap_alloc_fast(bytes);
    return p != NULL ? p : heap_alloc(bytes);
}

static void release(void *p)
{
    if (!heap_free_fast(p))
        heap_free(p);
}

/* A thread's first call gets it no cache: it is counted with those that ended. */
static void warm(void)
{
    heap_free(heap_alloc(16));
    heap_free(heap_alloc(16));
}

static struct cache_thread read_self(void)
{
    struct cache_thread thread;
    assert_true(cache_read_thread(1, &thread));
    return thread;
}

static int64_t held(struct cache_counts counts)
{
    return (int64_t)(counts.taken - counts.given);
}

static struct cache_counts counts_of(size_t bytes)
{
    struct cache_counts counts;
    cache_read_counts(size_class_of(bytes), &counts);
    return counts;
}

static void the_difference_is_exact_on_the_hot_path_too(void **state)
{
    (void)state;
    void *blocks[BLOCKS];
    int64_t before = held(counts_of(96)), before_all = held(read_self().counts);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = allocate(96);
        assert_int_equal(held(counts_of(96)) - before, i + 1);
    }
    assert_int_equal(held(read_self().counts) - before_all, BLOCKS);
    for (int i = 0; i < BLOCKS; i++)
        release(blocks[i]);
    assert_int_equal(held(counts_of(96)), before);
    assert_int_equal(held(read_self().counts), before_all);
}

static void slow_calls_are_counted_one_by_one(void **state)
{
    (void)state;
    struct cache_counts before = counts_of(208);
    uint64_t calls = read_self().calls;
    for (int i = 0; i < BLOCKS; i++)
        heap_free(heap_alloc(208));
    struct cache_counts now = counts_of(208);
    assert_int_equal(now.taken - before.taken, BLOCKS);
    assert_int_equal(now.given - before.given, BLOCKS);
    assert_int_equal(read_self().calls - calls, 2 * BLOCKS);
}

static void empty_and_full_magazines_are_counted(void **state)
{
    (void)state;
    void *blocks[BLOCKS];
    struct cache_counts before = counts_of(304);
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = allocate(304);
    struct cache_counts now = counts_of(304);
    assert_true(now.refills > before.refills);
    assert_int_equal(now.flushes, before.flushes);
    assert_true(now.refills - before.refills <= BLOCKS / MAGAZINE_FIRST_ROUNDS);
    for (int i = 0; i < BLOCKS; i++)
        release(blocks[i]);
    assert_true(counts_of(304).flushes > now.flushes);
}

static void every_road_of_an_object_is_counted(void **state)
{
    (void)state;
    struct cache_counts medium, now;
    int64_t before = held(read_self().counts);
    cache_read_counts(SIZE_CLASS_MEDIUM, &medium);
    void *blocks[] = {heap_alloc_zeroed(8192), heap_alloc_zeroed(100), heap_alloc_aligned(256, 300),
                      heap_alloc(100000), heap_realloc(heap_alloc(50), 700)};
    size_t count = sizeof blocks / sizeof blocks[0];
    assert_int_equal(held(read_self().counts) - before, count);
    cache_read_counts(SIZE_CLASS_MEDIUM, &now);
    assert_int_equal(now.taken - medium.taken, 1);
    for (size_t i = 0; i < count; i++)
        heap_free(blocks[i]);
    assert_int_equal(held(read_self().counts), before);
}

static void what_a_thread_keeps_is_told(void **state)
{
    (void)state;
    cache_flush();
    assert_int_equal(read_self().cached_objects, 0);
    void *small = heap_alloc(64), *medium = heap_alloc(100000);
    cache_flush();
    heap_free(small);
    heap_free(medium);
    assert_int_equal(read_self().cached_objects, 2);
    assert_in_range(read_self().cached_bytes, 64 + 100000, 64 + 110000);
}

/* -- several threads -------------------------------------------------------------------------- */

static pthread_barrier_t meet;

static void *take_60_more_than_it_gives(void *blocks_)
{
    void **blocks = blocks_;
    warm();
    for (int i = 0; i < 100; i++)
        blocks[i] = allocate(400);
    for (int i = 60; i < 100; i++)
        release(blocks[i]);
    pthread_barrier_wait(&meet);
    pthread_barrier_wait(&meet);
    heap_thread_exit();
    return NULL;
}

static void a_thread_that_ends_goes_into_the_sum(void **state)
{
    (void)state;
    void *blocks[100];
    for (int round = 1; round <= 2; round++) { /* the second gets the cache of the first */
        pthread_t thread;
        struct cache_thread ended, living;
        int64_t before = held(counts_of(400));
        cache_read_thread(0, &ended); /* without its first call */
        pthread_create(&thread, NULL, take_60_more_than_it_gives, blocks);
        pthread_barrier_wait(&meet);
        assert_true(cache_read_thread(2, &living));
        assert_false(cache_read_thread(3, &living));
        cache_read_thread(2, &living);
        assert_int_equal(held(living.counts), 60 - 1);
        assert_int_not_equal(living.id, read_self().id);
        pthread_barrier_wait(&meet);
        pthread_join(thread, NULL);
        struct cache_thread now;
        assert_true(cache_read_thread(0, &now));
        assert_int_equal(now.threads, ended.threads + 1);
        assert_int_equal(held(now.counts) - held(ended.counts), 60);
        assert_false(cache_read_thread(2, &living));
        assert_int_equal(held(counts_of(400)) - before, 60);
        for (int i = 0; i < 60; i++)
            release(blocks[i]);
        assert_int_equal(held(counts_of(400)), before);
    }
}

enum { THREADS = 4, SLOTS = 512, ROUNDS = 100000 / TEST_DIVISOR };
static _Atomic(void *) shared[SLOTS];

static void *churn(void *number)
{
    uint64_t random = (uint64_t)(uintptr_t)number + 1;
    warm();
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t n = random_next(&random);
        void *old = atomic_exchange(&shared[n % SLOTS], allocate(n >> 32 & 1023));
        if (old != NULL)
            release(old);
    }
    heap_thread_exit();
    return NULL;
}

static void who_took_and_who_gave_add_up_to_what_lives(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct heap_stats before, now;
    int64_t held_before = 0, held_now = 0;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        struct cache_counts counts;
        cache_read_counts(class, &counts);
        held_before += held(counts);
    }
    heap_read_stats(&before);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, churn, (void *)i);
    for (int i = 0; i < 50; i++) { /* numbers may be read meanwhile */
        struct cache_thread thread;
        for (size_t n = 0; cache_read_thread(n, &thread); n++)
            continue;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    heap_read_stats(&now);
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        struct cache_counts counts;
        cache_read_counts(class, &counts);
        held_now += held(counts);
    }
    assert_int_equal(held_now - held_before, now.live_objects - before.live_objects);
    for (int i = 0; i < SLOTS; i++) {
        if (shared[i] != NULL)
            release(shared[i]);
        shared[i] = NULL;
    }
}

static void the_child_of_a_fork_has_its_own_number_and_one_thread(void **state)
{
    (void)state;
    pthread_t thread;
    void *blocks[100];
    int status, id = read_self().id;
    pthread_create(&thread, NULL, take_60_more_than_it_gives, blocks);
    pthread_barrier_wait(&meet);
    pid_t child = fork();
    if (child == 0) {
        struct cache_thread self, ended;
        heap_fork_child();
        bool is_right = cache_read_thread(1, &self) && self.id == getpid() && self.id != id &&
                        !cache_read_thread(2, &ended) && cache_read_thread(0, &ended) &&
                        ended.threads > 0;
        _exit(is_right ? 0 : 1);
    }
    waitpid(child, &status, 0);
    pthread_barrier_wait(&meet);
    pthread_join(thread, NULL);
    assert_int_equal(status, 0);
    for (int i = 0; i < 60; i++)
        release(blocks[i]);
}

static int start(void **state)
{
    setup_small_heap(state);
    warm();
    return pthread_barrier_init(&meet, NULL, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_difference_is_exact_on_the_hot_path_too),
        cmocka_unit_test(slow_calls_are_counted_one_by_one),
        cmocka_unit_test(empty_and_full_magazines_are_counted),
        cmocka_unit_test(every_road_of_an_object_is_counted),
        cmocka_unit_test(what_a_thread_keeps_is_told),
        cmocka_unit_test(a_thread_that_ends_goes_into_the_sum),
        cmocka_unit_test(who_took_and_who_gave_add_up_to_what_lives),
        cmocka_unit_test(the_child_of_a_fork_has_its_own_number_and_one_thread),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
