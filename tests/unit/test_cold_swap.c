/* test_cold_swap.c - cold units go to swap space a slice at a time: on a system of the test's own,
 * where all memory is swapped out or not as the test says, and time goes by when some is. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "allocators/base/os_fault.h"
#include "allocators/cold/swap.h"
#include "allocators/space.h"

enum { MIB = 1024 * 1024, MS = 1000 * 1000, HEAP_UNITS = 24 * MIB / UNIT_BYTES, ALL_PAGES = 15 };

static struct {
    bool has_swap;
    uint64_t now_ns, cost_ns; /* of one unit */
    size_t calls;
    bool is_out[HEAP_UNITS + 4096];
    unsigned times[HEAP_UNITS + 4096]; /* swapped out so often */
} fake;

bool __wrap_os_has_swap(void);
bool __wrap_os_has_swap(void)
{
    return fake.has_swap;
}

uint64_t __wrap_os_time_ns(void);
uint64_t __wrap_os_time_ns(void)
{
    return fake.now_ns;
}

bool __wrap_os_read_present(const void *start, size_t bytes, uint64_t *pages);
bool __wrap_os_read_present(const void *start, size_t bytes, uint64_t *pages)
{
    assert_int_equal(bytes, UNIT_BYTES);
    *pages = fake.is_out[space_unit_of(start)] ? 0 : ALL_PAGES;
    return true;
}

int __wrap_os_set_cold(void *start, size_t bytes, bool out);
int __wrap_os_set_cold(void *start, size_t bytes, bool out)
{
    assert_true(out && bytes == UNIT_BYTES);
    fake.is_out[space_unit_of(start)] = true;
    fake.times[space_unit_of(start)]++;
    fake.now_ns += fake.cost_ns;
    return 0;
}

/* All is in memory. The hand and what it knows are as the test before left them. */
static int begin(void **state)
{
    static char *block;
    (void)state;
    if (block == NULL)
        block = heap_alloc(HEAP_UNITS * UNIT_BYTES);
    assert_non_null(block);
    cold_swap_fork_child();
    memset(fake.is_out, 0, sizeof fake.is_out);
    fake.has_swap = true;
    fake.cost_ns = 0;
    return 0;
}

/* All that is left, slice by slice. */
static size_t go_on(size_t *slices)
{
    size_t bytes = 0, slice;
    *slices = 0;
    while ((slice = cold_swap_go_on()) != 0) {
        bytes += slice;
        ++*slices;
    }
    return bytes;
}

static size_t out_units(void)
{
    size_t units = 0;
    for (size_t i = 0; i < sizeof fake.is_out; i++)
        units += fake.is_out[i];
    return units;
}

static void what_is_wanted_goes_out_in_slices(void **state)
{
    (void)state;
    size_t slices;
    assert_int_equal(cold_swap_out(10 * MIB), 4 * MIB);
    assert_int_equal(go_on(&slices), 6 * MIB);
    assert_int_equal(slices, 2);
    assert_int_equal(out_units(), 10 * MIB / UNIT_BYTES);
    assert_int_equal(cold_swap_go_on(), 0);
}

/* The rest of what its parent wanted is its parent's. */
static void a_child_begins_anew(void **state)
{
    (void)state;
    assert_int_equal(cold_swap_out(10 * MIB), 4 * MIB);
    cold_swap_fork_child();
    assert_int_equal(cold_swap_go_on(), 0);
}

static void a_slice_ends_with_its_time(void **state)
{
    (void)state;
    size_t slices;
    fake.cost_ns = MS;
    assert_int_equal(cold_swap_out(MIB), 5 * UNIT_BYTES);
    uint64_t before = fake.now_ns;
    assert_int_equal(cold_swap_go_on(), 5 * UNIT_BYTES);
    assert_int_equal(fake.now_ns - before, 5 * MS);
    assert_int_equal(go_on(&slices), MIB - 10 * UNIT_BYTES);
}

/* What was out before the test began is back: it was used. */
static void the_hand_goes_round_once_and_passes_over_what_was_used(void **state)
{
    (void)state;
    size_t slices, used = 0;
    for (size_t i = 0; i < sizeof fake.times / sizeof fake.times[0]; i++)
        used += fake.times[i] != 0;
    size_t first = cold_swap_out(SIZE_MAX);
    assert_int_equal(first + go_on(&slices), (HEAP_UNITS - used) * UNIT_BYTES);
    assert_int_equal(cold_swap_go_on(), 0);
}

static void what_came_back_is_left_alone_for_eight_rounds(void **state)
{
    (void)state;
    size_t slices, number = 0;
    for (int round = 0; round < 12; round++) {
        cold_swap_out(SIZE_MAX);
        go_on(&slices);
    }
    while (!fake.is_out[number])
        number++;
    unsigned before = fake.times[number];
    fake.is_out[number] = false;
    for (int round = 0; round < 9; round++) {
        cold_swap_out(SIZE_MAX);
        go_on(&slices);
        assert_int_equal(fake.times[number], before);
    }
    cold_swap_out(SIZE_MAX);
    go_on(&slices);
    assert_int_equal(fake.times[number], before + 1);
}

static void without_swap_space_nothing_is_asked_for(void **state)
{
    (void)state;
    fake.has_swap = false;
    assert_int_equal(cold_swap_out(MIB), 0);
    assert_int_equal(cold_swap_go_on(), 0);
    assert_int_equal(out_units(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_wanted_goes_out_in_slices, begin),
        cmocka_unit_test_setup(a_child_begins_anew, begin),
        cmocka_unit_test_setup(a_slice_ends_with_its_time, begin),
        cmocka_unit_test_setup(the_hand_goes_round_once_and_passes_over_what_was_used, begin),
        cmocka_unit_test_setup(what_came_back_is_left_alone_for_eight_rounds, begin),
        cmocka_unit_test_setup(without_swap_space_nothing_is_asked_for, begin),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
