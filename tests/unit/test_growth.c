/* test_growth.c - a heap that may take so much more, and no more: what it has goes on serving. */
#include "allocators/growth.h"
#include "allocators/pool.h"
#include "tests/unit/unit.h"

enum { MIB = 1024 * 1024, BLOCKS = 4096 };

static void *blocks[BLOCKS];

/* Takes blocks until there are no more; how many. */
static size_t fill(size_t bytes)
{
    size_t count = 0;
    while (count < BLOCKS && (blocks[count] = heap_alloc(bytes)) != NULL)
        count++;
    return count;
}

static void drain(size_t count)
{
    while (count > 0)
        heap_free(blocks[--count]);
}

static void the_heap_grows_as_far_as_it_may(void **state)
{
    (void)state;
    heap_compact();
    growth_allow(8 * MIB);
    size_t count = fill(100000);
    assert_in_range(count, 70, 90);
    growth_allow(GROWTH_ANY);
    drain(count);
}

static void what_it_has_serves_again_and_again(void **state)
{
    (void)state;
    static const size_t sizes[] = {64, 3000, 30000, 100000, 1000000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        growth_allow(GROWTH_ANY);
        heap_compact();
        growth_allow(3 * MIB);
        size_t first = fill(sizes[i]);
        drain(first);
        size_t second = fill(sizes[i]);
        drain(second);
        assert_true(first > 0 && second >= first);
    }
    growth_allow(GROWTH_ANY);
}

static void own_mappings_count_and_their_growth_does(void **state)
{
    (void)state;
    growth_allow(100 * MIB);
    char *p = heap_alloc(60 * MIB);
    assert_non_null(p);
    assert_null(heap_alloc(60 * MIB));
    assert_null(heap_realloc(p, 120 * MIB));
    assert_int_equal(heap_usable(p), 60 * MIB);
    p = heap_realloc(p, 90 * MIB);
    assert_non_null(p);
    assert_in_range(atomic_load(&growth.left), 0, 11 * MIB);
    growth_allow(GROWTH_ANY);
    heap_free(p);
}

static void a_block_that_may_not_grow_in_place_keeps_its_contents(void **state)
{
    (void)state;
    growth_allow(GROWTH_ANY);
    char *p = heap_alloc(5 * MIB);
    memset(p, 0x5a, 5 * MIB);
    heap_compact();
    growth_allow(0);
    assert_null(heap_realloc(p, 20 * MIB));
    for (size_t i = 0; i < 5 * MIB; i += 4096)
        assert_int_equal(p[i], 0x5a);
    growth_allow(GROWTH_ANY);
    heap_free(p);
}

static void a_thread_that_is_free_takes_more(void **state)
{
    (void)state;
    heap_compact();
    growth_allow(0);
    assert_null(heap_alloc(10 * MIB));
    growth_is_free = true;
    void *p = heap_alloc(10 * MIB);
    growth_is_free = false;
    assert_non_null(p);
    assert_true(atomic_load(&growth.left) < 0);
    growth_allow(GROWTH_ANY);
    heap_free(p);
}

static bool stays(size_t i)
{
    return i % 16 == 0;
}

/* Slabs that are still in use: what lies beside the blocks that stay is had without growth. */
static void pages_that_were_given_back_are_growth(void **state)
{
    (void)state;
    size_t count = fill(3000), again = 0;
    assert_int_equal(count, BLOCKS);
    for (size_t i = 0; i < count; i++) {
        if (!stays(i))
            heap_free(blocks[i]);
    }
    heap_compact();
    growth_allow(MIB);
    for (size_t i = 0; i < count; i++) {
        if (!stays(i) && (blocks[i] = heap_alloc(3000)) != NULL)
            again++;
    }
    assert_in_range(again, MIB / 3000, 3 * MIB / 3000);
    growth_allow(GROWTH_ANY);
    for (size_t i = 0; i < count; i++) {
        if (blocks[i] != NULL)
            heap_free(blocks[i]);
    }
}

/* A class that nothing else here uses. */
static unsigned class_of_test(size_t bytes)
{
    unsigned class = size_class_of(bytes);
    assert_int_equal(size_tables.classes[class].bytes, bytes);
    assert_int_equal(pools[class].slabs, 0);
    heap_compact();
    return class;
}

static void a_slab_of_untouched_units_is_paid_for_once(void **state)
{
    (void)state;
    unsigned class = class_of_test(5120), objects = size_tables.classes[class].objects;
    growth_allow((int64_t)size_tables.classes[class].units * UNIT_BYTES);
    assert_int_equal(slab_take(class, blocks, objects), objects);
    assert_int_equal(atomic_load(&growth.left), 0);
    growth_allow(GROWTH_ANY);
    slab_give(class, blocks, objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heap_grows_as_far_as_it_may),
        cmocka_unit_test(what_it_has_serves_again_and_again),
        cmocka_unit_test(own_mappings_count_and_their_growth_does),
        cmocka_unit_test(a_block_that_may_not_grow_in_place_keeps_its_contents),
        cmocka_unit_test(a_thread_that_is_free_takes_more),
        cmocka_unit_test(pages_that_were_given_back_are_growth),
        cmocka_unit_test(a_slab_of_untouched_units_is_paid_for_once),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, audit_small_heap);
}
