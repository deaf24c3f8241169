/* test_huge.c - blocks in mappings of their own. */
#include "tests/unit/unit.h"

#include "allocators/base/os.h"
#include "allocators/huge.h"

static void a_block_is_aligned_zeroed_and_known(void **state)
{
    (void)state;
    for (size_t alignment = 4096; alignment <= (size_t)1 << 26; alignment *= 4) {
        char *p = huge_alloc(100001, alignment);
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
    char *p = huge_alloc(1 << 20, 1);
    p[0] = 'a';
    p[(1 << 20) - 1] = 'z';
    char *wall = huge_alloc(4096, 1);
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
    char *p = huge_alloc(8192, 1);
    p[8191] = 'k';
    assert_null(huge_realloc(p, (size_t)1 << 60));
    assert_int_equal(huge_usable(p), 8192);
    assert_int_equal(p[8191], 'k');
    assert_null(huge_alloc((size_t)1 << 60, 1));
    assert_null(huge_alloc(4096, (size_t)1 << 62));
    assert_true(huge_free(p));
    assert_false(huge_free(p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_aligned_zeroed_and_known),
        cmocka_unit_test(a_block_that_moves_keeps_its_pages),
        cmocka_unit_test(what_cannot_grow_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
