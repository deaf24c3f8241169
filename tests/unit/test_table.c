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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_inserted_is_found_and_nothing_else),
        cmocka_unit_test(a_tag_tells_equal_keys_apart),
        cmocka_unit_test(readers_never_see_a_value_of_another_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
