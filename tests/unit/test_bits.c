/* test_bits.c - ranges of bits against the bit by bit way. */
#include "tests/unit/unit.h"

#include "allocators/base/bits.h"

enum { WORDS = 5, BITS = WORDS * 64 };

static void ranges_touch_their_bits_and_no_others(void **state)
{
    (void)state;
    for (size_t first = 0; first < BITS; first += 7) {
        for (size_t count = 0; first + count <= BITS; count += 5) {
            uint64_t words[WORDS] = {0};
            bits_set(words, first, count);
            for (size_t bit = 0; bit < BITS; bit++)
                assert_int_equal(bit_is_set(words, bit), bit >= first && bit < first + count);
            assert_int_equal(bits_count(words, 0, BITS), count);
            bits_clear(words, first, count);
            assert_int_equal(bits_count(words, 0, BITS), 0);
        }
    }
}

static void counting_sees_only_its_range(void **state)
{
    (void)state;
    uint64_t words[WORDS], seed = 7;
    for (int i = 0; i < WORDS; i++)
        words[i] = random_next(&seed);
    for (size_t first = 0; first < BITS; first += 11) {
        size_t count = (BITS - first) / 2, set = 0;
        for (size_t bit = first; bit < first + count; bit++)
            set += bit_is_set(words, bit);
        assert_int_equal(bits_count(words, first, count), set);
    }
}

static void the_lowest_run_ends_at_the_first_gap(void **state)
{
    (void)state;
    assert_int_equal(bits_lowest_run(0), 0);
    assert_int_equal(bits_lowest_run(1), 1);
    assert_int_equal(bits_lowest_run(0xb6), 0x06);
    assert_int_equal(bits_lowest_run(UINT64_C(1) << 63), UINT64_C(1) << 63);
    assert_int_equal(bits_lowest_run(UINT64_C(0xfff) << 52), UINT64_C(0xfff) << 52);
    assert_int_equal(bits_lowest_run(UINT64_MAX), UINT64_MAX);
}

static void powers_and_roundings(void **state)
{
    (void)state;
    assert_false(is_power_of_two(0));
    assert_true(is_power_of_two(1) && is_power_of_two(4096));
    assert_false(is_power_of_two(4097));
    assert_int_equal(round_up(1, 16), 16);
    assert_int_equal(round_up(16, 16), 16);
    assert_int_equal(round_down(31, 16), 16);
    assert_int_equal(log2_floor(1), 0);
    assert_int_equal(log2_floor(4095), 11);
    assert_int_equal(log2_floor(SIZE_MAX), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_touch_their_bits_and_no_others),
        cmocka_unit_test(counting_sees_only_its_range),
        cmocka_unit_test(the_lowest_run_ends_at_the_first_gap),
        cmocka_unit_test(powers_and_roundings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
