/* test_reader_leaks.c - what a look for lost blocks left in a trace, as the reader sees it. */
#include "tests/unit/built_trace.h"

static void add_lost(const uint64_t *addresses, const enum trace_leak *kinds, size_t count)
{
    unsigned char entries[256], *at = entries;
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t difference = trace_zigzag((int64_t)((addresses[i] >> 4) - last));
        at = trace_put_uvarint(at, difference << 2 | (uint64_t)kinds[i]);
        last = addresses[i] >> 4;
    }
    builder_info(&builder, TRACE_INFO_LOST, entries, (size_t)(at - entries));
}

static void add_leaks(uint64_t pause_ns)
{
    struct trace_leaks leaks = {.pause_ns = pause_ns};
    builder_info(&builder, TRACE_INFO_LEAKS, &leaks, sizeof(leaks));
}

/* The blocks that the trace tells of are these, in this order. */
static void expect_lost(const struct trace *trace, const uint64_t *addresses, size_t count)
{
    struct trace_lost_place place = {0};
    struct trace_lost lost;
    for (size_t i = 0; i < count; i++) {
        assert_true(trace_lost_next(trace, &place, &lost));
        assert_int_equal(lost.address, addresses[i]);
    }
    assert_false(trace_lost_next(trace, &place, &lost));
    assert_false(trace_lost_next(trace, &place, &lost));
}

static const uint64_t high[] = {0x7f0000000010, 0x7e0000000020, 0x7fffffffff0};
static const uint64_t low[] = {0x10000, 0x30000};
static const enum trace_leak kinds[] = {TRACE_LEAK_LOST, TRACE_LEAK_BY_LOST, TRACE_LEAK_INSIDE};

static void the_records_before_a_look_are_its_blocks(void **state)
{
    (void)state;
    add_lost(high, kinds, 3);
    add_lost(low, kinds, 2);
    add_leaks(123);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_int_equal(trace_facts(trace)->leaks->pause_ns, 123);
    expect_lost(trace, (const uint64_t[]){high[0], high[1], high[2], low[0], low[1]}, 5);
    struct trace_lost_place place = {0};
    struct trace_lost lost;
    for (size_t i = 0; i < 3; i++) {
        assert_true(trace_lost_next(trace, &place, &lost));
        assert_int_equal(lost.kind, kinds[i]);
    }
    trace_close(trace);
}

static void the_last_look_counts(void **state)
{
    (void)state;
    add_lost(high, kinds, 3);
    add_leaks(1);
    add_lost(low, kinds, 2);
    add_leaks(2);
    struct trace *trace = open_good();
    assert_int_equal(trace_facts(trace)->leaks->pause_ns, 2);
    expect_lost(trace, low, 2);
    trace_close(trace);
}

static void a_look_that_found_nothing_takes_back_the_one_before(void **state)
{
    (void)state;
    add_lost(high, kinds, 3);
    add_leaks(1);
    add_leaks(2);
    struct trace *trace = open_good();
    expect_lost(trace, NULL, 0);
    trace_close(trace);
}

static void a_look_that_was_cut_tells_nothing(void **state)
{
    (void)state;
    add_lost(high, kinds, 3);
    struct trace *trace = open_good();
    assert_null(trace_facts(trace)->leaks);
    expect_lost(trace, NULL, 0);
    trace_close(trace);
}

static void entries_that_are_cut_or_too_large_end_their_record(void **state)
{
    (void)state;
    static const unsigned char cut[] = {0x04, 0x80};
    static const unsigned char too_large[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff, 0xff};
    builder_info(&builder, TRACE_INFO_LOST, cut, sizeof(cut));
    builder_info(&builder, TRACE_INFO_LOST, too_large, sizeof(too_large));
    builder_info(&builder, TRACE_INFO_LOST, cut, 0);
    add_lost(low, kinds, 2);
    add_leaks(1);
    struct trace *trace = open_good();
    struct trace_lost_place place = {0};
    struct trace_lost lost;
    size_t found = 0;
    while (trace_lost_next(trace, &place, &lost))
        found++;
    assert_int_equal(found, 3);
    trace_close(trace);
}

static void a_look_cut_short_is_damage(void **state)
{
    (void)state;
    builder_info(&builder, TRACE_INFO_LEAKS, high, 8);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_null(trace_facts(trace)->leaks);
    assert_true(has_warning(trace, "damaged"));
    trace_close(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_records_before_a_look_are_its_blocks, begin, finish),
        cmocka_unit_test_setup_teardown(the_last_look_counts, begin, finish),
        cmocka_unit_test_setup_teardown(a_look_that_found_nothing_takes_back_the_one_before, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(a_look_that_was_cut_tells_nothing, begin, finish),
        cmocka_unit_test_setup_teardown(entries_that_are_cut_or_too_large_end_their_record, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(a_look_cut_short_is_damage, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
