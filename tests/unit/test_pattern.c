/* test_pattern.c - the sizes that are asked for most are found, with the error the method allows.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "allocators/pattern.h"

static void sizes_more_frequent_than_one_in_five_are_always_found(void **state)
{
    (void)state;
    enum { NOTES = 20000, KINDS = 50 };
    uint64_t random = 2005;
    print_message("seed %llu\n", (unsigned long long)random);
    for (unsigned class = 20; class < 40; class ++) {
        uint64_t counts[KINDS] = {0};
        for (unsigned i = 0; i < NOTES; i++) {
            uint64_t kind = random_next(&random) % 100 < 60 ? random_next(&random) % 2
                                                            : random_next(&random) % KINDS;
            counts[kind]++;
            pattern_note(class, 1000 + kind, 8);
        }
        struct pattern pattern;
        pattern_read(class, &pattern);
        assert_int_equal(pattern.refills, NOTES);
        assert_int_equal(pattern.rounds, 8 * NOTES);
        for (unsigned i = 0; i < PATTERN_SIZES; i++) {
            uint64_t true_count = counts[pattern.size[i].bytes - 1000];
            assert_true(pattern.size[i].count >= true_count);
            assert_true(pattern.size[i].count <= true_count + NOTES / PATTERN_SIZES);
            assert_true(i == 0 || pattern.size[i - 1].count >= pattern.size[i].count);
        }
        assert_true(pattern.size[0].bytes <= 1001 && pattern.size[1].bytes <= 1001);
    }
}

static void an_untouched_class_has_no_sizes(void **state)
{
    (void)state;
    struct pattern pattern;
    pattern_read(SIZE_CLASS_FIRST + 1, &pattern);
    assert_int_equal(pattern.refills, 0);
    assert_int_equal(pattern.size[0].count, 0);
}

static void refills_of_the_heap_are_samples_of_its_requests(void **state)
{
    (void)state;
    enum { BLOCKS = 10000 };
    start_small_heap();
    heap_free(heap_alloc(1)); /* the second call gets a cache */
    heap_free(heap_alloc(1));
    unsigned class = size_class_of(300);
    for (unsigned i = 0; i < BLOCKS; i++) {
        void *p = heap_pop(class);
        assert_non_null(p != NULL ? p : heap_alloc(300));
    }
    struct pattern pattern;
    pattern_read(class, &pattern);
    assert_true(pattern.rounds >= BLOCKS && pattern.rounds <= BLOCKS + 256);
    assert_true(pattern.refills >= BLOCKS / 256 && pattern.refills < BLOCKS / 50);
    assert_int_equal(pattern.asked, pattern.refills * 300);
    assert_int_equal(pattern.size[0].bytes, 300);
    assert_int_equal(pattern.size[0].count, pattern.refills);
    assert_int_equal(pattern.size[1].count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_more_frequent_than_one_in_five_are_always_found),
        cmocka_unit_test(an_untouched_class_has_no_sizes),
        cmocka_unit_test(refills_of_the_heap_are_samples_of_its_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
