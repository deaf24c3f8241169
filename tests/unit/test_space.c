/* test_space.c - a reservation that does not end where a word of its bitmaps ends. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "allocators/base/os.h"
#include "allocators/unit.h"

/* 512 MiB and one unit: the last bits have a word, and the word a page, of their own. First fit
 * reads the bitmap of free runs for each request. */
enum { RESERVED_BYTES = 536887296 };

static int setup(void **state)
{
    (void)state;
    static struct conf conf;
    conf_init(&conf);
    conf.reserve = RESERVED_BYTES;
    conf.decay_ms = 0;
    conf.fit = CONF_FIT_FIRST;
    assert_int_equal(heap_init(&conf), 0);
    return 0;
}

static void *page_of(void *p)
{
    return (void *)((uintptr_t)p & ~(os_page_bytes() - 1));
}

static size_t take_every_unit(uint32_t *taken)
{
    size_t count = 0;
    for (uint32_t unit; (unit = unit_alloc(1, 1, NULL)) != UNIT_NONE; count++) {
        assert_true(count < space_units_max());
        taken[count] = unit;
        *(char *)space_address(unit) = 1;
    }
    return count;
}

/* Frees the units in an order that leaves every second one for later: no run merges at first. */
static void give_all_back(const uint32_t *taken, size_t count)
{
    for (size_t i = 0; i < count; i += 2)
        unit_free(taken[i], 1);
    heap_audit();
    for (size_t i = (count - 1) | 1; i > 1; i -= 2) {
        if (i < count)
            unit_free(taken[i], 1);
    }
    unit_free(taken[1], 1);
    heap_audit();
}

static void the_last_unit_has_bits_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(space_units_max() % 64, 1);
    uint32_t *taken = malloc(space_units_max() * sizeof(*taken));
    assert_non_null(taken);
    size_t first_time = take_every_unit(taken);
    assert_int_equal(taken[first_time - 1], space_units_max() - 1);
    give_all_back(taken, first_time);
    (void)unit_purge();
    heap_audit();
    assert_int_equal(take_every_unit(taken), first_time);
    for (size_t i = 1; i < first_time; i++)
        assert_true(taken[i] > taken[i - 1]);
    give_all_back(taken, first_time);
    free(taken);
}

static void a_limit_cuts_the_unused_tail_off_and_gives_it_back(void **state)
{
    (void)state;
    const uint64_t limit = 64 * 1024 * 1024;
    size_t all = space_units_max();
    for (int i = 0; i < 3; i++) /* whatever mappings of its own it needs come before */
        heap_free(heap_alloc(300000));
    for (int round = 0; round < 3; round++) {
        unit_limit_space(limit);
        size_t left = space_units_max();
        size_t used = atomic_load(&space.units);
        assert_true(left >= used && left >= limit / 8 * 5 / UNIT_BYTES);
        assert_true(left == used || left == limit / 8 * 5 / UNIT_BYTES);
        if (left < all) {
            assert_false(os_is_mapped(space_address(left), os_page_bytes()));
            assert_false(os_is_mapped(space_address(all - 1), os_page_bytes()));
        }
        assert_true(os_is_mapped(space_address(0), left * UNIT_BYTES));
        assert_true(os_is_mapped(page_of(space_ctl(left - 1)), os_page_bytes()));
        assert_true(os_is_mapped(page_of(space_span(left - 1)), os_page_bytes()));
        heap_free(memset(heap_alloc(300000), 1, 300000));
        heap_audit();
        unit_limit_space(UINT64_MAX);
        assert_int_equal(space_units_max(), all);
        assert_true(os_is_mapped(space_address(0), all * UNIT_BYTES));
        assert_true(os_is_mapped(page_of(space_span(all - 1)), os_page_bytes()));
        assert_true(os_is_mapped(page_of(space_ctl(all - 1)), os_page_bytes()));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_limit_cuts_the_unused_tail_off_and_gives_it_back), /* while few are used */
        cmocka_unit_test(the_last_unit_has_bits_of_its_own),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
