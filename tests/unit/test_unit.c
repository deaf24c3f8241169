/* test_unit.c - the unit heap: coalescing, fit policies, giving memory back. */
#define _DEFAULT_SOURCE
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/unit.h"

static uint32_t take(size_t units)
{
    uint32_t first = unit_alloc(units, 1, NULL);
    assert_int_not_equal(first, UNIT_NONE);
    return first;
}

static struct unit_stats read_stats(void)
{
    struct unit_stats stats;
    unit_read_stats(&stats);
    return stats;
}

static void free_merges_with_both_neighbours(void **state)
{
    (void)state;
    uint32_t left = take(3), middle = take(4), right = take(5), end = take(1);
    assert_int_equal(middle, left + 3);
    assert_int_equal(right, middle + 4);
    unit_free(left, 3);
    unit_free(right, 5);
    struct unit_stats before = read_stats();
    unit_free(middle, 4);
    assert_int_equal(read_stats().freed, before.freed + 1);
    assert_int_equal(read_stats().joined, before.joined + 1);
    assert_int_equal(take(12), left); /* only one run of all twelve can hold this */
    unit_free(left, 12);
    unit_free(end, 1);
    unit_audit();
}

static void a_run_without_free_neighbours_is_freed_but_not_joined(void **state)
{
    (void)state;
    uint32_t block = take(100);
    struct unit_stats before = read_stats();
    unit_free(block + 10, 5);
    unit_free(block + 50, 20);
    assert_int_equal(read_stats().freed, before.freed + 2);
    assert_int_equal(read_stats().joined, before.joined);
    unit_free(block + 15, 35); /* one run of 60 now */
    assert_int_equal(read_stats().freed, before.freed + 3);
    assert_int_equal(read_stats().joined, before.joined + 1);
    unit_free(block, 10);
    unit_free(block + 70, 30);
    unit_audit();
}

static void the_largest_run_is_told_parked_or_not(void **state)
{
    (void)state;
    unit_purge();
    enum { UNITS = 40000, LOW = 100, HIGH = UNITS - LOW };
    uint32_t block = take(UNITS), fence = take(1);
    struct unit_stats before = read_stats();
    assert_true(before.largest_bytes < HIGH * (size_t)UNIT_BYTES);
    unit_park(block + LOW, HIGH);
    struct unit_stats stats = read_stats();
    assert_int_equal(stats.largest_bytes, HIGH * (size_t)UNIT_BYTES);
    assert_int_equal(stats.dirty_bytes - before.dirty_bytes, HIGH * (size_t)UNIT_BYTES);
    assert_int_equal(stats.freed, before.freed);
    assert_int_equal(take(HIGH), block + LOW);
    assert_int_equal(read_stats().warm_hits, before.warm_hits + 1);
    assert_int_equal(read_stats().warm_misses, before.warm_misses);
    unit_free(block, UNITS);
    assert_true(read_stats().largest_bytes >= UNITS * (size_t)UNIT_BYTES);
    unit_free(fence, 1);
    unit_audit();
}

static void best_fit_takes_the_shortest_run_that_fits(void **state)
{
    (void)state;
    uint32_t block = take(500); /* free parts of it are 140, 134 and 137 units long */
    unit_free(block + 1, 140);
    unit_free(block + 150, 134);
    unit_free(block + 300, 137);
    assert_int_equal(take(136), block + 300);
    assert_int_equal(take(133), block + 150);
    unit_audit();
    unit_free(block + 300, 136);
    unit_free(block + 150, 133);
    unit_free(block, 1);
    unit_free(block + 141, 9);
    unit_free(block + 284, 16);
    unit_free(block + 437, 63);
    unit_audit();
}

static void worst_fit_takes_the_longest_and_first_fit_the_lowest(void **state)
{
    (void)state;
    uint32_t block = take(5000);
    uint32_t low = block, high = block + 4000;
    unit_free(low, 50);
    unit_free(high, 900);
    unit_init(CONF_FIT_WORST, UINT64_MAX);
    uint32_t worst = take(2);
    unit_init(CONF_FIT_FIRST, UINT64_MAX);
    uint32_t first = take(2);
    unit_init(CONF_FIT_BEST, UINT64_MAX);
    assert_int_equal(worst, high);
    assert_true(first <= low);
    unit_free(worst, 2);
    unit_free(first, 2);
    unit_free(block + 50, 3950);
    unit_free(block + 4900, 100);
    unit_audit();
}

