/* test_medium.c - blocks of 32 to 256 KiB and the magazine that their lengths share. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "allocators/cache_inside.h"
#include "allocators/unit.h"

static int setup(void **state)
{
    (void)state;
    start_small_heap();
    heap_free(heap_alloc(1)); /* the second call gets the thread its cache */
    heap_free(heap_alloc(1));
    return 0;
}

static bool is_free(const void *p)
{
    return *space_ctl(space_unit_of(p)) == CTL_FREE;
}

static void a_freed_block_serves_the_next_of_its_length(void **state)
{
    (void)state;
    char *p = heap_alloc(100000);
    heap_free(p);
    assert_null(heap_alloc_medium(120000, 1)); /* a unit more */
    assert_ptr_equal(heap_alloc_medium(110000, 1), p);
    assert_int_equal(heap_usable(p), 110592);
    assert_true(heap_fits(p, 0, 110000));
    assert_false(heap_fits(p, 0, 100000));
    assert_true(heap_free_fast(p));
    assert_ptr_equal(heap_alloc_medium(98305, 1), p);
    heap_free(p);
    cache_flush();
    assert_true(is_free(p));
    heap_audit();
}

static void a_length_of_whole_pages_is_as_long_as_asked_for(void **state)
{
    (void)state;
    void *p = heap_alloc_aligned(2 * UNIT_BYTES, 4 * UNIT_BYTES);
    assert_int_equal(heap_usable(p), 4 * UNIT_BYTES);
    assert_true(heap_fits(p, 2 * UNIT_BYTES, 4 * UNIT_BYTES));
    assert_true(heap_fits(p, 0, 4 * UNIT_BYTES));
    heap_free(p);
    cache_flush();
}

static void an_aligned_block_serves_the_next_one_only_where_it_is_aligned(void **state)
{
    (void)state;
    char *p = heap_alloc_aligned(4 * UNIT_BYTES, 8 * UNIT_BYTES);
    heap_free(p);
    assert_ptr_equal(heap_alloc_medium(8 * UNIT_BYTES, 4 * UNIT_BYTES), p);
    assert_true(heap_resize(p, 3 * UNIT_BYTES));
    void *behind = heap_alloc(5 * UNIT_BYTES);
    assert_ptr_equal(behind, p + 3 * UNIT_BYTES); /* else it proves nothing */
    assert_true(heap_free_fast(behind));
    assert_null(heap_alloc_medium(5 * UNIT_BYTES, 4 * UNIT_BYTES));
    assert_null(heap_alloc_medium(5 * UNIT_BYTES, 0)); /* memalign(0) is for the door */
    assert_ptr_equal(heap_alloc_medium(5 * UNIT_BYTES, UNIT_BYTES), behind);
    heap_free(behind);
    heap_free(p);
    cache_flush();
    heap_audit();
}

static void a_block_keeps_its_place_while_it_needs_as_many_units(void **state)
{
    (void)state;
    char *p = heap_alloc(4 * UNIT_BYTES);
    assert_true(heap_resize_medium(p, 3 * UNIT_BYTES + 1));
    assert_int_equal(heap_usable(p), 3 * UNIT_BYTES + LARGE_STEP);
    assert_true(heap_resize_medium(p, 4 * UNIT_BYTES));
    assert_int_equal(heap_usable(p), 4 * UNIT_BYTES);
    assert_false(heap_resize_medium(p, 4 * UNIT_BYTES + 1));
    assert_false(heap_resize_medium(p, 3 * UNIT_BYTES));
    assert_false(heap_resize_medium(p, SIZE_MAX));
    assert_false(heap_resize_medium(p + UNIT_BYTES, 4 * UNIT_BYTES));
    assert_false(heap_resize_medium(NULL, 4 * UNIT_BYTES));
    assert_int_equal(heap_usable(p), 4 * UNIT_BYTES);
    heap_free(p);
    cache_flush();
}

