/* test_magazine.c - sentinels at both ends, and empty ones used again. */
#include "tests/unit/unit.h"

#include "allocators/slab.h"

static struct magazine *full_magazine(unsigned class, unsigned step)
{
    struct magazine *magazine = magazine_get(class, step);
    assert_non_null(magazine);
    while (magazine->rounds < magazine->capacity)
        magazine->rounds += slab_take(class, magazine->slot + 1 + magazine->rounds,
                                      magazine->capacity - magazine->rounds);
    return magazine;
}

static void a_new_magazine_is_empty_between_its_sentinels(void **state)
{
    (void)state;
    struct magazine *magazine = magazine_get(size_class_of(64), 1);
    assert_int_equal(magazine->capacity, 2 * MAGAZINE_FIRST_ROUNDS);
    assert_null(magazine_top(magazine, 0)[-1]);
    assert_ptr_equal(*magazine_top(magazine, magazine->capacity), MAGAZINE_FULL);
    for (unsigned i = 0; i < magazine->capacity; i++)
        assert_ptr_not_equal(*magazine_top(magazine, i), MAGAZINE_FULL);
    magazine_put(magazine);
}

static void a_class_of_large_objects_gets_small_magazines(void **state)
{
    (void)state;
    struct magazine *magazine = magazine_get(size_class_of(SIZE_SLAB_MAX), 0);
    assert_int_equal(magazine->capacity, size_tables.classes[magazine->class].rounds_max);
    assert_false(magazine_can_grow(magazine));
    magazine_put(magazine);
}

static void an_empty_magazine_is_used_again_without_its_past(void **state)
{
    (void)state;
    struct magazine *first = full_magazine(size_class_of(64), 0);
    slab_give(first->class, first->slot + 1, first->rounds);
    magazine_put(first);
    struct magazine *second = magazine_get(size_class_of(4096), 0);
    assert_ptr_equal(second, first);
    assert_int_equal(second->rounds, 0);
    assert_null(magazine_top(second, 0)[-1]);
    assert_ptr_equal(*magazine_top(second, second->capacity), MAGAZINE_FULL);
    magazine_put(second);
}

static void a_larger_use_finds_no_sentinel_of_a_smaller_one(void **state)
{
    (void)state;
    struct magazine *small = magazine_get(size_class_of(SIZE_SLAB_MAX), 0);
    magazine_put(small);
    struct magazine *large = magazine_get(size_class_of(64), 0);
    assert_ptr_equal(large, small);
    assert_true(large->capacity == MAGAZINE_FIRST_ROUNDS);
    for (unsigned i = 0; i < large->capacity; i++)
        assert_ptr_not_equal(*magazine_top(large, i), MAGAZINE_FULL);
    magazine_put(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_magazine_is_empty_between_its_sentinels),
        cmocka_unit_test(a_class_of_large_objects_gets_small_magazines),
        cmocka_unit_test(an_empty_magazine_is_used_again_without_its_past),
        cmocka_unit_test(a_larger_use_finds_no_sentinel_of_a_smaller_one),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
