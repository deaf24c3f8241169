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

static void a_block_lies_within_what_holds_its_first_byte(void **state)
{
    (void)state;
    char *p = huge_alloc(1 << 20, 1);
    uintptr_t at = (uintptr_t)p;
    assert_true(huge_any_within(at, at + 1));
    assert_true(huge_any_within(at - 4096, at + 4096));
    assert_false(huge_any_within(at - 4096, at));
    assert_true(huge_free(p));
    assert_false(huge_any_within(at, at + (1 << 20)));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_aligned_zeroed_and_known),
        cmocka_unit_test(a_block_that_moves_keeps_its_pages),
        cmocka_unit_test(what_cannot_grow_stays),
        cmocka_unit_test(a_block_lies_within_what_holds_its_first_byte),
        cmocka_unit_test(the_pages_of_a_mapping_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
