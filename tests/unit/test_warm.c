/* test_warm.c - long runs that wait for a taker of their length, in front of the unit heap. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "allocators/scavenge.h"
#include "allocators/unit.h"
#include "allocators/warm.h"

static void forget_all(void)
{
    while (warm_take_older(UINT64_MAX).units != 0)
        continue;
}

static void put(uint32_t first, uint32_t units, uint64_t since_ns)
{
    assert_int_equal(warm_put((struct warm_run){first, units, since_ns}).units, 0);
}

static void only_the_exact_length_and_alignment_is_taken(void **state)
{
    (void)state;
    put(36, 20, 1);
    put(64, 20, 2);
    assert_int_equal(warm_take(19, 1), UNIT_NONE);
    assert_int_equal(warm_take(21, 1), UNIT_NONE);
    assert_int_equal(warm_take(20, 32), 64);
    assert_int_equal(warm_take(20, 32), UNIT_NONE);
    assert_int_equal(warm_take(20, 4), 36);
    assert_int_equal(warm_take(20, 1), UNIT_NONE);
}

static void the_oldest_makes_room_for_one_too_many(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < WARM_SLOTS; i++)
        put(i * 100, 20 + i, i == 5 ? 10 : 1000 + i);
    struct warm_run out = warm_put((struct warm_run){9000, 77, 2000});
    assert_int_equal(out.first, 500);
    assert_int_equal(out.units, 25);
    assert_int_equal(out.since_ns, 10);
    assert_int_equal(warm_take(77, 1), 9000);
    assert_int_equal(warm_take(25, 1), UNIT_NONE);
    forget_all();
}

static void age_is_the_time_of_parking(void **state)
{
    (void)state;
    struct warm_stats stats;
    put(0, 20, 500);
    put(100, 30, 400);
    assert_int_equal(warm_take_older(399).units, 0);
    assert_int_equal(warm_take_older(400).units, 30);
    warm_read_stats(&stats);
    assert_int_equal(stats.units, 20);
    assert_int_equal(warm_take_older(500).units, 20);
}

enum { THREADS = 4, RUNS = 2 * WARM_SLOTS, STEPS = 20000 };
static _Atomic unsigned owners[RUNS + UNIT_FIRST];

static void own(uint32_t run)
{
    assert_int_equal(atomic_fetch_add(&owners[run], 1), 0);
}

static void disown(uint32_t run)
{
    assert_int_equal(atomic_fetch_sub(&owners[run], 1), 1);
}

/* Parks what it has, takes what it finds: a run must never be found by two. */
static void *park_and_take(void *argument)
{
    uint32_t mine = (uint32_t)(uintptr_t)argument;
    uint64_t seed = mine + 1;
    own(mine);
    for (uint64_t step = 1; step <= STEPS; step++) {
        disown(mine);
        struct warm_run out = warm_put((struct warm_run){mine, 20, step});
        while (out.units == 0) {
            uint32_t first = warm_take(20, 1);
            if (first != UNIT_NONE)
                out = (struct warm_run){first, 20, 0};
            else if (random_next(&seed) % 2 == 0)
                out = warm_take_older(UINT64_MAX);
        }
        mine = out.first;
        own(mine);
    }
    return NULL;
}

static void a_run_is_never_found_by_two(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, park_and_take, (void *)(UNIT_FIRST + i)),
                         0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(owners[UNIT_FIRST + i], 1);
    assert_int_equal(warm_take(20, 1), UNIT_NONE);
}

/* -- in front of the unit heap ---------------------------------------------------------------- */

static uint32_t take(size_t units)
{
    uint32_t first = unit_alloc(units, 1, NULL);
    assert_int_not_equal(first, UNIT_NONE);
    return first;
}

static size_t dirty_units(void)
{
    struct unit_stats stats;
    unit_read_stats(&stats);
    return stats.dirty_bytes / UNIT_BYTES;
}

static void a_parked_run_is_dirty_and_comes_back_whole(void **state)
{
    (void)state;
    bool zeroed = true;
    unit_purge();
    uint32_t first = take(100);
    memset(space_address(first), 'x', 100);
    unit_park(first, 100);
    assert_int_equal(dirty_units(), 100);
    assert_int_equal(unit_alloc(100, 1, &zeroed), first);
    assert_false(zeroed);
    unit_park(first, 100);
    assert_true(unit_purge() >= 100 * (size_t)UNIT_BYTES);
    assert_int_equal(dirty_units(), 0);
    unit_audit();
}

