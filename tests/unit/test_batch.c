/* test_batch.c - the hot path hands out what it was allowed, and asks then. */
#define _GNU_SOURCE /* pthread_barrier_t */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocators/batch.h"
#include "allocators/cache_inside.h"
#include "allocators/gate.h"
#include "allocators/scavenge.h"
#include "tests/unit/unit.h"

enum { BYTES = 112, MOST = 2000 };

static unsigned class;
static pthread_barrier_t turn;

static void get_cache(void)
{
    heap_free(heap_alloc(BYTES)); /* the second call gets it */
    heap_free(heap_alloc(BYTES));
}

static int start(void **state)
{
    (void)state;
    start_small_heap();
    get_cache();
    class = size_class_of(BYTES);
    return pthread_barrier_init(&turn, NULL, 2);
}

static int lead_to_batches(void **state)
{
    (void)state;
    gate_set(GATE_BATCHES, true);
    assert_non_null(batch_mark());
    return 0;
}

static void allow_bytes(unsigned of, uint64_t bytes)
{
    *batch_open(of) = bytes;
    batch_close(of);
}

static int open_again(void **state)
{
    (void)state;
    allow_bytes(class, 0);
    gate_set(GATE_OPEN, true);
    heap_audit();
    return 0;
}

static void allow(uint64_t objects)
{
    allow_bytes(class, objects * BYTES + BYTES / 2); /* half an object is none */
}

static uint64_t left_of(unsigned of)
{
    uint64_t left = *batch_open(of);
    batch_close(of);
    return left;
}

/* As malloc does while samples are taken, without the door's rest. NULL: the allowance is used up.
 */
static void *obtain(void)
{
    void *p = heap_alloc_fast(BYTES);
    return p != NULL ? p : batch_alloc(class, BYTES, false, 0);
}

static void release(void *p)
{
    if (!heap_free_fast(p))
        heap_free(p);
}

static void as_many_are_handed_out_as_are_allowed(void **state)
{
    (void)state;
    void *held[MOST];
    for (unsigned objects = 0; objects < MOST; objects = objects * 3 / 2 + 1) {
        allow(objects);
        for (unsigned i = 0; i < objects; i++)
            assert_non_null(held[i] = obtain());
        assert_null(obtain());
        assert_int_equal(left_of(class), BYTES / 2);
        for (unsigned i = 0; i < objects; i++)
            release(held[i]);
    }
}

static void what_is_freed_meanwhile_counts_again(void **state)
{
    (void)state;
    allow(MOST);
    for (unsigned i = 0; i < MOST; i++) {
        void *p = obtain();
        assert_non_null(p);
        memset(p, 0x5a, BYTES);
        release(p);
    }
    assert_null(obtain());
}

static void most_of_them_take_the_hot_path(void **state)
{
    (void)state;
    unsigned hot = 0;
    void *held[16] = {NULL};
    uint64_t random = 5;
    allow(MOST);
    for (unsigned i = 0; i < MOST; i++) {
        void **at = &held[random_next(&random) % 16];
        if (*at != NULL)
            release(*at);
        *at = heap_alloc_fast(BYTES);
        hot += *at != NULL;
        if (*at == NULL)
            *at = batch_alloc(class, BYTES, false, 0);
    }
    for (unsigned i = 0; i < 16; i++)
        release(held[i]);
    assert_true(hot > MOST * 9 / 10);
}

static void what_is_left_is_exact_at_any_time(void **state)
{
    (void)state;
    void *held[100];
    allow(100);
    for (unsigned i = 0; i < 100; i++) {
        held[i] = obtain();
        assert_int_equal(left_of(class), (99 - i) * BYTES + BYTES / 2);
    }
    for (unsigned i = 0; i < 100; i++)
        release(held[i]);
}

