/* test_gate.c - a shut gate sends every thread's calls to the slow door; blocks that lie apart come
 * there by themselves. */
#include <pthread.h>

#include "allocators/gate.h"
#include "allocators/large.h"
#include "tests/unit/unit.h"

static int start(void **state)
{
    (void)state;
    start_small_heap();
    heap_free(heap_alloc(64)); /* the second call gets a cache */
    heap_free(heap_alloc(64));
    return 0;
}

static int open_again(void **state)
{
    (void)state;
    gate_set(true, true);
    return 0;
}

static void a_shut_gate_serves_no_allocation(void **state)
{
    (void)state;
    heap_free(heap_alloc(64));
    gate_set(false, true);
    assert_null(heap_alloc_fast(64));
    assert_null(heap_alloc_aligned_fast(64, 64));
    heap_free(heap_alloc(100000));
    assert_null(heap_alloc_medium(100000, 1));
    gate_set(true, true);
    void *p = heap_alloc_fast(64);
    assert_non_null(p);
    heap_free(p);
    p = heap_alloc_medium(100000, 1);
    assert_non_null(p);
    heap_free(p);
}

static void frees_stay_open_or_are_shut_with_them(void **state)
{
    (void)state;
    void *p = heap_alloc(64), *q = heap_alloc(64);
    gate_set(false, true);
    assert_true(heap_free_fast(p));
    assert_int_not_equal(heap_open_usable(q), 0);
    gate_set(false, false);
    assert_false(heap_free_fast(q));
    assert_int_equal(heap_open_usable(q), 0);
    assert_false(heap_resize_medium(q, 64));
    assert_true(space_owns(q)); /* the heap itself knows */
    heap_free(q);
}

static void parked_blocks_wait_behind_a_shut_gate_both_ways(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    void *p = heap_alloc(BYTES);
    gate_set(false, true);
    assert_false(heap_free_parked(p));
    gate_set(true, true);
    assert_true(heap_free_parked(p));
    gate_set(false, true);
    assert_null(heap_alloc_parked(BYTES));
    gate_set(true, true);
    p = heap_alloc_parked(BYTES);
    assert_non_null(p);
    heap_free(p);
}

static void the_round_of_a_free_on_the_hot_path_waits_behind_the_gate(void **state)
{
    (void)state;
    void *p = heap_alloc(64);
    gate_set(false, true);
    assert_true(heap_free_fast(p));
    assert_null(heap_alloc_fast(64));
    assert_ptr_equal(heap_pop(size_class_of(64)), p);
    heap_free(p);
}

static void *try_in_another_thread(void *served)
{
    heap_free(heap_alloc(64));
    heap_free(heap_alloc(64));
    void *p = heap_alloc_fast(64);
    *(bool *)served = p != NULL;
    if (p != NULL)
        heap_free(p);
    heap_thread_exit();
    return NULL;
}

static void it_is_one_gate_for_all_threads(void **state)
{
    (void)state;
    for (int open = 0; open < 2; open++) {
        bool served;
        pthread_t thread;
        gate_set(open != 0, true);
        assert_int_equal(pthread_create(&thread, NULL, try_in_another_thread, &served), 0);
        pthread_join(thread, NULL);
        assert_int_equal(served, open != 0);
    }
}

static void a_heap_that_grows_leaves_it_as_it_is(void **state)
{
    (void)state;
    enum { BLOCKS = 40 };
    void *blocks[BLOCKS];
    gate_set(true, false);
    size_t before = space.units;
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = heap_alloc(4 << 20);
    assert_true(space.units > before);
    assert_int_equal(space.open_units, 0);
    gate_set(true, true);
    assert_int_equal(space.open_units, space.units);
    for (int i = 0; i < BLOCKS; i++)
        heap_free(blocks[i]);
}

/* -- apart ------------------------------------------------------------------------------------ */

static const size_t sizes[] = {0,     1,      64,     4096,   4097,    32768,
                               32769, 100000, 262144, 262145, 40 << 20};

static void blocks_apart_never_take_the_hot_path_back(void **state)
{
    (void)state;
    struct heap_stats before, stats;
    cache_flush();
    heap_read_stats(&before);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        bool zeroed;
        char *p = heap_alloc_apart(0, sizes[i], &zeroed);
        assert_non_null(p);
        assert_true(heap_is_apart(p));
        assert_true(heap_usable(p) >= sizes[i]);
        assert_true(heap_fits(p, 0, sizes[i]));
        memset(p, 0x5a, sizes[i]);
        assert_false(heap_free_fast(p));
        assert_int_equal(heap_open_usable(p), 0);
        heap_free(p);
    }
    cache_flush();
    heap_read_stats(&stats);
    assert_int_equal(stats.live_objects, before.live_objects);
    assert_int_equal(stats.live_bytes, before.live_bytes);
}

static void they_are_aligned_and_known_to_be_zero(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= 64 << 10; alignment *= 2) {
        bool zeroed;
        char *p = heap_alloc_apart(alignment, 3000, &zeroed);
        assert_int_equal((uintptr_t)p % alignment, 0);
        for (size_t i = 0; zeroed && i < 3000; i++)
            assert_int_equal(p[i], 0);
        memset(p, 1, 3000);
        heap_free(p);
    }
}

static void they_move_among_the_others_when_they_are_resized(void **state)
{
    (void)state;
    bool zeroed;
    char *p = heap_alloc_apart(0, 100, &zeroed);
    memset(p, 'x', 100);
    p = heap_realloc(p, 5000);
    assert_int_equal(p[99], 'x');
    p = heap_realloc(p, 50);
    assert_int_equal(p[49], 'x');
    assert_false(heap_is_apart(p));
    heap_free(p);
}

static void other_blocks_do_not_lie_apart(void **state)
{
    (void)state;
    int local;
    void *small = heap_alloc(64), *medium = heap_alloc(100000);
    assert_false(heap_is_apart(small));
    assert_false(heap_is_apart(medium));
    assert_false(heap_is_apart(&local));
    heap_free(small);
    heap_free(medium);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_shut_gate_serves_no_allocation, open_again),
        cmocka_unit_test_teardown(frees_stay_open_or_are_shut_with_them, open_again),
        cmocka_unit_test_teardown(parked_blocks_wait_behind_a_shut_gate_both_ways, open_again),
        cmocka_unit_test_teardown(the_round_of_a_free_on_the_hot_path_waits_behind_the_gate,
                                  open_again),
        cmocka_unit_test_teardown(it_is_one_gate_for_all_threads, open_again),
        cmocka_unit_test_teardown(a_heap_that_grows_leaves_it_as_it_is, open_again),
        cmocka_unit_test(blocks_apart_never_take_the_hot_path_back),
        cmocka_unit_test(they_are_aligned_and_known_to_be_zero),
        cmocka_unit_test(they_move_among_the_others_when_they_are_resized),
        cmocka_unit_test(other_blocks_do_not_lie_apart),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
