/* test_size_class.c - the class tables hold what size_class.h promises. */
#include "tests/unit/unit.h"

#include "allocators/slab.h"

static int setup(void **state)
{
    (void)state;
    size_class_init();
    return 0;
}

static void every_size_gets_the_smallest_class_that_holds_it(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= SIZE_SLAB_MAX; bytes++) {
        unsigned class = size_class_of(bytes);
        assert_in_range(class, SIZE_CLASS_FIRST, SIZE_CLASS_END - 1);
        assert_true(size_tables.classes[class].bytes >= bytes);
        assert_true(class == SIZE_CLASS_FIRST || size_tables.classes[class - 1].bytes < bytes);
    }
    assert_int_equal(size_class_of(0), SIZE_CLASS_FIRST);
}

static void rounding_wastes_at_most_an_eighth_above_128_bytes(void **state)
{
    (void)state;
    for (size_t bytes = 129; bytes <= SIZE_SLAB_MAX; bytes++) {
        size_t waste = size_tables.classes[size_class_of(bytes)].bytes - bytes;
        assert_true(waste * 8 < bytes);
    }
}

static void the_sizes_databases_use_most_are_exact(void **state)
{
    (void)state;
    const size_t hot[] = {64, 128, 192, 256, 384, 512, 1024, 2048, 4096};
    for (size_t i = 0; i < sizeof(hot) / sizeof(hot[0]); i++)
        assert_int_equal(size_tables.classes[size_class_of(hot[i])].bytes, hot[i]);
}

static void the_reciprocal_finds_every_object(void **state)
{
    (void)state;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        const struct size_class *size = &size_tables.classes[class];
        assert_in_range(size->objects, 4, SLAB_OBJECTS_MAX);
        assert_true((size_t)size->objects * size->bytes <= (size_t)size->units * UNIT_BYTES);
        for (size_t offset = 0; offset < (size_t)size->units * UNIT_BYTES; offset++)
            assert_int_equal(size_class_index(size, offset), offset / size->bytes);
    }
}

static void aligned_classes_keep_every_object_aligned(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= UNIT_BYTES; alignment *= 2) {
        for (size_t bytes = 1; bytes <= SIZE_SLAB_MAX; bytes += 13) {
            unsigned class = size_class_of_aligned(bytes, alignment);
            assert_int_not_equal(class, 0);
            assert_true(size_tables.classes[class].bytes >= bytes);
            assert_int_equal(size_tables.classes[class].bytes % alignment, 0);
        }
    }
    assert_int_equal(size_class_of_aligned(16, 2 * UNIT_BYTES), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_gets_the_smallest_class_that_holds_it),
        cmocka_unit_test(rounding_wastes_at_most_an_eighth_above_128_bytes),
        cmocka_unit_test(the_sizes_databases_use_most_are_exact),
        cmocka_unit_test(the_reciprocal_finds_every_object),
        cmocka_unit_test(aligned_classes_keep_every_object_aligned),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
