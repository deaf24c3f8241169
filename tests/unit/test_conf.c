/* test_conf.c - options are read as the README promises and bad ones keep the default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "allocators/base/conf.h"

static struct conf conf_of(char *assignment)
{
    static struct conf conf;
    char *environment[] = {assignment, NULL};
    conf_init(&conf);
    conf_read(&conf, environment);
    return conf;
}

static void a_choice_is_read_by_its_word(void **state)
{
    (void)state;
    assert_int_equal(conf_of((char[]){"MPRESS_HEAP=mixed"}).heap, CONF_HEAP_MIXED);
    assert_int_equal(conf_of((char[]){"MPRESS_TRACE=full"}).trace, CONF_TRACE_FULL);
}

static void a_word_cut_short_is_not_a_choice(void **state)
{
    (void)state;
    assert_int_equal(conf_of((char[]){"MPRESS_HEAP=mix"}).heap, CONF_HEAP_MPRESS);
    assert_int_equal(conf_of((char[]){"MPRESS_HEAP="}).heap, CONF_HEAP_MPRESS);
}

static void sizes_take_suffixes(void **state)
{
    (void)state;
    assert_int_equal(conf_of((char[]){"MPRESS_RESERVE=64M"}).reserve, 64 << 20);
    assert_int_equal(conf_of((char[]){"MPRESS_RESERVE=1g"}).reserve, 1 << 30);
}

static void numbers_outside_their_range_keep_the_default(void **state)
{
    (void)state;
    uint64_t one_tib = UINT64_C(1) << 40;
    assert_true(conf_of((char[]){"MPRESS_RESERVE=1"}).reserve == one_tib);
    assert_true(conf_of((char[]){"MPRESS_RESERVE=99999999999999999999"}).reserve == one_tib);
    assert_true(conf_of((char[]){"MPRESS_RESERVE=16777216T"}).reserve == one_tib);
    assert_true(conf_of((char[]){"MPRESS_RESERVE=64Mx"}).reserve == one_tib);
    assert_true(conf_of((char[]){"MPRESS_RESERVE=-1"}).reserve == one_tib);
}

static void a_name_that_only_begins_like_an_option_is_none(void **state)
{
    (void)state;
    assert_int_equal(conf_of((char[]){"MPRESS_TRACE_=full"}).trace, CONF_TRACE_OFF);
}

/* Bytes of what is said about it. */
static size_t said_of(char *assignment)
{
    char text[256];
    int ends[2];
    int kept = dup(2);
    assert_true(kept >= 0 && pipe(ends) == 0 && dup2(ends[1], 2) == 2);
    close(ends[1]);
    conf_of(assignment);
    assert_int_equal(dup2(kept, 2), 2);
    close(kept);
    ssize_t bytes = read(ends[0], text, sizeof(text));
    close(ends[0]);
    assert_true(bytes >= 0);
    return (size_t)bytes;
}

static void a_name_is_complained_about_unless_it_is_an_option_or_of_the_tools(void **state)
{
    (void)state;
    assert_true(said_of((char[]){"MPRESS_LIBRAR=/x.so"}) > 0);
    assert_true(said_of((char[]){"MPRESS_LIBRARY_=/x.so"}) > 0);
    assert_int_equal(said_of((char[]){"MPRESS_LIBRARY=/x.so"}), 0);
    assert_int_equal(said_of((char[]){"MPRESS_STATS=1"}), 0);
}

static void every_row_can_be_read_back_as_text(void **state)
{
    (void)state;
    struct conf conf = conf_of((char[]){"MPRESS_STATS=1"});
    struct conf_row row;
    size_t rows = 0;
    for (; conf_read_row(&conf, rows, &row); rows++) {
        assert_in_range(strlen(row.variable), 1, 23); /* what their rows have room for */
        assert_in_range(strlen(row.help), 1, 159);
        assert_true(strlen(row.value) > 0);
        assert_int_equal(row.is_default, strcmp(row.variable, "MPRESS_STATS") != 0);
    }
    assert_true(rows >= 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_choice_is_read_by_its_word),
        cmocka_unit_test(a_word_cut_short_is_not_a_choice),
        cmocka_unit_test(sizes_take_suffixes),
        cmocka_unit_test(numbers_outside_their_range_keep_the_default),
        cmocka_unit_test(a_name_that_only_begins_like_an_option_is_none),
        cmocka_unit_test(a_name_is_complained_about_unless_it_is_an_option_or_of_the_tools),
        cmocka_unit_test(every_row_can_be_read_back_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