static void alignment_is_kept_and_nothing_is_lost(void **state)
{
    (void)state;
    for (size_t align = 1; align <= 1024; align *= 2) {
        uint32_t first = unit_alloc(3, align, NULL);
        assert_int_not_equal(first, UNIT_NONE);
        assert_int_equal(first % align, 0);
        unit_audit();
        unit_free(first, 3);
    }
    unit_audit();
}

static void purged_units_read_as_zero_and_count_as_clean(void **state)
{
    (void)state;
    uint32_t first = take(8);
    memset(space_address(first), 0xa5, 8 * (size_t)UNIT_BYTES);
    unit_free(first, 8);
    assert_true(unit_purge() >= 8 * (size_t)UNIT_BYTES);
    struct unit_stats stats;
    unit_read_stats(&stats);
    assert_int_equal(stats.dirty_bytes, 0);
    bool zeroed = false;
    first = unit_alloc(8, 1, &zeroed);
    assert_true(zeroed);
    const char *bytes = space_address(first);
    for (size_t i = 0; i < 8 * (size_t)UNIT_BYTES; i++)
        assert_int_equal(bytes[i], 0);
    unit_free(first, 8);
}

static void a_dirty_run_does_not_claim_to_be_zero(void **state)
{
    (void)state;
    uint32_t first = take(2);
    memset(space_address(first), 1, UNIT_BYTES);
    unit_free(first, 2);
    bool zeroed = true;
    assert_int_equal(unit_alloc(2, 1, &zeroed), first);
    assert_false(zeroed);
    unit_free(first, 2);
}

static void a_run_grows_into_its_free_neighbour_only(void **state)
{
    (void)state;
    uint32_t first = take(4), behind = take(4), fence = take(1);
    assert_false(unit_extend(first, 4, 2, NULL));
    unit_free(behind, 4);
    assert_true(unit_extend(first, 4, 3, NULL));
    assert_false(unit_extend(first, 7, 2, NULL)); /* one is left */
    assert_true(unit_extend(first, 7, 1, NULL));
    unit_free(first, 8);
    unit_free(fence, 1);
    unit_audit();
}

static void a_request_beyond_the_reservation_is_refused(void **state)
{
    (void)state;
    assert_int_equal(unit_alloc(space_units_max() + 1, 1, NULL), UNIT_NONE);
    assert_int_equal(unit_alloc(1, (size_t)1 << 40, NULL), UNIT_NONE);
    unit_audit();
}

/* Gives back in slices, while small runs come and go at the beginning of what is free. */
static void a_long_idle_run_goes_back_slice_by_slice(void **state)
{
    (void)state;
    enum { UNITS = 4096, SLICES = 8 + 1, SLICE_BYTES = 8 << 20 }; /* of 64 MiB */
    struct unit_stats stats;
    unit_purge();
    uint32_t first = take(UNITS);
    unit_free(first, UNITS);
    unit_init(CONF_FIT_BEST, 0);
    size_t resident = unit_resident_bytes();
    for (int slice = 0; slice < SLICES; slice++) {
        unit_free(take(4), 4);
        assert_true(unit_tick(UINT64_MAX, SLICE_BYTES) <= SLICE_BYTES);
    }
    unit_init(CONF_FIT_BEST, UINT64_MAX);
    assert_true(resident - unit_resident_bytes() >= (UNITS - 8) * (size_t)UNIT_BYTES);
    unit_read_stats(&stats);
    assert_true(stats.dirty_bytes <= 8 * (size_t)UNIT_BYTES);
    unit_audit();
}

static void wait_for_a_later_time(uint64_t ns)
{
    while (os_time_coarse_ns() == ns)
        os_yield();
}

static void what_is_left_of_a_run_is_as_old_as_before(void **state)
{
    (void)state;
    enum { UNITS = 768, SLICES = 2, SLICE_BYTES = 8 << 20 }; /* of 12 MiB */
    struct unit_stats stats;
    unit_purge();
    uint32_t first = take(1 + UNITS + 1); /* between two that are in use */
    unit_free(first + 1, UNITS);
    uint64_t freed_ns = os_time_coarse_ns();
    wait_for_a_later_time(freed_ns);
    unit_init(CONF_FIT_BEST, 1);
    for (int slice = 0; slice < SLICES; slice++) /* later than freed_ns, but due by then */
        unit_tick(freed_ns + 1, SLICE_BYTES);
    unit_init(CONF_FIT_BEST, UINT64_MAX);
    unit_read_stats(&stats);
    assert_int_equal(stats.dirty_bytes, 0);
    unit_free(first, 1);
    unit_free(first + 1 + UNITS, 1);
    unit_audit();
}