static void parked_runs_join_in_before_the_heap_grows(void **state)
{
    (void)state;
    unit_purge();
    uint32_t fence = take(202), first = fence + 1;
    unit_park(first, 80);
    unit_park(first + 80, 120);
    assert_int_equal(take(150), first); /* the two together: no clean run is broken into */
    unit_free(first, 150);
    unit_free(fence, 1);
    unit_free(first + 200, 1);
    unit_purge();
    unit_audit();
}

static void a_run_grows_into_a_parked_neighbour(void **state)
{
    (void)state;
    uint32_t first = take(101);
    unit_park(first + 50, 50);
    assert_true(unit_extend(first, 50, 50, NULL));
    unit_free(first, 101);
    unit_audit();
}

static void a_chosen_fit_is_not_short_cut(void **state)
{
    (void)state;
    unit_init(CONF_FIT_FIRST, UINT64_MAX);
    uint32_t low = take(50), fence = take(1), high = take(30);
    unit_free(low, 50);
    unit_park(high, 30);
    assert_int_equal(take(30), low);
    unit_init(CONF_FIT_BEST, UINT64_MAX);
    unit_free(low, 30);
    unit_free(fence, 1);
    unit_audit();
}

/* One call in sixteen is sent to the door to give memory back. */
static bool is_parked_soon(void *p)
{
    if (heap_free_parked(p))
        return true;
    scavenge_pass();
    return heap_free_parked(p);
}

static void a_large_block_comes_and_goes_without_the_door(void **state)
{
    (void)state;
    forget_all();
    heap_free(heap_alloc(1));
    heap_free(heap_alloc(1)); /* the thread has its cache now */
    char *p = heap_alloc(1000000);
    assert_false(heap_free_parked(p + 16));
    assert_false(heap_free_parked(p + UNIT_BYTES));
    assert_true(is_parked_soon(p));
    assert_int_equal(heap_owner_of(p), HEAP_FREE);
    assert_false(heap_free_parked(p)); /* a double free is for the door */
    assert_null(heap_alloc_parked(1100000));
    assert_ptr_equal(heap_alloc_parked(1015000), p);
    assert_int_equal(heap_usable(p), 1015808);
    assert_int_equal(heap_owner_of(p + UNIT_BYTES), HEAP_INTERIOR);
    heap_free(p);
    unit_purge();
    assert_null(heap_alloc_parked(1015000));
    heap_audit();
}

static void where_no_slot_is_free_a_block_stays_for_the_door(void **state)
{
    (void)state;
    forget_all();
    void *blocks[WARM_SLOTS + 1];
    for (int i = 0; i <= WARM_SLOTS; i++)
        blocks[i] = heap_alloc(600000);
    for (int i = 0; i < WARM_SLOTS; i++)
        large_free(blocks[i]);
    assert_false(large_park(blocks[WARM_SLOTS]));
    assert_int_equal(heap_owner_of(blocks[WARM_SLOTS]), HEAP_LARGE);
    heap_free(blocks[WARM_SLOTS]);
    unit_purge();
    heap_audit();
}

static void short_blocks_are_not_parked(void **state)
{
    (void)state;
    void *p = heap_alloc(1000000);
    if (heap_resize(p, 40000))
        assert_false(heap_free_parked(p));
    heap_free(p);
    void *aligned = heap_alloc_aligned(2 * UNIT_BYTES, 100);
    assert_false(heap_free_parked(aligned));
    assert_int_equal(heap_owner_of(aligned), HEAP_LARGE);
    heap_free(aligned);
    unit_purge();
    heap_audit();
}

/* The last of all: nothing opens the hand again. */
static void a_closed_hand_sends_every_block_to_the_door(void **state)
{
    (void)state;
    void *parked = heap_alloc(1000000), *p = heap_alloc(1000000);
    heap_free(parked);
    cache_close_hands();
    assert_null(heap_alloc_parked(1000000));
    assert_false(heap_free_parked(p));
    heap_free(p);
    unit_purge();
    heap_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_exact_length_and_alignment_is_taken),
        cmocka_unit_test(the_oldest_makes_room_for_one_too_many),
        cmocka_unit_test(age_is_the_time_of_parking),
        cmocka_unit_test(a_run_is_never_found_by_two),
        cmocka_unit_test(a_parked_run_is_dirty_and_comes_back_whole),
        cmocka_unit_test(parked_runs_join_in_before_the_heap_grows),
        cmocka_unit_test(a_run_grows_into_a_parked_neighbour),
        cmocka_unit_test(a_chosen_fit_is_not_short_cut),
        cmocka_unit_test(a_large_block_comes_and_goes_without_the_door),
        cmocka_unit_test(where_no_slot_is_free_a_block_stays_for_the_door),
        cmocka_unit_test(short_blocks_are_not_parked),
        cmocka_unit_test(a_closed_hand_sends_every_block_to_the_door),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
