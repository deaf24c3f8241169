/* test_outlook.c - the heap's course is taken down, and looked ahead from. */
#include "tests/unit/unit.h"

#include "allocators/base/os.h"
#include "allocators/pressure/outlook.h"

#define SECOND UINT64_C(1000000000)
#define MIB ((size_t)1024 * 1024)
enum { BLOCKS = 400 };

static void *blocks[BLOCKS];
static uint64_t now_ns;

/* One MiB more a second, for so many seconds; what passes by looks ten times in each. */
static void grow(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        for (unsigned tenth = 0; tenth < 10; tenth++) {
            if (tenth == 5)
                blocks[i] = memset(heap_alloc(MIB), 1, MIB);
            scavenge_hold();
            outlook_tick(now_ns);
            scavenge_release();
            now_ns += SECOND / 10;
        }
    }
}

static void shrink(unsigned to)
{
    for (unsigned i = 0; i < to; i++)
        heap_free(blocks[i]);
    heap_compact();
}

static int setup(void **state)
{
    setup_small_heap(state);
    now_ns = 1000000 * SECOND; /* later than any clock: who passes by for himself is too late */
    outlook_fork_child();
    outlook_init(true);
    return 0;
}

static void a_small_heap_has_no_outlook(void **state)
{
    (void)state;
    struct outlook outlook;
    grow(0, 2);
    assert_false(outlook_read(now_ns, 2 * MIB, 100 * MIB, &outlook));
    shrink(2);
}

static void the_growth_of_the_heap_is_seen_and_continued(void **state)
{
    (void)state;
    struct outlook outlook;
    grow(0, 10);
    assert_false(outlook_read(now_ns, 10 * MIB, 400 * MIB, &outlook)); /* too early */
    grow(10, 200);
    assert_true(outlook_read(now_ns, 200 * MIB, 400 * MIB, &outlook));
    assert_true(outlook.heap_bytes >= 200 * MIB && outlook.heap_bytes < 220 * MIB);
    assert_in_range(outlook.growth, MIB / 2, 2 * MIB);
    assert_true(outlook.reading.points > 49 && outlook.reading.points < 51);
    assert_true(outlook.reading.at[1].points > 63 && outlook.reading.at[1].points < 67);
    assert_true(outlook.reading.soonest[0] > 60 && outlook.reading.soonest[0] < 85);
    assert_false(outlook.reading.is_warned[2]);
    grow(200, 320);
    assert_true(outlook_read(now_ns, 320 * MIB, 400 * MIB, &outlook));
    assert_true(outlook.reading.is_warned[2] && outlook.reading.at[1].chance[2] > 0.5);
    assert_int_equal(outlook.reading.action, FORECAST_TRIM);
    shrink(320);
}

static void what_others_use_of_the_limit_counts(void **state)
{
    (void)state;
    struct outlook outlook;
    grow(0, 100);
    assert_true(outlook_read(now_ns, 300 * MIB, 400 * MIB, &outlook));
    assert_true(outlook.reading.points > 74.9 && outlook.reading.points < 75.1);
    assert_true(outlook.reading.slope > 0.2 &&
                outlook.reading.slope < 0.3);                         /* of 400, not of 100 */
    assert_true(outlook_read(now_ns, 50 * MIB, 400 * MIB, &outlook)); /* some of it swapped out */
    assert_true(outlook.reading.points > 12.4 && outlook.reading.points < 12.6);
    shrink(100);
}

static void the_child_of_a_fork_begins_anew(void **state)
{
    (void)state;
    struct outlook outlook;
    grow(0, 50);
    assert_true(outlook_read(now_ns, 50 * MIB, 400 * MIB, &outlook));
    heap_fork_child();
    assert_false(outlook_read(now_ns, 50 * MIB, 400 * MIB, &outlook));
    shrink(50);
}

static void switched_off_nothing_is_taken_down(void **state)
{
    (void)state;
    struct outlook outlook;
    outlook_init(false);
    grow(0, 50);
    assert_false(outlook_read(now_ns, 50 * MIB, 400 * MIB, &outlook));
    shrink(50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_small_heap_has_no_outlook, setup),
        cmocka_unit_test_setup(the_growth_of_the_heap_is_seen_and_continued, setup),
        cmocka_unit_test_setup(what_others_use_of_the_limit_counts, setup),
        cmocka_unit_test_setup(the_child_of_a_fork_begins_anew, setup),
        cmocka_unit_test_setup(switched_off_nothing_is_taken_down, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