static void what_is_left_of_a_run_does_not_wait_for_younger_ones(void **state)
{
    (void)state;
    enum { OLD = 20, YOUNG = 30, TAKEN = 4 };
    struct unit_stats stats;
    unit_purge();
    uint32_t first = take(1 + OLD + 1 + YOUNG + 1);
    uint32_t young = first + 1 + OLD + 1;
    unit_free(first + 1, OLD);
    uint64_t freed_ns = os_time_coarse_ns();
    wait_for_a_later_time(freed_ns);
    unit_free(young, YOUNG);
    assert_int_equal(take(TAKEN), first + 1); /* so that the rest comes behind the young one */
    unit_init(CONF_FIT_BEST, 1);
    size_t bytes = unit_tick(freed_ns + 1, SIZE_MAX);
    unit_init(CONF_FIT_BEST, UINT64_MAX);
    unit_read_stats(&stats);
    assert_int_equal(bytes, (OLD - TAKEN) * (size_t)UNIT_BYTES);
    assert_int_equal(stats.dirty_bytes, YOUNG * (size_t)UNIT_BYTES);
    unit_free(first, 1 + TAKEN);
    unit_free(young - 1, 1);
    unit_free(young + YOUNG, 1);
    unit_audit();
}

static void what_is_freed_beside_a_purged_run_is_young(void **state)
{
    (void)state;
    enum { UNITS = 64 };
    uint32_t first = take(UNITS + 4);
    unit_free(first, UNITS);
    unit_purge();
    uint64_t purged_ns = os_time_coarse_ns();
    wait_for_a_later_time(purged_ns);
    unit_free(first + UNITS, 4);
    unit_init(CONF_FIT_BEST, 1);
    size_t bytes = unit_tick(purged_ns + 1, SIZE_MAX);
    unit_init(CONF_FIT_BEST, UINT64_MAX);
    assert_int_equal(bytes, 0);
    unit_audit();
}

enum { LIVE = 200, STEPS = 20000 };

/* Keeps a shadow of which unit belongs to which block. */
static void random_traffic_never_overlaps(void **state)
{
    (void)state;
    static struct {
        uint32_t first;
        size_t units;
    } live[LIVE];
    uint64_t seed = 20240607;
    print_message("seed %lu\n", (unsigned long)seed);
    uint8_t *owner = calloc(1, space_units_max());
    for (int step = 0; step < STEPS; step++) {
        unsigned slot = (unsigned)(random_next(&seed) % LIVE);
        if (live[slot].units != 0) {
            memset(owner + live[slot].first, 0, live[slot].units);
            unit_free(live[slot].first, live[slot].units);
            live[slot].units = 0;
        } else {
            size_t units = 1 + random_next(&seed) % 90;
            size_t align = (size_t)1 << (random_next(&seed) % 5);
            uint32_t first = unit_alloc(units, align, NULL);
            assert_int_not_equal(first, UNIT_NONE);
            for (size_t i = 0; i < units; i++)
                assert_int_equal(owner[first + i]++, 0);
            live[slot].first = first;
            live[slot].units = units;
        }
        if (step % 500 == 0)
            unit_audit();
        if (step % 3000 == 0)
            unit_purge();
    }
    for (int slot = 0; slot < LIVE; slot++) {
        if (live[slot].units != 0)
            unit_free(live[slot].first, live[slot].units);
    }
    free(owner);
    unit_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_merges_with_both_neighbours),
        cmocka_unit_test(a_run_without_free_neighbours_is_freed_but_not_joined),
        cmocka_unit_test(best_fit_takes_the_shortest_run_that_fits),
        cmocka_unit_test(worst_fit_takes_the_longest_and_first_fit_the_lowest),
        cmocka_unit_test(alignment_is_kept_and_nothing_is_lost),
        cmocka_unit_test(purged_units_read_as_zero_and_count_as_clean),
        cmocka_unit_test(a_dirty_run_does_not_claim_to_be_zero),
        cmocka_unit_test(a_run_grows_into_its_free_neighbour_only),
        cmocka_unit_test(a_request_beyond_the_reservation_is_refused),
        cmocka_unit_test(a_long_idle_run_goes_back_slice_by_slice),
        cmocka_unit_test(what_is_left_of_a_run_is_as_old_as_before),
        cmocka_unit_test(what_is_left_of_a_run_does_not_wait_for_younger_ones),
        cmocka_unit_test(what_is_freed_beside_a_purged_run_is_young),
        cmocka_unit_test(random_traffic_never_overlaps),
        cmocka_unit_test(the_largest_run_is_told_parked_or_not),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
