/* test_huge.c - blocks in mappings of their own. */
#define _DEFAULT_SOURCE
#include "tests/unit/unit.h"

#include "allocators/base/os.h"
#include "allocators/huge.h"
#include "allocators/huge_warm.h"
#include "tests/unit/own_costs.h"

static void a_block_is_aligned_zeroed_and_known(void **state)
{
    (void)state;
    for (size_t alignment = 4096; alignment <= (size_t)1 << 26; alignment *= 4) {
        char *p = huge_alloc(100001, alignment, true);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignment, 0);
        assert_int_equal(huge_usable(p), 102400);
        assert_int_equal(p[0] | p[102399], 0);
        assert_true(huge_contains(p + 102399));
        assert_false(os_is_mapped(p + 102400, 1) && huge_contains(p + 102400));
        assert_true(huge_free(p));
        assert_int_equal(huge_usable(p), 0);
    }
}

static void a_block_that_moves_keeps_its_pages(void **state)
{
    (void)state;
    char *p = huge_alloc(1 << 20, 1, true);
    p[0] = 'a';
    p[(1 << 20) - 1] = 'z';
    char *wall = huge_alloc(4096, 1, true);
    p = huge_realloc(p, 64 << 20);
    assert_non_null(p);
    assert_int_equal(p[0], 'a');
    assert_int_equal(p[(1 << 20) - 1], 'z');
    assert_int_equal(p[(64 << 20) - 1], 0);
    p = huge_realloc(p, 8192);
    assert_int_equal(p[0], 'a');
    assert_int_equal(huge_usable(p), 8192);
    assert_true(huge_free(p));
    assert_true(huge_free(wall));
}

static void what_cannot_grow_stays(void **state)
{
    (void)state;
    char *p = huge_alloc(8192, 1, true);
    p[8191] = 'k';
    assert_null(huge_realloc(p, (size_t)1 << 60));
    assert_int_equal(huge_usable(p), 8192);
    assert_int_equal(p[8191], 'k');
    assert_null(huge_alloc((size_t)1 << 60, 1, false));
    assert_null(huge_alloc(4096, (size_t)1 << 62, false));
    assert_true(huge_free(p));
    assert_false(huge_free(p));
}

static void a_block_lies_within_what_holds_its_first_byte(void **state)
{
    (void)state;
    char *p = huge_alloc(1 << 20, 1, true);
    uintptr_t at = (uintptr_t)p;
    assert_true(huge_any_within(at, at + 1));
    assert_true(huge_any_within(at - 4096, at + 4096));
    assert_false(huge_any_within(at - 4096, at));
    assert_true(huge_free(p));
    assert_true(huge_any_within(at, at + 1)); /* it is kept warm */
    huge_purge();
    assert_false(huge_any_within(at, at + (1 << 20)));
}

/* -- kept warm -------------------------------------------------------------------------------- */

enum { MIB = 1024 * 1024 };

static const uint64_t DECAY_NS = 3600000000000;

static size_t warm_bytes(void)
{
    struct huge_stats stats;
    huge_read_stats(&stats);
    return stats.warm_bytes;
}

static char *take(size_t bytes)
{
    char *p = huge_alloc(bytes, 1, false);
    assert_non_null(p);
    p[0] = p[bytes - 1] = 'w';
    return p;
}

static void a_pair_costs_no_page_faults_when_it_is_repeated(void **state)
{
    (void)state;
    char *first = take(64 * MIB);
    memset(first, 1, 64 * MIB);
    assert_true(huge_free(first));
    assert_int_equal(warm_bytes(), 64 * MIB);
    long before = count_faults();
    for (int pair = 0; pair < 10; pair++) {
        char *p = huge_alloc(64 * MIB, 1, false);
        assert_ptr_equal(p, first);
        assert_int_equal(warm_bytes(), 0);
        for (size_t at = 0; at < 64 * MIB; at += 4096)
            p[at] = 2;
        assert_true(huge_free(p));
    }
#if !defined(__SANITIZE_THREAD__) /* has page faults of its own */
    assert_true(count_faults() - before < 64);
#else
    (void)before;
#endif
    assert_int_equal(huge_purge(), 64 * MIB);
    assert_int_equal(warm_bytes(), 0);
    assert_false(os_is_mapped(first, 64 * MIB));
}

static void a_zeroed_block_is_new_and_the_warm_one_goes(void **state)
{
    (void)state;
    char *p = take(40 * MIB);
    memset(p, 1, 40 * MIB);
    assert_true(huge_free(p));
    p = huge_alloc(40 * MIB, 1, true);
    assert_int_equal(warm_bytes(), 0);
    for (size_t at = 0; at < 40 * MIB; at += 512)
        assert_int_equal(p[at], 0);
    assert_true(huge_free(p));
    huge_purge();
}

static void a_smaller_block_leaves_no_pages_behind_its_end(void **state)
{
    (void)state;
    char *p = take(60 * MIB);
    memset(p, 1, 60 * MIB);
    assert_true(huge_free(p));
    assert_ptr_equal(huge_alloc(40 * MIB, 1, false), p);
    assert_int_equal(huge_usable(p), 40 * MIB);
    assert_int_equal(p[40 * MIB - 1], 1);
    assert_int_equal(p[40 * MIB], 0); /* purged: it reads as zero */
    assert_true(huge_free(p));
    assert_int_equal(warm_bytes(), 40 * MIB);
    assert_ptr_not_equal(take(19 * MIB), p); /* more than half of it would go */
    assert_ptr_equal(take(60 * MIB), p);     /* there is room again */
    assert_true(huge_free(p));
    huge_purge();
}

