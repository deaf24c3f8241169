/* test_rate.c - how fast traces built for it allocate, and who does when it is fastest. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/subject.h"

enum { LANE = 2, MS = 1000000 };

static uint64_t next_address = 0x100000;

/* The time moves by 10 ns an event, and the clock is read each 64. */
static void allocate(struct builder *builder, unsigned count, uint64_t size, uint32_t stack)
{
    for (unsigned i = 0; i < count; i++, next_address += 0x10000)
        builder_alloc(builder, LANE, next_address, size, stack, 0, 0);
}

/* The clock is read, and again before the next events, which come later. */
static void wait_until(struct builder *builder, uint64_t time_ns)
{
    const struct builder_lane *lane = &builder->lanes[LANE];
    unsigned char record[16] = {TRACE_TIME};
    if (lane->block != 0) {
        unsigned char *end = trace_put_uvarint(record + 1, builder->now_ns - lane->time_ns);
        builder_raw(builder, LANE, record, (size_t)(end - record));
    }
    builder_close_block(builder, LANE);
    builder->now_ns = time_ns;
}

/* A slow start, 1,000 in the middle by one stack and 2 MB by another at the end, in a second. */
static struct rate *make(struct subject *subject, uint32_t stack[3])
{
    struct builder *builder = &subject->builder;
    for (int i = 0; i < 3; i++)
        stack[i] = builder_node(builder, 0, 0x1000 * (uint64_t)(i + 1));
    uint64_t start_ns = builder_header(builder)->start_ns;
    for (uint64_t i = 0; i < 10; i++) {
        wait_until(builder, start_ns + i * 40 * MS);
        allocate(builder, 1, 16, stack[0]);
    }
    wait_until(builder, start_ns + 501 * MS); /* within a window */
    allocate(builder, 1000, 16, stack[1]);
    allocate(builder, 10, 16, stack[0]);
    wait_until(builder, start_ns + 900 * MS);
    allocate(builder, 2, 1000 * 1000, stack[2]);
    builder_free(builder, LANE, next_address - 0x10000);
    wait_until(builder, start_ns + 1000 * MS);
    return &analyse(subject)->rate;
}

static void windows_add_up_to_all_that_happened(void **state)
{
    (void)state;
    uint32_t stack[3];
    struct subject *subject = begin();
    const struct rate *rate = make(subject, stack);
    uint64_t allocations = 0, bytes = 0, frees = 0;
    for (size_t i = 0; i < rate->windows; i++) {
        allocations += rate->window[i].count[RATE_ALLOCATIONS];
        bytes += rate->window[i].count[RATE_BYTES];
        frees += rate->window[i].frees;
    }
    assert_int_equal(allocations, 1022);
    assert_int_equal(bytes, 1020 * 16 + 2 * 1000 * 1000);
    assert_int_equal(frees, 1);
    assert_in_range(rate->window_ns, 1000 * MS / RATE_WINDOWS, 1001 * MS / RATE_WINDOWS + 1);
    double seconds = (double)rate->windows * (double)rate->window_ns / 1e9;
    assert_true(fabs(rate_get_mean(rate, RATE_ALLOCATIONS) * seconds - 1022) < 1e-6);
    double middle = rate_get(rate, RATE_ALLOCATIONS, 5, 10), before = 0;
    for (size_t i = 0; i < 4; i++)
        before += rate_get(rate, RATE_ALLOCATIONS, i, 10);
    assert_true(middle > 20 * before);
    end(subject);
}

static void the_busiest_windows_know_their_stacks(void **state)
{
    (void)state;
    uint32_t stack[3];
    struct subject *subject = begin();
    const struct rate *rate = make(subject, stack);
    const struct analysis *analysis = subject->analysis;
    const struct rate_burst *bursts[RATE_PARTS];
    assert_in_range(rate_find_bursts(rate, RATE_ALLOCATIONS, bursts, RATE_PARTS), 3, 14);
    assert_int_equal(bursts[0]->count[RATE_ALLOCATIONS], 1010);
    assert_int_equal(bursts[0]->stacks, 2);
    assert_int_equal(analysis->site[bursts[0]->stack[0].site].node, stack[1]);
    assert_int_equal(bursts[0]->stack[0].count[RATE_ALLOCATIONS], 1000);
    assert_int_equal(bursts[0]->stack[1].count[RATE_ALLOCATIONS], 10);
    uint64_t after_ns = analysis_since_start(analysis, bursts[0]->time_ns);
    assert_in_range(after_ns, 501 * MS - rate->window_ns, 501 * MS);
    assert_int_equal(rate_find_bursts(rate, RATE_BYTES, bursts, 1), 1);
    assert_int_equal(bursts[0]->count[RATE_BYTES], 2 * 1000 * 1000);
    assert_int_equal(analysis->site[bursts[0]->stack[0].site].node, stack[2]);
    end(subject);
}

/* A killed process: its file does not say when it ended. */
static void windows_join_where_the_run_is_longer_than_was_known(void **state)
{
    (void)state;
    struct store *store = store_create();
    struct trace_facts facts = {0};
    struct site sites[2] = {{.node = 1}, {.node = 2}};
    struct analysis *analysis = store_alloc(store, 1, sizeof *analysis);
    *analysis = (struct analysis){.store = store, .facts = &facts, .site = sites, .sites = 2};
    rate_init(analysis);
    uint64_t first_ns = analysis->rate.window_ns;
    for (uint64_t i = 0; i < 100000; i++) {
        const struct amount one = {.bytes = 10, .blocks = 1};
        uint64_t time_ns = i * 100 * 1000 + (i % 2) * 1000; /* 10 s, now and then a step back */
        rate_add(analysis, i > 50000 && i <= 50300, i < 50000 ? time_ns : time_ns - 99 * 1000,
                 &one);
        rate_add_free(analysis, time_ns, 2);
    }
    rate_finish(analysis);
    const struct rate *rate = &analysis->rate;
    uint64_t allocations = 0, frees = 0;
    for (size_t i = 0; i < rate->windows; i++) {
        allocations += rate->window[i].count[RATE_ALLOCATIONS];
        frees += rate->window[i].frees;
    }
    assert_int_equal(allocations, 100000);
    assert_int_equal(frees, 200000);
    assert_true(rate->window_ns > first_ns && rate->windows > RATE_WINDOWS / 4);
    const struct rate_burst *bursts[RATE_PARTS];
    size_t count = rate_find_bursts(rate, RATE_ALLOCATIONS, bursts, RATE_PARTS);
    assert_in_range(count, RATE_PARTS / 4, RATE_PARTS);
    for (size_t i = 0; i < count; i++) {
        uint64_t sum = 0;
        for (size_t k = 0; k < bursts[i]->stacks; k++)
            sum += bursts[i]->stack[k].count[RATE_ALLOCATIONS];
        assert_int_equal(sum, bursts[i]->count[RATE_ALLOCATIONS]);
    }
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_add_up_to_all_that_happened),
        cmocka_unit_test(the_busiest_windows_know_their_stacks),
        cmocka_unit_test(windows_join_where_the_run_is_longer_than_was_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
