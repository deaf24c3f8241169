/* test_large.c - runs of units as blocks: labels, sizes, growing and shrinking where they stand. */
#include "tests/unit/unit.h"

#include "allocators/large.h"
#include "allocators/unit.h"

static void every_unit_of_a_block_is_labelled(void **state)
{
    (void)state;
    char *p = large_alloc(100000, 1, NULL);
    size_t unit = space_unit_of(p);
    assert_int_equal(*space_ctl(unit), SIZE_CLASS_MEDIUM);
    for (size_t i = 1; i < 7; i++)
        assert_int_equal(*space_ctl(unit + i), CTL_INSIDE);
    assert_int_equal(large_usable(p), 102400);
    large_free(p);
    assert_int_equal(*space_ctl(unit), CTL_FREE);
    unit_audit();
}

static void resizing_where_it_stands_keeps_neighbours_and_numbers(void **state)
{
    (void)state;
    struct large_stats before, stats;
    large_read_stats(&before);
    char *p = large_alloc((1 << 20) + 3 * UNIT_BYTES, 1, NULL);
    assert_true(large_resize(p, 1 << 20));
    char *wall = large_alloc(40000, 1, NULL);
    assert_ptr_equal(wall, p + (1 << 20)); /* the best fit: what p just gave up */
    assert_true(large_resize(p, 300000));
    assert_int_equal(large_usable(p), 303104);
    assert_true(large_resize(p, 900000));
    assert_false(large_resize(p, (1 << 20) + 1));
    assert_int_equal(*space_ctl(space_unit_of(wall)), SIZE_CLASS_MEDIUM);
    large_read_stats(&stats);
    assert_int_equal(stats.blocks - before.blocks, 2);
    assert_int_equal(stats.bytes - before.bytes, 901120 + 40960);
    large_free(p);
    large_free(wall);
    large_read_stats(&stats);
    assert_int_equal(stats.bytes, before.bytes);
    unit_audit();
}

static void alignment_above_a_unit_is_kept(void **state)
{
    (void)state;
    for (size_t alignment = UNIT_BYTES; alignment <= SPACE_ALIGNMENT; alignment *= 2) {
        char *p = large_alloc(50000, alignment, NULL);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignment, 0);
        large_free(p);
    }
    unit_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unit_of_a_block_is_labelled),
        cmocka_unit_test(resizing_where_it_stands_keeps_neighbours_and_numbers),
        cmocka_unit_test(alignment_above_a_unit_is_kept),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