static void only_as_many_and_as_much_are_kept_the_newest_ones(void **state)
{
    (void)state;
    char *p[6];
    for (int i = 0; i < 6; i++)
        p[i] = take(4 * MIB);
    for (int i = 0; i < 6; i++)
        assert_true(huge_free(p[i]));
    assert_int_equal(warm_bytes(), HUGE_WARM_SLOTS * 4 * MIB);
    assert_false(huge_is_free(p[0]) || huge_is_free(p[1]));
    assert_true(huge_is_free(p[2]) && huge_is_free(p[5] + 4 * MIB - 1));
    p[0] = take(100 * MIB);
    p[1] = take(129 * MIB);
    assert_true(huge_free(p[0])); /* for which one of the four must go */
    assert_int_equal(warm_bytes(), (100 + 3 * 4) * MIB);
    assert_true(huge_free(p[1])); /* too much by itself */
    assert_int_equal(warm_bytes(), (100 + 3 * 4) * MIB);
    assert_int_equal(huge_purge(), (100 + 3 * 4) * MIB);
}

static void a_warm_one_of_the_wrong_alignment_is_not_taken(void **state)
{
    (void)state;
    char *low = take(2 * MIB), *p = low;
    while ((uintptr_t)p % (16 * MIB) == 0)
        p = take(2 * MIB);
    assert_true(huge_free(p));
    assert_ptr_not_equal(huge_alloc(2 * MIB, 16 * MIB, false), p);
    assert_ptr_equal(huge_alloc(2 * MIB, 4096, false), p);
}

static void it_goes_after_the_decay_time(void **state)
{
    (void)state;
    uint64_t before = os_time_coarse_ns();
    assert_true(huge_free(take(33 * MIB)));
    uint64_t after = os_time_coarse_ns();
    assert_int_equal(huge_tick(before + DECAY_NS - 1, SIZE_MAX), 0);
    assert_int_equal(huge_tick(after + DECAY_NS, SIZE_MAX), 33 * MIB);
    assert_int_equal(huge_tick(after + DECAY_NS, SIZE_MAX), 0);
    huge_init(0, CONF_THP_OFF, CONF_HUGETLB_OFF);
    assert_true(huge_free(take(33 * MIB)));
    assert_int_equal(warm_bytes(), 0);
    huge_init(DECAY_NS, CONF_THP_OFF, CONF_HUGETLB_OFF);
}

static void it_is_dirty_and_neither_live_nor_known(void **state)
{
    (void)state;
    struct heap_stats before, during, after;
    heap_read_stats(&before);
    char *p = heap_alloc(48 * MIB);
    heap_read_stats(&during);
    heap_free(p);
    heap_read_stats(&after);
    assert_int_equal(during.live_bytes - before.live_bytes, 48 * MIB);
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_int_equal(after.huge_blocks, before.huge_blocks);
    assert_int_equal(after.dirty_bytes - before.dirty_bytes, 48 * MIB);
    assert_int_equal(huge_usable(p), 0);
    assert_int_equal(heap_owner_of(p), HEAP_FREE); /* a second free is told as such */
    assert_true(heap_compact() >= 48 * MIB);
    assert_int_equal(heap_owner_of(p), HEAP_FOREIGN);
}

/* -- how the system counts -------------------------------------------------------------------- */

static struct os_mapping seen;

static void remember_ours(const struct os_mapping *mapping, void *ours)
{
    if (mapping->start <= (uintptr_t)ours && (uintptr_t)ours < mapping->end)
        seen = *mapping;
}

static void the_pages_of_a_mapping_are_counted(void **state)
{
    (void)state;
    enum { PAGES = 100 };
    size_t page = os_page_bytes();
    char *p = os_reserve((PAGES + 2) * page); /* fenced: no neighbour counts as one with it */
    assert_non_null(p);
    assert_int_equal(os_commit(p + page, PAGES * page), 0);
    memset(p + page, 1, 7 * page);
    assert_true(os_visit_mappings(remember_ours, p + page));
    assert_int_equal(seen.start, (uintptr_t)p + page);
    assert_int_equal(seen.end, (uintptr_t)p + (PAGES + 1) * page);
    assert_int_equal(seen.resident_bytes, 7 * page);
    assert_int_equal(seen.huge_bytes, 0);
    os_unmap(p, (PAGES + 2) * page);
}

static int setup(void **state)
{
    (void)state;
    start_small_heap();
    huge_init(DECAY_NS, CONF_THP_OFF, CONF_HUGETLB_OFF);
    return 0;
}

static int purge(void **state)
{
    (void)state;
    huge_purge();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_block_is_aligned_zeroed_and_known, purge),
        cmocka_unit_test_setup(a_block_that_moves_keeps_its_pages, purge),
        cmocka_unit_test_setup(what_cannot_grow_stays, purge),
        cmocka_unit_test_setup(a_block_lies_within_what_holds_its_first_byte, purge),
        cmocka_unit_test_setup(a_pair_costs_no_page_faults_when_it_is_repeated, purge),
        cmocka_unit_test_setup(a_zeroed_block_is_new_and_the_warm_one_goes, purge),
        cmocka_unit_test_setup(a_smaller_block_leaves_no_pages_behind_its_end, purge),
        cmocka_unit_test_setup(only_as_many_and_as_much_are_kept_the_newest_ones, purge),
        cmocka_unit_test_setup(a_warm_one_of_the_wrong_alignment_is_not_taken, purge),
        cmocka_unit_test_setup(it_goes_after_the_decay_time, purge),
        cmocka_unit_test_setup(it_is_dirty_and_neither_live_nor_known, purge),
        cmocka_unit_test_setup(the_pages_of_a_mapping_are_counted, purge),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