static void an_allowance_can_be_shortened(void **state)
{
    (void)state;
    void *held[8];
    allow(MOST);
    release(obtain());
    allow(7);
    for (unsigned i = 0; i < 7; i++)
        assert_non_null(held[i] = obtain());
    assert_null(obtain());
    allow(1); /* what was not handed out is not lost */
    assert_non_null(held[7] = obtain());
    for (unsigned i = 0; i < 8; i++)
        release(held[i]);
}

static void no_block_is_had_twice(void **state)
{
    (void)state;
    enum { HELD = 300 };
    static char *held[HELD];
    uint64_t random = 9;
    for (unsigned i = 0; i < 40000; i++) {
        unsigned at = (unsigned)(random_next(&random) % HELD);
        if (held[at] != NULL) {
            for (unsigned b = 0; b < BYTES; b++)
                assert_int_equal(held[at][b], (char)at);
            release(held[at]);
            held[at] = NULL;
        } else if ((held[at] = obtain()) != NULL) {
            memset(held[at], (int)at, BYTES);
        } else {
            allow(random_next(&random) % 200);
        }
    }
    for (unsigned i = 0; i < HELD; i++) {
        if (held[i] != NULL)
            release(held[i]);
        held[i] = NULL;
    }
}

static void aligned_and_zeroed_ones_come_from_batches_too(void **state)
{
    (void)state;
    unsigned of_64 = size_class_of(64);
    allow_bytes(of_64, 64 * UINT64_C(100));
    release(batch_alloc(of_64, 64, false, 0));
    void *p = heap_alloc_aligned_fast(64, 50);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    release(p);
    assert_int_equal(size_tables.classes[gate_class_of(64)].bytes, 64); /* calloc clears so many */
    assert_int_equal(left_of(of_64), 64 * UINT64_C(98));
    allow_bytes(of_64, 0);
}

static void nothing_is_served_once_the_gate_is_open_again_but_the_usual(void **state)
{
    (void)state;
    allow(MOST);
    release(obtain());
    uint64_t left = left_of(class);
    gate_set(GATE_OPEN, true);
    void *p = heap_alloc_fast(BYTES);
    release(p != NULL ? p : heap_alloc(BYTES));
    assert_int_equal(left_of(class), left);
}

/* -- others that come to the thread's magazines ----------------------------------------------- */

static size_t live_objects(void)
{
    struct heap_stats stats;
    heap_read_stats(&stats);
    return stats.live_objects;
}

static void rounds_in_batches_are_no_live_objects(void **state)
{
    (void)state;
    allow(MOST);
    size_t before = live_objects();
    void *p = obtain(), *q = obtain();
    assert_int_equal(live_objects(), before + 2);
    release(p);
    release(q);
    batch_flush();
    assert_int_equal(live_objects(), before);
    assert_non_null(p = obtain());
    release(p);
}

static void flushing_leaves_no_magazine_behind(void **state)
{
    (void)state;
    void *held[MOST];
    batch_flush();
    for (unsigned i = 0; i < MOST; i++)
        held[i] = heap_alloc(BYTES);
    for (unsigned i = 0; i < MOST; i++)
        release(held[i]);
    allow(2);
    release(obtain());
    const struct cache *main = hand.cache;
    assert_true(main->previous[class] != NULL && main->batches->loaded[class] != NULL);
    cache_flush();
    assert_true(main->loaded[class] == NULL && main->previous[class] == NULL);
    assert_null(main->batches->loaded[class]);
}

static unsigned find_or_add(void **seen, unsigned count, void *p)
{
    for (unsigned i = 0; i < count; i++) {
        if (seen[i] == p)
            return count;
    }
    seen[count] = p;
    return count + 1;
}

/* However many were: so what is used again is still in the processor's caches. */
static void a_batch_is_what_was_freed_last(void **state)
{
    (void)state;
    enum { BATCH = 64, FEW = 40, MANY = 250 };
    void *held[MANY], *seen[MOST];
    unsigned others = 0;
    allow(MOST);
    for (unsigned i = 0; i < MANY; i++)
        held[i] = obtain();
    for (unsigned i = 0; i < MANY; i++)
        release(held[i]);
    for (unsigned i = 0; i < 30 * FEW; i++) {
        void **at = &held[i % FEW];
        if (i >= FEW)
            release(*at);
        others = find_or_add(seen, others, *at = obtain());
    }
    for (unsigned i = 0; i < FEW; i++)
        release(held[i]);
    assert_in_range(others, FEW, FEW + 2 * BATCH);
}

