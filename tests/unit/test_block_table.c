/* test_block_table.c - the table of own mappings against a plain array. */
#include "tests/unit/unit.h"

#include "allocators/block_table.h"

enum { KEYS = 3000, STEPS = 60000 };

static void *address(unsigned key)
{
    return (void *)(uintptr_t)(((uint64_t)key + 1) << 12);
}

static void random_traffic_agrees_with_an_array(void **state)
{
    (void)state;
    static size_t shadow[KEYS];
    static struct block_table table = BLOCK_TABLE_INIT;
    uint64_t seed = 99;
    print_message("seed %lu\n", (unsigned long)seed);
    for (int step = 0; step < STEPS; step++) {
        unsigned key = (unsigned)(random_next(&seed) % KEYS);
        assert_int_equal(block_table_find(&table, address(key)), shadow[key]);
        if (shadow[key] != 0 && shadow[key] < 2000) {
            shadow[key] += 2000;
            assert_true(block_table_grow(&table, address(key), shadow[key]));
        } else if (shadow[key] != 0) {
            assert_int_equal(block_table_remove(&table, address(key), NULL), shadow[key]);
            shadow[key] = 0;
        } else {
            shadow[key] = 1 + (size_t)(random_next(&seed) % 4096);
            assert_true(block_table_insert(&table, address(key), shadow[key], 4096));
        }
    }
    size_t blocks, bytes, expected_blocks = 0, expected_bytes = 0;
    for (unsigned key = 0; key < KEYS; key++) {
        assert_int_equal(block_table_find(&table, address(key)), shadow[key]);
        expected_blocks += shadow[key] != 0;
        expected_bytes += shadow[key];
    }
    block_table_read_totals(&table, &blocks, &bytes);
    assert_int_equal(blocks, expected_blocks);
    assert_int_equal(bytes, expected_bytes);
}

static void an_address_inside_a_block_is_known_as_such(void **state)
{
    (void)state;
    static struct block_table table = BLOCK_TABLE_INIT;
    assert_false(block_table_contains(&table, address(1)));
    assert_true(block_table_insert(&table, address(1), 100, 100));
    assert_true(block_table_contains(&table, (char *)address(1) + 99));
    assert_false(block_table_contains(&table, (char *)address(1) + 100));
    assert_int_equal(block_table_find(&table, (char *)address(1) + 1), 0);
    assert_int_equal(block_table_find(&table, NULL), 0);
}

static void a_block_grows_within_its_room(void **state)
{
    (void)state;
    size_t room, blocks, bytes;
    static struct block_table table = BLOCK_TABLE_INIT;
    assert_false(block_table_grow(&table, address(1), 1));
    assert_true(block_table_insert(&table, address(1), 100, 200));
    assert_true(block_table_grow(&table, address(1), 200));
    assert_false(block_table_grow(&table, address(1), 201));
    assert_false(block_table_grow(&table, address(1), 199));
    block_table_read_totals(&table, &blocks, &bytes);
    assert_int_equal(bytes, 200);
    assert_int_equal(block_table_remove(&table, address(1), &room), 200);
    assert_int_equal(room, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_traffic_agrees_with_an_array),
        cmocka_unit_test(an_address_inside_a_block_is_known_as_such),
        cmocka_unit_test(a_block_grows_within_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
