/* test_say.c - the formatter that replaces stdio inside the library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "allocators/base/say.h"

static void numbers_and_strings_come_out_as_printf_would(void **state)
{
    (void)state;
    char buffer[128];
    struct text text = TEXT_IN(buffer);
    text_add(&text, "%s %d %u %zu %lu %x %p %c%%", "a", -5, 7U, (size_t)1 << 40,
             18446744073709551615UL, 255U, (void *)0x1234, 'z');
    assert_string_equal(buffer, "a -5 7 1099511627776 18446744073709551615 ff 0x1234 z%");
}

static void the_smallest_integer_has_its_sign(void **state)
{
    (void)state;
    char buffer[64];
    struct text text = TEXT_IN(buffer);
    text_add(&text, "%ld %d", INT64_MIN, INT32_MIN);
    assert_string_equal(buffer, "-9223372036854775808 -2147483648");
}

static void a_full_buffer_cuts_and_stays_terminated(void **state)
{
    (void)state;
    char buffer[8];
    memset(buffer, 'x', sizeof(buffer));
    struct text text = TEXT_IN(buffer);
    text_add(&text, "%s", "0123456789");
    assert_int_equal(text.used, 7);
    assert_string_equal(buffer, "0123456");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_strings_come_out_as_printf_would),
        cmocka_unit_test(the_smallest_integer_has_its_sign),
        cmocka_unit_test(a_full_buffer_cuts_and_stays_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
