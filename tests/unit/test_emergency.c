/* test_emergency.c - the arena of signal handlers: aligned, zeroed, limited, and used again. */
#include "tests/unit/unit.h"

#include "preload/emergency.h"

static void blocks_are_aligned_zeroed_and_known(void **state)
{
    (void)state;
    for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        unsigned char *p = emergency_alloc(100, alignment);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (alignment < 16 ? 16 : alignment), 0);
        assert_true(emergency_owns(p));
        assert_true(emergency_usable(p) >= 100);
        for (int i = 0; i < 100; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xee, emergency_usable(p));
        emergency_free();
    }
    assert_false(emergency_owns(&state));
}

static void a_full_arena_refuses_and_begins_anew_when_all_is_freed(void **state)
{
    (void)state;
    unsigned count = 0;
    char *first = emergency_alloc(10000, 0), *p = first;
    while (p != NULL) {
        count++;
        p = emergency_alloc(10000, 0);
    }
    assert_in_range(count, 20, 26); /* of 256 KiB */
    emergency_free();
    assert_null(emergency_alloc(10000, 0)); /* others are alive */
    while (--count > 0)
        emergency_free();
    assert_ptr_equal(emergency_alloc(10000, 0), first);
    emergency_free();
}

static void what_can_never_fit_is_refused(void **state)
{
    (void)state;
    assert_null(emergency_alloc(SIZE_MAX, 0));
    assert_null(emergency_alloc(300 * 1024, 0));
    assert_null(emergency_alloc(16, 8192));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_zeroed_and_known),
        cmocka_unit_test(a_full_arena_refuses_and_begins_anew_when_all_is_freed),
        cmocka_unit_test(what_can_never_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