static void a_closed_hand_has_no_batches(void **state)
{
    (void)state;
    allow(MOST);
    release(obtain());
    uint64_t left = left_of(class);
    cache_shut_hand();
    assert_null(heap_alloc_fast(BYTES));
    assert_null(batch_mark());
    assert_null(batch_alloc(class, BYTES, false, 0));
    cache_open_hand();
    void *p = heap_alloc_fast(BYTES);
    assert_non_null(p);
    release(p);
    assert_int_equal(left_of(class), left - BYTES);
}

static void *hold_batches(void *unused)
{
    (void)unused;
    get_cache();
    assert_non_null(batch_mark());
    allow(MOST);
    release(obtain());
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    for (unsigned i = 0; i < MOST - 1; i++) {
        void *p = obtain();
        assert_non_null(p);
        release(p);
    }
    assert_null(obtain()); /* a round that was taken is none that was handed out */
    heap_thread_exit();
    return NULL;
}

static void an_idle_threads_batches_are_reclaimed(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* where nothing is reclaimed: heap_compact.c */
#endif
    pthread_t thread;
    batch_flush();
    cache_flush();
    size_t before = cache_rounds(class);
    assert_int_equal(pthread_create(&thread, NULL, hold_batches, NULL), 0);
    pthread_barrier_wait(&turn);
    size_t held = cache_rounds(class);
    heap_compact();
    assert_true(held > before + 2);
    assert_true(cache_rounds(class) <= before + 2); /* one of each of its two magazines stays */
    pthread_barrier_wait(&turn);
    pthread_join(thread, NULL);
    assert_int_equal(cache_rounds(class), before);
}

static void a_thread_with_batches_is_one_thread(void **state)
{
    (void)state;
    struct cache_thread thread;
    allow(MOST);
    release(obtain());
    assert_true(cache_read_thread(1, &thread));
    assert_true(thread.cached_objects > 0);
    assert_false(cache_read_thread(2, &thread));
}

static void the_child_of_a_fork_gets_other_threads_batches_back(void **state)
{
    (void)state;
    pthread_t thread;
    int status;
    assert_int_equal(pthread_create(&thread, NULL, hold_batches, NULL), 0);
    pthread_barrier_wait(&turn);
    allow(10);
    pid_t child = fork();
    if (child == 0) {
        heap_fork_child();
        heap_audit();
        for (unsigned i = 0; i < 10; i++)
            release(obtain());
        _exit(obtain() == NULL && left_of(class) == BYTES / 2 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pthread_barrier_wait(&turn);
    pthread_join(thread, NULL);
}

#define BATCHES(test) cmocka_unit_test_setup_teardown(test, lead_to_batches, open_again)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BATCHES(as_many_are_handed_out_as_are_allowed),
        BATCHES(what_is_freed_meanwhile_counts_again),
        BATCHES(most_of_them_take_the_hot_path),
        BATCHES(what_is_left_is_exact_at_any_time),
        BATCHES(an_allowance_can_be_shortened),
        BATCHES(no_block_is_had_twice),
        BATCHES(aligned_and_zeroed_ones_come_from_batches_too),
        BATCHES(nothing_is_served_once_the_gate_is_open_again_but_the_usual),
        BATCHES(rounds_in_batches_are_no_live_objects),
        BATCHES(flushing_leaves_no_magazine_behind),
        BATCHES(a_batch_is_what_was_freed_last),
        BATCHES(a_closed_hand_has_no_batches),
        BATCHES(an_idle_threads_batches_are_reclaimed),
        BATCHES(a_thread_with_batches_is_one_thread),
        BATCHES(the_child_of_a_fork_gets_other_threads_batches_back),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
