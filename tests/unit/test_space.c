/* test_space.c - a reservation that does not end where a word of its bitmaps ends. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "allocators/unit.h"

/* 512 MiB and one unit: the last bits have a word, and the word a page, of their own. First fit
 * reads the bitmap of free runs for each request. */
enum { RESERVED_BYTES = 536887296 };

static int setup(void **state)
{
    (void)state;
    static struct conf conf;
    conf_init(&conf);
    conf.reserve = RESERVED_BYTES;
    conf.decay_ms = 0;
    conf.fit = CONF_FIT_FIRST;
    assert_int_equal(heap_init(&conf), 0);
    return 0;
}

static size_t take_every_unit(uint32_t *taken)
{
    size_t count = 0;
    for (uint32_t unit; (unit = unit_alloc(1, 1, NULL)) != UNIT_NONE; count++) {
        assert_true(count < space_units_max());
        taken[count] = unit;
        *(char *)space_address(unit) = 1;
    }
    return count;
}

/* Frees the units in an order that leaves every second one for later: no run merges at first. */
static void give_all_back(const uint32_t *taken, size_t count)
{
    for (size_t i = 0; i < count; i += 2)
        unit_free(taken[i], 1);
    heap_audit();
    for (size_t i = (count - 1) | 1; i > 1; i -= 2) {
        if (i < count)
            unit_free(taken[i], 1);
    }
    unit_free(taken[1], 1);
    heap_audit();
}

static void the_last_unit_has_bits_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(space_units_max() % 64, 1);
    uint32_t *taken = malloc(space_units_max() * sizeof(*taken));
    assert_non_null(taken);
    size_t first_time = take_every_unit(taken);
    assert_int_equal(taken[first_time - 1], space_units_max() - 1);
    give_all_back(taken, first_time);
    (void)unit_purge();
    heap_audit();
    assert_int_equal(take_every_unit(taken), first_time);
    for (size_t i = 1; i < first_time; i++)
        assert_true(taken[i] > taken[i - 1]);
    give_all_back(taken, first_time);
    free(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_unit_has_bits_of_its_own),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