static void any_round_of_the_length_serves_not_only_the_newest(void **state)
{
    (void)state;
    void *blocks[4];
    for (size_t i = 0; i < 4; i++)
        blocks[i] = heap_alloc(50000 + 20000 * i);
    for (size_t i = 0; i < 4; i++)
        heap_free(blocks[i]);
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(heap_alloc(50000 + 20000 * i), blocks[i]);
    for (size_t i = 0; i < 4; i++)
        heap_free(blocks[i]);
    cache_flush();
    heap_audit();
}

static void lengths_that_nobody_asks_for_leave(void **state)
{
    (void)state;
    void *old = heap_alloc(60000);
    heap_free(old);
    assert_false(is_free(old));
    void *other = heap_alloc(200000);
    assert_null(heap_alloc_medium(60000, 1));
    heap_free(other);
    cache_flush();
}

static void a_thread_keeps_few(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    void *blocks[COUNT];
    struct heap_stats before, stats;
    heap_compact();
    heap_read_stats(&before);
    for (int i = 0; i < COUNT; i++)
        blocks[i] = heap_alloc(SIZE_MEDIUM_MAX);
    heap_read_stats(&stats);
    assert_int_equal(stats.live_bytes - before.live_bytes, COUNT * (size_t)SIZE_MEDIUM_MAX);
    for (int i = 0; i < COUNT; i++)
        heap_free(blocks[i]);
    heap_read_stats(&stats);
    assert_int_equal(stats.live_bytes, before.live_bytes);
    assert_int_equal(stats.live_objects, before.live_objects);
    assert_in_range(stats.cached_bytes - before.cached_bytes, 1, 2 << 20);
    heap_compact();
    heap_read_stats(&stats);
    assert_int_equal(stats.cached_bytes, before.cached_bytes);
    assert_int_equal(stats.dirty_bytes, 0);
}

static void a_block_that_outgrows_its_length_changes_its_label(void **state)
{
    (void)state;
    char *p = heap_alloc(SIZE_MEDIUM_MAX);
    size_t unit = space_unit_of(p);
    assert_int_equal(*space_ctl(unit), SIZE_CLASS_MEDIUM);
    if (heap_resize(p, SIZE_MEDIUM_MAX + 1)) {
        assert_int_equal(*space_ctl(unit), CTL_LARGE);
        assert_false(heap_free_fast(p)); /* one of any length would not be bounded */
        assert_true(heap_resize(p, 40000));
    }
    assert_int_equal(*space_ctl(unit), SIZE_CLASS_MEDIUM);
    heap_free(p);
    cache_flush();
    assert_true(is_free(p));
}

static void recycled_dirt_is_cleared_for_calloc(void **state)
{
    (void)state;
    for (size_t bytes = 33000; bytes < 3000000; bytes = bytes * 5 / 4) {
        char *p = heap_alloc(bytes);
        memset(p, 0xa5, heap_usable(p));
        heap_free(p);
        char *zeroed = heap_alloc_zeroed(bytes - 100);
        assert_ptr_equal(zeroed, p); /* else it proves nothing */
        for (size_t i = 0; i < heap_usable(zeroed); i++)
            assert_int_equal(zeroed[i], 0);
        heap_free(zeroed);
    }
    cache_flush();
}

static void *use_and_end(void *argument)
{
    for (int i = 0; i < 20; i++)
        heap_free(heap_alloc(40000 + (size_t)i * 10000));
    heap_thread_exit();
    return argument;
}

static void a_thread_that_ends_keeps_none(void **state)
{
    (void)state;
    struct heap_stats before, stats;
    heap_compact();
    heap_read_stats(&before);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, use_and_end, NULL), 0);
    pthread_join(thread, NULL);
    heap_read_stats(&stats);
    assert_int_equal(stats.cached_bytes, before.cached_bytes);
    assert_int_equal(stats.live_objects, before.live_objects);
    heap_audit();
}

static void look(void)
{
    cache_adapt(hand.cache->adapt_ns + 1);
}

