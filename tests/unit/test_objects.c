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

struct record {
    uint64_t number;
    size_t place;
};

static const struct record *record_of(const struct objects *objects, uint32_t seat)
{
    return objects_get(objects, seat);
}

static void expect_alike(const struct objects *objects, const uint64_t *number, size_t place)
{
    uint32_t seat = objects_find(objects, units_of(place));
    if (number[place] == 0) {
        assert_int_equal(seat, 0);
        return;
    }
    assert_int_not_equal(seat, 0);
    assert_int_equal(record_of(objects, seat)->number, number[place]);
    assert_int_equal(record_of(objects, seat)->place, place);
}

static void put(struct objects *objects, size_t place, uint64_t number, bool is_there)
{
    uint32_t before, seat = objects_put(objects, units_of(place), &before);
    assert_int_equal(before, is_there ? seat : 0);
    *(struct record *)objects_get(objects, seat) = (struct record){number, place};
}

static void expect_all_alike(const struct objects *objects, const uint64_t *number)
{
    size_t place = 0, count = 0;
    uint64_t key;
    uint32_t seat;
    for (; objects_next(objects, &place, &key, &seat); count++) {
        const struct record *record = record_of(objects, seat);
        assert_int_equal(key, units_of(record->place));
        assert_int_equal(record->number, number[record->place]);
    }
    assert_int_equal(count, objects->count);
    for (place = 0; place < PLACES; place++)
        expect_alike(objects, number, place);
}

/* Phases that fill and phases that drain it, so that it grows over what was removed. */
static void each_object_is_found_at_its_address_while_it_lives(void **state)
{
    (void)state;
    uint64_t *number = calloc(PLACES, sizeof *number);
    struct objects objects;
    size_t count = 0;
    objects_init(&objects, sizeof(struct record));
    for (uint64_t step = 1; step <= STEPS; step++) {
        size_t place = draw(PLACES);
        bool fills = step / (STEPS / 8) % 2 == 0, is_there = number[place] != 0;
        expect_alike(&objects, number, place);
        if (is_there && (!fills || draw(4) == 0)) {
            uint32_t seat = objects_remove(&objects, units_of(place));
            assert_int_equal(record_of(&objects, seat)->number, number[place]);
            number[place] = 0;
            count--;
        } else if (fills || draw(4) == 0) {
            put(&objects, place, step, is_there);
            number[place] = step;
            count += !is_there;
        } else if (!is_there) {
            assert_int_equal(objects_remove(&objects, units_of(place)), 0);
        }
        assert_int_equal(objects.count, count);
    }
    expect_all_alike(&objects, number);
    objects_fini(&objects);
    free(number);
}

/* B1: otherwise searches would go on for ever longer. */
static void what_went_leaves_nothing_behind(void **state)
{
    (void)state;
    struct objects objects;
    objects_init(&objects, 1);
    for (size_t place = 0; place < PLACES; place++)
        objects_insert(&objects, units_of(place));
    for (size_t place = PLACES; place-- > 0;)
        assert_int_not_equal(objects_remove(&objects, units_of(place)), 0);
    for (size_t i = 0; i < objects.buckets; i++) {
        assert_int_equal(objects.bucket[i].passed, 0);
        assert_int_equal(objects_match(&objects.bucket[i], 0), (1U << OBJECTS_KEYS) - 1);
    }
    objects_fini(&objects);
}

static void seats_are_taken_again(void **state)
{
    (void)state;
    struct objects objects;
    objects_init(&objects, 1);
    uint32_t first = objects_insert(&objects, 1);
    uint32_t second = objects_insert(&objects, 2);
    assert_int_equal(objects_remove(&objects, 1), first);
    assert_int_equal(objects_insert(&objects, 3), first);
    assert_int_equal(objects_find(&objects, 2), second);
    assert_int_equal(objects_find(&objects, 1), 0);
    objects_fini(&objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_object_is_found_at_its_address_while_it_lives),
        cmocka_unit_test(what_went_leaves_nothing_behind),
        cmocka_unit_test(seats_are_taken_again),
    };
    seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
