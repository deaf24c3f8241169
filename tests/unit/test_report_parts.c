/* test_report_parts.c - what an analysis counts with: peaks without copies, live blocks, the
 * course, lines of a page, names. */
#define _GNU_SOURCE /* open_memstream */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/analysis/held.h"
#include "tools/analysis/live.h"
#include "tools/analysis/timeline.h"
#include "tools/report/page.h"
#include "tools/store.h"
#include "tools/symbols/demangle.h"

/* -- held ------------------------------------------------------------------------------------- */

static void the_amount_at_the_peak_is_kept_though_the_counter_goes_on(void **state)
{
    (void)state;
    struct held held = {0};
    held_add(&held, 100, 1);
    uint64_t peak = 2; /* the peak is here: 100 bytes */
    held_remove(&held, 100, peak);
    held_add(&held, 7, peak);
    assert_int_equal(held_get_at_peak(&held, peak).bytes, 100);
    assert_int_equal(held_get_at_peak(&held, peak).blocks, 1);
    assert_int_equal(held.now.bytes, 7);
}

static void a_counter_untouched_since_the_peak_is_at_its_peak_value(void **state)
{
    (void)state;
    struct held held = {0};
    held_add(&held, 5, 1);
    assert_int_equal(held_get_at_peak(&held, 900).bytes, 5);
}

/* Against the plain way: copy everything at every new maximum. */
static void peaks_agree_with_copying_on_random_histories(void **state)
{
    (void)state;
    enum { COUNTERS = 5, STEPS = 20000 };
    struct held held[COUNTERS] = {0};
    uint64_t copy[COUNTERS] = {0}, now[COUNTERS] = {0};
    uint64_t total = 0, most = 0, serial = 1;
    unsigned seed = 42;
    printf("seed %u\n", seed);
    srand(seed);
    for (int step = 0; step < STEPS; step++) {
        int i = rand() % COUNTERS;
        if (now[i] > 0 && rand() % 2 == 0) {
            held_remove(&held[i], 1, serial);
            now[i]--;
            total--;
        } else {
            held_add(&held[i], 1, serial);
            now[i]++;
            total++;
        }
        if (total > most) {
            most = total;
            serial++;
            memcpy(copy, now, sizeof copy);
        }
    }
    for (int i = 0; i < COUNTERS; i++)
        assert_int_equal(held_get_at_peak(&held[i], serial).bytes, copy[i]);
}

/* -- live ------------------------------------------------------------------------------------- */

static void count_block(const struct block *block, void *context)
{
    uint64_t *sums = context;
    sums[0]++;
    sums[1] += block->bytes;
}

static void blocks_are_found_by_their_seats_and_only_once(void **state)
{
    (void)state;
    enum { OBJECTS = 100 * 1000 };
    struct live live;
    struct block block;
    live_init(&live);
    for (uint64_t n = 1; n <= OBJECTS; n++) {
        live_insert(&live, (uint32_t)n, &(struct block){.object = n, .bytes = 3 * n});
        if (n % 3 == 0)
            assert_true(live_remove(&live, (uint32_t)n, &block));
    }
    uint64_t sums[2] = {0};
    live_visit(&live, count_block, sums);
    assert_int_equal(sums[0], OBJECTS - OBJECTS / 3);
    for (uint64_t n = 1; n <= OBJECTS; n++) {
        assert_int_equal(live_remove(&live, (uint32_t)n, &block), n % 3 != 0);
        if (n % 3 != 0)
            assert_int_equal(block.bytes, 3 * n);
        assert_false(live_remove(&live, (uint32_t)n, &block));
    }
    memset(sums, 0, sizeof sums);
    live_visit(&live, count_block, sums);
    assert_int_equal(sums[0], 0);
    live_fini(&live);
}

static void seat_zero_is_nobodys(void **state)
{
    (void)state;
    struct live live;
    struct block block;
    live_init(&live);
    assert_false(live_remove(&live, 0, &block));
    live_fini(&live);
}

/* -- timeline --------------------------------------------------------------------------------- */

static void the_course_keeps_the_most_of_each_column_however_long_it_gets(void **state)
{
    (void)state;
    struct timeline timeline;
    timeline_init(&timeline, 1000);
    for (uint64_t i = 0; i < 1000 * 1000; i++)
        timeline_add(&timeline, 1000 + i * 1000, i == 700 * 1000 ? 99 : 10);
    uint64_t above = 0;
    for (size_t i = 0; i < 10; i++) {
        uint64_t most = timeline_get(&timeline, i, 10);
        assert_true(most == 10 || most == 99);
        above += most == 99;
    }
    assert_int_equal(above, 1);
    uint64_t around = timeline_get(&timeline, 6, 10) + timeline_get(&timeline, 7, 10);
    assert_int_equal(around, 109); /* 70 % of the way, up to the rounding of columns */
}

