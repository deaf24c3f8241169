/* test_units.c - numbers as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/cli.h"
#include "tools/units.h"

static void bytes_have_three_digits_and_never_a_thousand(void **state)
{
    (void)state;
    assert_string_equal(units_bytes(0).at, "0 B");
    assert_string_equal(units_bytes(1023).at, "1023 B");
    assert_string_equal(units_bytes(1024).at, "1.00 KiB");
    assert_string_equal(units_bytes(12700).at, "12.4 KiB");
    assert_string_equal(units_bytes(999 * 1024).at, "999 KiB");
    assert_string_equal(units_bytes(1000 * 1024).at, "0.98 MiB");
    assert_string_equal(units_bytes(UINT64_C(5) << 30).at, "5.00 GiB");
    assert_string_equal(units_bytes(UINT64_MAX).at, "16.0 EiB");
}

static void counts_are_grouped_by_thousands(void **state)
{
    (void)state;
    assert_string_equal(units_count(0).at, "0");
    assert_string_equal(units_count(999).at, "999");
    assert_string_equal(units_count(1000).at, "1,000");
    assert_string_equal(units_count(1234567).at, "1,234,567");
    assert_string_equal(units_count(UINT64_MAX).at, "18,446,744,073,709,551,615");
}

static void durations_change_their_unit_where_people_do(void **state)
{
    (void)state;
    assert_string_equal(units_duration(0).at, "0 ns");
    assert_string_equal(units_duration(999).at, "999 ns");
    assert_string_equal(units_duration(1500).at, "1.50 us");
    assert_string_equal(units_duration(999600).at, "1.00 ms");
    assert_string_equal(units_duration(1250 * UINT64_C(1000000)).at, "1.25 s");
    assert_string_equal(units_duration(119 * UINT64_C(1000000000)).at, "119 s");
    assert_string_equal(units_duration(125 * UINT64_C(1000000000)).at, "2 min 05 s");
    assert_string_equal(units_duration(7260 * UINT64_C(1000000000)).at, "2 h 01 min");
}

static void shares_say_when_they_are_small_or_of_nothing(void **state)
{
    (void)state;
    assert_string_equal(units_percent(0, 0).at, "-");
    assert_string_equal(units_percent(0, 10).at, "0.0 %");
    assert_string_equal(units_percent(1, 100000).at, "<0.1 %");
    assert_string_equal(units_percent(1, 3).at, "33.3 %");
    assert_string_equal(units_percent(10, 10).at, "100 %");
    assert_string_equal(units_percent(UINT64_MAX, 1).at, ">999 %");
}

static void one_is_singular(void **state)
{
    (void)state;
    assert_string_equal(units_plural(1, "block").at, "1 block");
    assert_string_equal(units_plural(0, "block").at, "0 blocks");
    assert_string_equal(units_plural(12345, "block").at, "12,345 blocks");
}

static void rates_have_a_unit_of_their_own(void **state)
{
    (void)state;
    assert_string_equal(units_rate(12).at, "12 /s");
    assert_string_equal(units_rate(5.25e6).at, "5.25 M/s");
}

static void numbers_of_the_command_line_are_whole_and_in_range(void **state)
{
    (void)state;
    uint64_t number = 0;
    assert_true(cli_parse_number("256", 1, 256, &number));
    assert_int_equal(number, 256);
    assert_false(cli_parse_number("257", 1, 256, &number));
    assert_false(cli_parse_number("0", 1, 256, &number));
    assert_false(cli_parse_number("-1", 0, UINT64_MAX, &number));
    assert_false(cli_parse_number(" 1", 1, 256, &number));
    assert_false(cli_parse_number("1k", 1, 256, &number));
    assert_false(cli_parse_number("", 0, 256, &number));
    assert_false(cli_parse_number("99999999999999999999", 0, UINT64_MAX, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_three_digits_and_never_a_thousand),
        cmocka_unit_test(counts_are_grouped_by_thousands),
        cmocka_unit_test(durations_change_their_unit_where_people_do),
        cmocka_unit_test(shares_say_when_they_are_small_or_of_nothing),
        cmocka_unit_test(one_is_singular),
        cmocka_unit_test(rates_have_a_unit_of_their_own),
        cmocka_unit_test(numbers_of_the_command_line_are_whole_and_in_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