static void a_working_thread_keeps_none_that_it_does_not_use(void **state)
{
    (void)state;
    void *unused = heap_alloc(70000);
    heap_free(unused);
    look();
    look();
    void *used = heap_alloc(70000);
    assert_ptr_equal(used, unused);
    look();
    heap_free(used);
    look();
    assert_false(is_free(used));
    look();
    assert_true(is_free(used));
}

static bool is_lost(const void *p)
{
    return space_ctl_of(p) == SIZE_CLASS_MEDIUM; /* in no magazine, and nobody has it */
}

/* A handler that interrupts free() between its two stores and frees as well: the slot is written
 * twice, and then the top is where it would be without the handler. free() takes no notice, as that
 * costs: as many blocks are lost as the handler freed, but none is had twice. */
static void frees_between_the_stores_of_another_lose_as_many_blocks(void **state)
{
    (void)state;
    void *blocks[4];
    for (int i = 0; i < 4; i++)
        blocks[i] = heap_alloc(100000);
    cache_flush();
    heap_free(blocks[0]); /* the class is open */
    void **top = hand.top[SIZE_CLASS_MEDIUM];
    *top = blocks[1];
    assert_true(heap_free_fast(blocks[2]) && heap_free_fast(blocks[3]));
    hand.top[SIZE_CLASS_MEDIUM] = top + 1;
    cache_flush();
    assert_true(is_free(blocks[0]) && is_lost(blocks[1]) && is_free(blocks[2]));
    assert_true(is_lost(blocks[3]));
    large_give(&blocks[1], 1, false);
    large_give(&blocks[3], 1, false);
    heap_audit();
}

/* The same where the handler's frees find the magazine full, so that rounds leave and move. */
static void frees_between_the_stores_of_another_that_move_the_rounds_double_none(void **state)
{
    (void)state;
    enum { COUNT = 7 };
    void *rounds[COUNT], *of_handler[COUNT];
    for (int i = 0; i < COUNT; i++) {
        rounds[i] = heap_alloc(100000);
        of_handler[i] = heap_alloc(100000);
    }
    cache_flush();
    for (int i = 0; i < COUNT - 1; i++)
        heap_free(rounds[i]);
    void **top = hand.top[SIZE_CLASS_MEDIUM];
    *top = rounds[COUNT - 1];
    for (int i = 0; i < COUNT; i++)
        heap_free(of_handler[i]);
    hand.top[SIZE_CLASS_MEDIUM] = top + 1;
    cache_flush(); /* ends the process where it finds one twice */
    for (int i = 0; i < COUNT; i++)
        assert_true(is_free(of_handler[i]));
    for (int i = 0; i < COUNT - 1; i++)
        assert_true(is_free(rounds[i]));
    assert_true(is_lost(rounds[COUNT - 1]));
    large_give(&rounds[COUNT - 1], 1, false);
    heap_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_freed_block_serves_the_next_of_its_length),
        cmocka_unit_test(a_length_of_whole_pages_is_as_long_as_asked_for),
        cmocka_unit_test(an_aligned_block_serves_the_next_one_only_where_it_is_aligned),
        cmocka_unit_test(a_block_keeps_its_place_while_it_needs_as_many_units),
        cmocka_unit_test(any_round_of_the_length_serves_not_only_the_newest),
        cmocka_unit_test(lengths_that_nobody_asks_for_leave),
        cmocka_unit_test(a_thread_keeps_few),
        cmocka_unit_test(a_block_that_outgrows_its_length_changes_its_label),
        cmocka_unit_test(recycled_dirt_is_cleared_for_calloc),
        cmocka_unit_test(a_thread_that_ends_keeps_none),
        cmocka_unit_test(a_working_thread_keeps_none_that_it_does_not_use),
        cmocka_unit_test(frees_between_the_stores_of_another_lose_as_many_blocks),
        cmocka_unit_test(frees_between_the_stores_of_another_that_move_the_rounds_double_none),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
