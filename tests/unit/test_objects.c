/* test_objects.c - the table of a trace's reader against a model: an array of what lives where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "tools/trace/objects.h"

enum { PLACES = 20000, STEPS = 400000 };

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (seed >> 33) % below;
}

/* Addresses in rows, as heaps have them, and some far away. */
static uint64_t units_of(size_t place)
{
    return place % 7 == 0 ? (uint64_t)place << 37 | 5 : 0x7f0000000 + place;
}

static void expect_alike(const struct objects *objects, const uint64_t *number, size_t place)
{
    uint32_t seat = objects_find(objects, units_of(place));
    if (number[place] == 0) {
        assert_int_equal(seat, 0);
        return;
    }
    assert_int_not_equal(seat, 0);
    assert_int_equal(objects_get(objects, seat)->units, units_of(place));
    assert_int_equal(objects_get(objects, seat)->number, number[place]);
    assert_int_equal(objects_get(objects, seat)->size, place);
}

/* Phases that fill and phases that drain it, so that it grows over what was removed. */
static void each_object_is_found_at_its_address_while_it_lives(void **state)
{
    (void)state;
    uint64_t *number = calloc(PLACES, sizeof *number);
    struct objects objects;
    size_t count = 0;
    objects_init(&objects);
    for (uint64_t step = 1; step <= STEPS; step++) {
        size_t place = draw(PLACES);
        bool fills = step / (STEPS / 8) % 2 == 0;
        expect_alike(&objects, number, place);
        if (number[place] != 0 && (!fills || draw(4) == 0)) {
            objects_remove(&objects, objects_find(&objects, units_of(place)));
            number[place] = 0;
            count--;
        } else if (number[place] == 0 && (fills || draw(4) == 0)) {
            objects_insert(&objects, units_of(place), step, place);
            number[place] = step;
            count++;
        }
        assert_int_equal(objects.count, count);
    }
    for (size_t place = 0; place < PLACES; place++)
        expect_alike(&objects, number, place);
    objects_fini(&objects);
    free(number);
}

static void seats_are_taken_again(void **state)
{
    (void)state;
    struct objects objects;
    objects_init(&objects);
    uint32_t first = objects_insert(&objects, 1, 1, 10);
    uint32_t second = objects_insert(&objects, 2, 2, 10);
    objects_remove(&objects, first);
    assert_int_equal(objects_get(&objects, first)->units, 0);
    assert_int_equal(objects_insert(&objects, 3, 3, 10), first);
    assert_int_equal(objects_find(&objects, 2), second);
    assert_int_equal(objects_find(&objects, 1), 0);
    objects_fini(&objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_object_is_found_at_its_address_while_it_lives),
        cmocka_unit_test(seats_are_taken_again),
    };
    seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
