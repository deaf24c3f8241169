/* test_slab.c - slabs: the lowest free object first, no object twice, empty ones go back. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "allocators/slab.h"
#include "allocators/unit.h"
#include "tests/unit/death.h"

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

static void the_lowest_free_object_comes_first(void **state)
{
    (void)state;
    unsigned class = size_class_of(48);
    void *objects[10], *again[3];
    assert_int_equal(slab_take(class, objects, 10), 10);
    for (int i = 1; i < 10; i++)
        assert_ptr_equal(objects[i], (char *)objects[i - 1] + 48);
    void *given[] = {objects[7], objects[2], objects[4]};
    slab_give(class, given, 3);
    assert_int_equal(slab_take(class, again, 3), 3);
    assert_ptr_equal(again[0], objects[2]);
    assert_ptr_equal(again[1], objects[4]);
    assert_ptr_equal(again[2], objects[7]);
    slab_give(class, objects, 10);
    slab_audit();
}

static void no_object_is_handed_out_twice(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_EXACT; class += 7) {
        void **objects = malloc(COUNT * sizeof(void *));
        unsigned taken = 0;
        while (taken < COUNT) {
            unsigned count = slab_take(class, objects + taken, COUNT - taken);
            assert_int_not_equal(count, 0);
            taken += count;
        }
        qsort(objects, COUNT, sizeof(void *), by_address);
        for (int i = 1; i < COUNT; i++)
            assert_true((char *)objects[i] - (char *)objects[i - 1] >=
                        (ptrdiff_t)size_tables.classes[class].bytes);
        slab_audit();
        slab_give(class, objects, COUNT);
        free(objects);
    }
    slab_audit();
}

static void empty_slabs_give_their_units_back_but_one(void **state)
{
    (void)state;
    enum { COUNT = 4000 };
    static void *objects[COUNT];
    unsigned class = size_class_of(1024);
    for (unsigned taken = 0; taken < COUNT;)
        taken += slab_take(class, objects + taken, COUNT - taken);
    struct slab_stats stats;
    slab_read_stats(class, &stats);
    assert_true(stats.slabs >= COUNT / 16);
    assert_int_equal(stats.taken_objects, COUNT);
    slab_give(class, objects, COUNT);
    slab_read_stats(class, &stats);
    assert_int_equal(stats.taken_objects, 0);
    assert_true(stats.slabs <= 1);
    slab_audit();
    unit_audit();
}

static void an_address_inside_an_object_finds_its_first_byte(void **state)
{
    (void)state;
    unsigned class = size_class_of(320), found = 0;
    void *p = NULL;
    assert_int_equal(slab_take(class, &p, 1), 1);
    assert_ptr_equal(slab_object_of((char *)p + 319, &found), p);
    assert_int_equal(found, class);
    slab_give(class, &p, 1);
}

/* `step` places on from the place before, all places once; of a row that breaks off, too. */
static void give_in_steps(unsigned class, void **objects, unsigned count, unsigned step)
{
    static void *order[1009];
    for (unsigned i = 0; i < count; i++)
        order[i] = objects[(size_t)i * step % count];
    slab_give(class, order, count);
}

static void rows_of_neighbours_go_back_whatever_their_order(void **state)
{
    (void)state;
    enum { COUNT = 1009 }; /* a prime: every step reaches every place */
    static void *objects[COUNT];
    static const unsigned steps[] = {1, COUNT - 1, 2, COUNT - 2, 64, 617};
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_EXACT; class += 24) {
        for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
            unsigned taken = 0;
            while (taken < COUNT)
                taken += slab_take(class, objects + taken, COUNT - taken);
            qsort(objects, COUNT, sizeof(void *), by_address);
            give_in_steps(class, objects, COUNT, steps[i]);
            slab_audit();
            struct slab_stats stats;
            slab_read_stats(class, &stats);
            assert_int_equal(stats.taken_objects, 0);
        }
    }
}

static void give_a_row_with_one_that_is_free(void *argument)
{
    void **objects = argument;
    slab_give(size_class_of(96), objects + 3, 1);
    slab_give(size_class_of(96), objects, 8);
}

static void a_double_free_inside_a_row_is_told_by_its_address(void **state)
{
    (void)state;
    void *objects[8];
    char words[64];
    assert_int_equal(slab_take(size_class_of(96), objects, 8), 8);
    snprintf(words, sizeof(words), "%p", objects[3]);
    assert_dies(give_a_row_with_one_that_is_free, objects, words);
    slab_give(size_class_of(96), objects, 8);
}

static void leftovers_that_are_free_already_are_passed_over(void **state)
{
    (void)state;
    unsigned class = size_class_of(96);
    void *objects[4];
    assert_int_equal(slab_take(class, objects, 4), 4);
    slab_give(class, objects, 2);
    slab_give_leftovers(class, objects, 4);
    struct slab_stats stats;
    slab_read_stats(class, &stats);
    assert_int_equal(stats.taken_objects, 0);
    slab_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_free_object_comes_first),
        cmocka_unit_test(no_object_is_handed_out_twice),
        cmocka_unit_test(empty_slabs_give_their_units_back_but_one),
        cmocka_unit_test(an_address_inside_an_object_finds_its_first_byte),
        cmocka_unit_test(rows_of_neighbours_go_back_whatever_their_order),
        cmocka_unit_test(a_double_free_inside_a_row_is_told_by_its_address),
        cmocka_unit_test(leftovers_that_are_free_already_are_passed_over),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
