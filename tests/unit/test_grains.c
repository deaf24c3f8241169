/* test_grains.c - the bitmaps of mixed zones: holes join, objects end, cut changes are mended. */
#include "tests/unit/unit.h"

#include "allocators/base/bits.h"
#include "allocators/grains.h"

enum { COUNT = 1024 };
static uint64_t free_words[COUNT / 64], end_words[COUNT / 64];
static const struct grains grains = {.free = free_words, .end = end_words, .count = COUNT};

static bool is_any_size(uint32_t size)
{
    return size > 0;
}

static bool is_short(uint32_t size)
{
    return size <= 64;
}

static int all_free(void **state)
{
    (void)state;
    memset(free_words, 0xff, sizeof(free_words));
    memset(end_words, 0, sizeof(end_words));
    return 0;
}

static void an_object_begins_and_ends_where_it_was_taken(void **state)
{
    (void)state;
    grains_take(&grains, 60, 8);
    grains_take(&grains, 68, 1);
    for (uint32_t at = 60; at < 68; at++) {
        assert_int_equal(grains_first_of(&grains, at), 60);
        assert_int_equal(grains_size_from(&grains, at), 68 - at);
    }
    assert_int_equal(grains_first_of(&grains, 68), 68);
    assert_int_equal(grains_size_from(&grains, 68), 1);
    grains_audit(&grains, is_any_size);
}

static void freed_neighbours_are_one_hole(void **state)
{
    (void)state;
    struct hole hole;
    for (uint32_t at = 0; at < COUNT; at += 16)
        grains_take(&grains, at, 16);
    assert_false(grains_next_hole(&grains, 0, &hole));
    grains_give(&grains, 48, 16);
    grains_give(&grains, 80, 16);
    grains_give(&grains, 64, 16);
    assert_true(grains_next_hole(&grains, 0, &hole));
    assert_int_equal(hole.first, 48);
    assert_int_equal(hole.end, 96);
    assert_int_equal(grains_longest_hole(&grains), 48);
    hole = grains_hole_around(&grains, 70);
    assert_int_equal(hole.first, 48);
    assert_int_equal(hole.end, 96);
    assert_false(grains_next_hole(&grains, 96, &hole));
    grains_audit(&grains, is_any_size);
}

static void the_last_grain_is_an_object_or_a_hole_as_any_other(void **state)
{
    (void)state;
    struct hole hole;
    uint32_t first, size;
    grains_take(&grains, 0, COUNT - 1);
    assert_true(grains_next_hole(&grains, 5, &hole));
    assert_int_equal(hole.first, COUNT - 1);
    assert_int_equal(hole.end, COUNT);
    grains_take(&grains, COUNT - 1, 1);
    assert_true(grains_next_object(&grains, COUNT - 1, &first, &size));
    assert_int_equal(first, COUNT - 1);
    assert_int_equal(size, 1);
    assert_false(grains_next_object(&grains, COUNT, &first, &size));
}

/* What a vanished thread leaves: an end without grains, grains without an end. */
static void a_cut_change_is_mended(void **state)
{
    (void)state;
    grains_take(&grains, 10, 20);
    bit_set(end_words, 700);         /* the first step of grains_take */
    bits_clear(free_words, 100, 28); /* the second one, of two words */
    grains_take(&grains, 300, 40);   /* the first step of grains_give, of two words */
    bits_set(free_words, 320, 20);
    grains_mend(&grains, is_any_size);
    grains_audit(&grains, is_any_size);
    assert_int_equal(grains_size_from(&grains, 10), 20);
    assert_int_equal(bits_count(free_words, 0, COUNT), COUNT - 20);
    assert_int_equal(bits_count(end_words, 0, COUNT), 1);
}

static void an_object_of_no_size_is_freed_by_the_mending(void **state)
{
    (void)state;
    grains_take(&grains, 0, 256);
    grains_take(&grains, 256, 64);
    grains_mend(&grains, is_short);
    assert_int_equal(bits_count(free_words, 0, COUNT), COUNT - 64);
    grains_audit(&grains, is_short);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_object_begins_and_ends_where_it_was_taken, all_free),
        cmocka_unit_test_setup(freed_neighbours_are_one_hole, all_free),
        cmocka_unit_test_setup(the_last_grain_is_an_object_or_a_hole_as_any_other, all_free),
        cmocka_unit_test_setup(a_cut_change_is_mended, all_free),
        cmocka_unit_test_setup(an_object_of_no_size_is_freed_by_the_mending, all_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
