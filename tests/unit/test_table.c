/* test_table.c - the tracer's table: one writer, readers without a lock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <cmocka.h>
#include <pthread.h>

#include "tracer/table.h"

enum { KEYS = 50000 };

static uint64_t key_of(uint64_t i)
{
    return i * UINT64_C(0x9E3779B97F4A7C15) >> 20 << 4;
}

static void everything_inserted_is_found_and_nothing_else(void **state)
{
    (void)state;
    struct table table = {.tag_mask = 0};
    assert_int_equal(table_find(&table, 1, 0), 0);
    for (uint64_t i = 1; i <= KEYS; i++)
        assert_true(table_insert(&table, key_of(i), i));
    for (uint64_t i = 1; i <= KEYS; i++)
        assert_int_equal(table_find(&table, key_of(i), 0), i);
    for (uint64_t i = 1; i <= KEYS; i++)
        assert_int_equal(table_find(&table, key_of(i) + 1, 0), 0);
    assert_true(table_bytes(&table) >= KEYS * sizeof(struct table_cell) * 2);
    table_clear(&table);
    assert_int_equal(table_find(&table, key_of(1), 0), 0);
    assert_int_equal(table_bytes(&table), 0);
}

static void a_tag_tells_equal_keys_apart(void **state)
{
    (void)state;
    struct table table = {.tag_mask = UINT64_C(0xff) << 56};
    for (uint64_t tag = 1; tag <= 200; tag++)
        assert_true(table_insert(&table, 77, tag << 56 | (tag * 3)));
    for (uint64_t tag = 1; tag <= 200; tag++)
        assert_int_equal(table_find(&table, 77, tag << 56), tag << 56 | (tag * 3));
    assert_int_equal(table_find(&table, 77, UINT64_C(201) << 56), 0);
    assert_true(table_insert(&table, 77, UINT64_C(5) << 56 | 9)); /* replaces */
    assert_int_equal(table_find(&table, 77, UINT64_C(5) << 56), UINT64_C(5) << 56 | 9);
    table_clear(&table);
}

static void cells_are_at_most_three_for_a_key(void **state)
{
    (void)state;
    struct table table = {.tag_mask = 0};
    for (uint64_t i = 1; i <= KEYS; i++) {
        assert_true(table_insert(&table, key_of(i), i));
        size_t cells = table_bytes(&table) / sizeof(struct table_cell);
        assert_true(cells >= 2 * i && (cells <= 3 * i + 512 || i < 2048));
    }
    table_clear(&table);
}

static void a_place_is_used_only_if_it_is_free_still(void **state)
{
    (void)state;
    struct table table = {.tag_mask = 0};
    struct table_place nowhere, place;
    assert_int_equal(table_find_place(&table, key_of(1), 0, &nowhere), 0);
    assert_false(table_is_free(&table, &nowhere));
    assert_true(table_insert_at(&table, &nowhere, key_of(1), 1)); /* makes the cells */
    assert_false(table_is_free(&table, &nowhere));

    assert_int_equal(table_find_place(&table, key_of(2), 0, &place), 0);
    assert_true(table_is_free(&table, &place));
    assert_true(table_insert_at(&table, &place, key_of(2), 2));
    assert_false(table_is_free(&table, &place));
    assert_int_equal(table_find(&table, key_of(2), 0), 2);
    assert_true(table_insert_at(&table, &place, key_of(2), 22)); /* looks again, and replaces */
    assert_int_equal(table_find(&table, key_of(2), 0), 22);

    assert_int_equal(table_find_place(&table, key_of(KEYS), 0, &place), 0);
    for (uint64_t i = 3; i < KEYS; i++)
        assert_true(table_insert(&table, key_of(i), i));
    assert_false(table_is_free(&table, &place)); /* other cells since */
    assert_true(table_insert_at(&table, &place, key_of(KEYS), KEYS));
    assert_int_equal(table_find(&table, key_of(KEYS), 0), KEYS);
    assert_int_equal(table.used, KEYS);
    table_clear(&table);
    assert_false(table_is_free(&table, &place));
}

static struct table shared;
static _Atomic uint64_t published; /* keys 1..published are in the table */

/* Whoever knows that a key was inserted may miss it while the table grows, but never reads another
 * key's value. */
static void *read_always(void *wrong_values)
{
    uint64_t wrong = 0;
    for (uint64_t last = 0; last < KEYS;) {
        last = atomic_load(&published);
        for (uint64_t i = last > 64 ? last - 64 : 1; i <= last; i++) {
            uint64_t value = table_find(&shared, key_of(i), 0);
            wrong += value != 0 && value != i;
        }
    }
    *(uint64_t *)wrong_values = wrong;
    return NULL;
}

static void readers_never_see_a_value_of_another_key(void **state)
{
    (void)state;
    enum { READERS = 3 };
    pthread_t readers[READERS];
    uint64_t wrong[READERS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_always, &wrong[i]), 0);
    for (uint64_t i = 1; i <= KEYS; i++) {
        assert_true(table_insert(&shared, key_of(i), i));
        atomic_store(&published, i);
    }
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
        assert_int_equal(wrong[i], 0);
    }
    table_clear(&shared);
}

static pthread_mutex_t writers = PTHREAD_MUTEX_INITIALIZER;

static void insert_if_new(uint64_t key, uint64_t value)
{
    struct table_place place;
    if (table_find_place(&shared, key, 0, &place) != 0)
        return;
    pthread_mutex_lock(&writers);
    if (table_is_free(&shared, &place) || table_find_place(&shared, key, 0, &place) == 0)
        assert_true(table_insert_at(&shared, &place, key, value));
    pthread_mutex_unlock(&writers);
}

static void *insert_all(void *started)
{
    atomic_fetch_add((_Atomic int *)started, 1);
    while (atomic_load((_Atomic int *)started) < 2)
        ;
    for (uint64_t i = 1; i <= KEYS; i++)
        insert_if_new(key_of(i), i);
    return NULL;
}

static void two_who_insert_the_same_insert_it_once(void **state)
{
    (void)state;
    pthread_t other;
    _Atomic int started = 0;
    assert_int_equal(pthread_create(&other, NULL, insert_all, &started), 0);
    insert_all(&started);
    assert_int_equal(pthread_join(other, NULL), 0);
    size_t there = 0;
    for (size_t i = 0; i < shared.cells->count; i++)
        there += shared.cells->cell[i].value != 0;
    assert_int_equal(there, KEYS);
    assert_int_equal(shared.used, KEYS);
    table_clear(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_inserted_is_found_and_nothing_else),
        cmocka_unit_test(a_tag_tells_equal_keys_apart),
        cmocka_unit_test(cells_are_at_most_three_for_a_key),
        cmocka_unit_test(a_place_is_used_only_if_it_is_free_still),
        cmocka_unit_test(readers_never_see_a_value_of_another_key),
        cmocka_unit_test(two_who_insert_the_same_insert_it_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