static void a_time_without_events_shows_what_was_held(void **state)
{
    (void)state;
    struct timeline timeline;
    timeline_init(&timeline, 0);
    timeline_add(&timeline, 0, 50);
    timeline_add(&timeline, 1000 * 1000, 0);
    assert_int_equal(timeline_get(&timeline, 5, 10), 50);
}

static void times_that_run_backwards_or_far_ahead_are_survived(void **state)
{
    (void)state;
    struct timeline timeline;
    timeline_init(&timeline, 1000);
    timeline_add(&timeline, 5, 1);
    timeline_add(&timeline, UINT64_MAX, 2);
    timeline_add(&timeline, 3000, 3);
    assert_int_equal(timeline_get(&timeline, 0, 1), 3);
}

/* -- pages ------------------------------------------------------------------------------------ */

static void long_texts_are_cut_where_it_hurts_least(void **state)
{
    (void)state;
    char out[PAGE_CELL_BYTES];
    page_fit(out, "short", 10, false);
    assert_string_equal(out, "short");
    page_fit(out, "/usr/src/python/Objects/listobject.c:66", 20, true);
    assert_string_equal(out, "...s/listobject.c:66");
    page_fit(out, "abcdefghijklmnopqrstuvwxyz", 11, false);
    assert_string_equal(out, "abcd...wxyz");
    page_fit(out, "a\033[31mb\n", 10, false);
    assert_string_equal(out, "a?[31mb?");
}

static void a_bar_shows_that_something_is_there(void **state)
{
    (void)state;
    char bar[21];
    page_make_bar(bar, 20, 0, 100);
    assert_string_equal(bar, "");
    page_make_bar(bar, 20, 0.001, 100);
    assert_string_equal(bar, ".");
    page_make_bar(bar, 20, 50, 100);
    assert_string_equal(bar, "##########");
    page_make_bar(bar, 20, 500, 100);
    assert_int_equal(strlen(bar), 20);
}

static void paragraphs_wrap_at_80_columns_and_lose_no_word(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    struct page page;
    page_init(&page, out, true);
    char words[601] = "";
    for (int i = 0; i < 100; i++)
        strcat(words, "word5 ");
    page_paragraph(&page, 2, "* ", "%s", words);
    fclose(out);
    unsigned found = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(strlen(line) <= 80);
        assert_int_equal(strncmp(line, found == 0 ? "  * word5" : "    word5", 9), 0);
        for (char *at = line; (at = strstr(at, "word5")) != NULL; at++)
            found++;
    }
    assert_int_equal(found, 100);
    free(text);
}

/* -- names ------------------------------------------------------------------------------------ */

static void check_name(const char *mangled, const char *expected)
{
    char *name = demangle(mangled);
    assert_string_equal(name, expected);
    free(name);
}

static void names_of_cpp_and_rust_become_readable(void **state)
{
    (void)state;
    check_name("main", "main");
    check_name("_ZN3foo3barEi", "foo::bar");
    check_name("_ZNSt6vectorIiSaIiEE9push_backERKi",
               "std::vector<int, std::allocator<int> >::push_back");
    check_name("_RNvC6_123foo3bar", "123foo::bar");
    check_name("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt");
    check_name("_Znonsense", "_Znonsense");
}

static void check_short(const char *name, const char *expected)
{
    char copy[256];
    strcpy(copy, name);
    demangle_shorten(copy);
    assert_string_equal(copy, expected);
}

static void template_arguments_are_left_out_of_short_names(void **state)
{
    (void)state;
    check_short("std::vector<int, std::allocator<int> >::push_back", "std::vector<...>::push_back");
    check_short("f<int>", "f<...>");
    check_short("f<T>", "f<>");
    check_short("a<b<c<dd> > >::e<ffff>", "a<...>::e<...>");
    check_short("operator<< <char>", "operator<< <...>");
    check_short("X<yyy>::operator->", "X<...>::operator->");
    check_short("a > b", "a > b");
    check_short("a<b", "a");
    check_short("plain", "plain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_amount_at_the_peak_is_kept_though_the_counter_goes_on),
        cmocka_unit_test(a_counter_untouched_since_the_peak_is_at_its_peak_value),
        cmocka_unit_test(peaks_agree_with_copying_on_random_histories),
        cmocka_unit_test(blocks_are_found_by_their_seats_and_only_once),
        cmocka_unit_test(seat_zero_is_nobodys),
        cmocka_unit_test(the_course_keeps_the_most_of_each_column_however_long_it_gets),
        cmocka_unit_test(a_time_without_events_shows_what_was_held),
        cmocka_unit_test(times_that_run_backwards_or_far_ahead_are_survived),
        cmocka_unit_test(long_texts_are_cut_where_it_hurts_least),
        cmocka_unit_test(a_bar_shows_that_something_is_there),
        cmocka_unit_test(paragraphs_wrap_at_80_columns_and_lose_no_word),
        cmocka_unit_test(names_of_cpp_and_rust_become_readable),
        cmocka_unit_test(template_arguments_are_left_out_of_short_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
