/* test_depot.c - a depot with a limit, and shards by CPU. os_cpu is wrapped: the tests say where
 * they run. */
#include "tests/unit/unit.h"

#include "allocators/depot.h"
#include "allocators/slab.h"

unsigned __wrap_os_cpu(void);

static unsigned current_cpu;

unsigned __wrap_os_cpu(void)
{
    return current_cpu;
}

static struct magazine *full_magazine(unsigned class)
{
    struct magazine *magazine = magazine_get(class, 1);
    assert_non_null(magazine);
    while (magazine->rounds < magazine->capacity)
        magazine->rounds += slab_take(class, magazine->slot + 1 + magazine->rounds,
                                      magazine->capacity - magazine->rounds);
    return magazine;
}

static void forget(struct magazine *magazine)
{
    slab_give(magazine->class, magazine->slot + 1, magazine->rounds);
    magazine_put(magazine);
}

static void expect_nothing_out(unsigned class)
{
    struct slab_stats stats;
    slab_read_stats(class, &stats);
    assert_int_equal(stats.taken_objects, 0);
    assert_int_equal(depot_rounds(class), 0);
}

/* Leaves magazines on the CPU until it wants no more; how many it took. */
static unsigned fill(unsigned class, unsigned cpu, struct magazine **latest)
{
    unsigned taken = 0;
    current_cpu = cpu;
    struct magazine *refused;
    while (depot_put(refused = full_magazine(class))) {
        *latest = refused;
        assert_true(++taken < 1000);
    }
    forget(refused);
    return taken;
}

static void the_depot_takes_until_its_limit_and_gives_the_latest(void **state)
{
    (void)state;
    unsigned class = size_class_of(4096);
    struct magazine *latest = NULL;
    depot_init(2);
    unsigned taken = fill(class, 0, &latest);
    assert_true(taken > 1);
    assert_int_equal(depot_rounds(class), taken * latest->capacity);
    assert_ptr_equal(depot_get(class), latest);
    assert_int_equal(depot_rounds(class), (taken - 1) * latest->capacity);
    assert_null(depot_get(size_class_of(48)));
    forget(latest);
    depot_drain();
    expect_nothing_out(class);
}

static void one_cpu_has_one_shelf(void **state)
{
    (void)state;
    unsigned class = size_class_of(512);
    struct magazine *latest = NULL;
    depot_init(1);
    fill(class, 0, &latest);
    current_cpu = 3;
    struct magazine *refused = full_magazine(class);
    assert_false(depot_put(refused));
    assert_ptr_equal(depot_get(class), latest);
    forget(refused);
    forget(latest);
    depot_drain();
    expect_nothing_out(class);
}

static void expect_shelves_of_their_own(unsigned cpus)
{
    unsigned class = size_class_of(512);
    struct magazine *here = NULL, *there = NULL;
    depot_init(cpus);
    unsigned whole = fill(class, 1, &here); /* what the others do not use is this one's too, */
    assert_int_equal(fill(class, 6 % cpus, &there), whole / cpus); /* and they still have theirs */
    current_cpu = 1;
    assert_ptr_equal(depot_get(class), here);
    forget(here);
    for (unsigned i = 1; i < whole; i++)
        forget(depot_get(class));
    assert_ptr_equal(depot_get(class), there); /* nothing is left here */
    forget(there);
    assert_int_equal(fill(class, 1, &here), whole - whole / cpus + 1);
    depot_drain();
    expect_nothing_out(class);
}

static void each_cpu_has_its_own_and_takes_from_others_last(void **state)
{
    (void)state;
    expect_shelves_of_their_own(2);
    expect_shelves_of_their_own(8);
}

static void more_cpus_than_shards_still_find_a_shelf(void **state)
{
    (void)state;
    unsigned class = size_class_of(64);
    depot_init(1000);
    for (unsigned cpu = 0; cpu < 1000; cpu += 37) {
        current_cpu = cpu;
        struct magazine *magazine = full_magazine(class);
        assert_true(depot_put(magazine));
        assert_ptr_equal(depot_get(class), magazine);
        forget(magazine);
    }
    expect_nothing_out(class);
}

static void what_nobody_needs_leaves_every_shelf_at_the_second_tick(void **state)
{
    (void)state;
    unsigned class = size_class_of(64);
    depot_init(8);
    depot_tick();
    for (current_cpu = 0; current_cpu < 8; current_cpu++)
        assert_true(depot_put(full_magazine(class)));
    depot_tick(); /* they were not there all the time */
    assert_true(depot_rounds(class) > 0);
    depot_tick();
    expect_nothing_out(class);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_depot_takes_until_its_limit_and_gives_the_latest),
        cmocka_unit_test(one_cpu_has_one_shelf),
        cmocka_unit_test(each_cpu_has_its_own_and_takes_from_others_last),
        cmocka_unit_test(more_cpus_than_shards_still_find_a_shelf),
        cmocka_unit_test(what_nobody_needs_leaves_every_shelf_at_the_second_tick),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
