/* test_patterns.c - bytes an object, lives, handed-over blocks and stages, in traces built for it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/trace_builder.h"
#include "tools/analysis/analysis.h"
#include "tools/analysis/groups.h"
#include "tools/analysis/scaling.h"

enum { LANE = 2, OTHER = 3, THIRD = 4 };

static struct builder builder;
static struct trace *trace;

static int begin(void **state)
{
    (void)state;
    builder_init(&builder);
    return 0;
}

static struct analysis *analyse(void)
{
    builder_end(&builder, TRACE_END_EXIT);
    char *path = builder_write(&builder);
    struct trace_error error;
    trace = trace_open(path, &error);
    assert_non_null(trace);
    unlink(path);
    free(path);
    return analysis_run(trace, NULL);
}

static void end(struct analysis *analysis)
{
    analysis_destroy(analysis);
    trace_close(trace);
    builder_fini(&builder);
}

/* The thread that sets a mark writes its clock. */
static void mark(const char *label)
{
    struct builder_lane *lane = &builder.lanes[LANE];
    unsigned char record[16] = {TRACE_TIME};
    if (lane->block != 0 && builder.now_ns > lane->time_ns) {
        unsigned char *end = trace_put_uvarint(record + 1, builder.now_ns - lane->time_ns);
        builder_raw(&builder, LANE, record, (size_t)(end - record));
        lane->time_ns = builder.now_ns;
        lane->events_since_time = 0;
    }
    builder_mark(&builder, label);
    builder.now_ns += 10;
}

/* Objects of 40 bytes and one table, of which each mark tells the number. */
static void bytes_an_object_are_the_slope(void **state)
{
    (void)state;
    uint32_t object = builder_node(&builder, 0, 0x1000), table = builder_node(&builder, 0, 0x2000);
    builder_alloc(&builder, LANE, 0x900000, 5000, table, 0, 0);
    for (uint64_t i = 0; i < 40; i++) {
        char label[32];
        if (i % 10 == 0) {
            snprintf(label, sizeof label, "loaded count=%u", (unsigned)i);
            mark(label);
        }
        builder_alloc(&builder, LANE, 0x10000 + i * 64, 40, object, 0, 0);
    }
    mark("count=x is none, nor is discount=7");
    struct analysis *analysis = analyse();
    struct groups groups;
    struct scaling scaling;
    groups_init(&groups, analysis, 8);
    scaling_read(&scaling, &groups);
    assert_int_equal(scaling.points, 4);
    assert_true(fabs(scaling.total.each - 40) < 1e-6 && fabs(scaling.total.fixed - 5000) < 1e-6);
    assert_true(fabs(scaling.total.fit - 1) < 1e-9);
    assert_int_equal(scaling.groups, 1);
    assert_int_equal(scaling.group[0].group.node, object);
    assert_true(scaling.least == 0 && scaling.most == 30);
    end(analysis);
}

static void two_counts_are_no_line(void **state)
{
    (void)state;
    static const double counts[] = {1, 2, 1, 2}, other[] = {1, 2, 3, 3};
    static const double bytes[] = {10, 20, 10, 30};
    struct scaling_line line;
    builder_fini(&builder);
    assert_false(scaling_fit(counts, bytes, 4, &line));
    assert_false(scaling_fit(counts, bytes, 0, &line));
    assert_true(scaling_fit(other, bytes, 4, &line));
    assert_true(line.fit < 0.9);
}

static void blocks_are_counted_from_thread_to_thread(void **state)
{
    (void)state;
    builder_alloc(&builder, LANE, 0x10000, 100, 0, 0, 0);
    builder_alloc(&builder, LANE, 0x20000, 200, 0, 0, 0);
    builder_alloc(&builder, LANE, 0x30000, 1000, 0, 0, 0);
    builder_sync(&builder, OTHER);
    builder_free(&builder, OTHER, 0x10000);
    builder_free(&builder, OTHER, 0x20000);
    builder_sync(&builder, THIRD);
    builder_free(&builder, THIRD, 0x30000);
    builder_alloc(&builder, THIRD, 0x40000, 1, 0, 0, 0);
    builder_free(&builder, THIRD, 0x40000);
    struct analysis *analysis = analyse();
    assert_int_equal(flows_sort(&analysis->flows), 2);
    const struct flow *flow = analysis->flows.flow;
    assert_int_equal(flow[0].amount.bytes, 1000);
    assert_int_equal(flow[1].amount.bytes, 300);
    assert_int_equal(flow[1].amount.blocks, 2);
    assert_int_equal(flow[0].from, flow[1].from);
    assert_int_not_equal(flow[0].to, flow[1].to);
    end(analysis);
}

static void many_pairs_of_threads_are_told_apart(void **state)
{
    (void)state;
    struct store *store = store_create();
    struct flows flows = {0};
    builder_fini(&builder);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t from = 0; from < 50; from++) {
            for (uint32_t to = 0; to < 50; to++)
                flows_add(&flows, store, from, to, &(struct amount){.bytes = from, .blocks = 1});
        }
    }
    assert_int_equal(flows_sort(&flows), 2500);
    for (size_t i = 0; i < 2500; i++) {
        assert_int_equal(flows.flow[i].amount.blocks, 3);
        assert_int_equal(flows.flow[i].amount.bytes, 3 * flows.flow[i].from);
        assert_true(i == 0 || flows.flow[i].amount.bytes <= flows.flow[i - 1].amount.bytes);
    }
    store_destroy(store);
}

static void a_stack_knows_the_lives_and_the_moves_of_its_blocks(void **state)
{
    (void)state;
    uint32_t brief = builder_node(&builder, 0, 0x1000), moves = builder_node(&builder, 0, 0x2000);
    builder_alloc(&builder, LANE, 0x10000, 100, brief, 0, 0);
    builder_free(&builder, LANE, 0x10000);
    builder_alloc(&builder, LANE, 0x20000, 100, brief, 0, 0);
    builder_realloc(&builder, LANE, 0x20000, 0x30000, 400, moves);
    builder_realloc(&builder, LANE, 0x30000, 0x40000, 50, moves);
    struct analysis *analysis = analyse();
    const struct site *site = analysis->site;
    uint64_t lived = 0;
    for (size_t i = 0; i < LIFE_CLASSES; i++)
        lived += site[0].life[i];
    assert_int_equal(lived, 1); /* a realloc ends no life */
    assert_int_equal(site[1].moved, 2);
    assert_int_equal(site[1].copied, 150);
    end(analysis);
}

/* 20 ns, where the clock is read each 640. */
static void lives_too_short_for_the_clock_are_one_class(void **state)
{
    (void)state;
    uint32_t stack = builder_node(&builder, 0, 0x1000);
    builder_alloc(&builder, LANE, 0x90000, 100, stack, 0, 0);
    for (int i = 0; i < 1000; i++) {
        builder_alloc(&builder, LANE, 0x10000, 100, stack, 0, 0);
        builder_free(&builder, LANE, 0x10000);
    }
    builder_free(&builder, LANE, 0x90000);
    struct analysis *analysis = analyse();
    assert_int_equal(analysis->shortest_life, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(analysis->life[i].blocks + analysis->site[0].life[i], 0);
    assert_int_equal(analysis->life[3].blocks, 1000); /* below 10 us */
    assert_int_equal(analysis->life[3].bytes, 100000);
    assert_int_equal(analysis->life[4].blocks, 1);
    assert_int_equal(analysis->site[0].life[3], 1000);
    end(analysis);
}

/* Levels at marks, also of events that come late in the file. */
static void each_mark_knows_what_was_held(void **state)
{
    (void)state;
    uint32_t stack = builder_node(&builder, 0, 0x1000);
    builder_alloc(&builder, LANE, 0x10000, 100, stack, 0, 0);
    mark("one");
    builder_alloc(&builder, LANE, 0x20000, 200, stack, 0, 0);
    builder_free(&builder, LANE, 0x10000);
    mark("two");
    builder_alloc(&builder, LANE, 0x30000, 1000, stack, 0, 0);
    struct analysis *analysis = analyse();
    const struct course *course = &analysis->course;
    int64_t *bytes = store_alloc(analysis->store, course->moments + 1, sizeof bytes[0]);
    course_read(course, bytes);
    int64_t at[2] = {0}, kept = 0;
    for (size_t i = 0; i < course->moments; i++) {
        kept += (int64_t)course->born[i];
        if (course->moment[i].mark != 0)
            at[course->moment[i].mark - 1] = bytes[i];
    }
    assert_int_equal(at[0], 100);
    assert_int_equal(at[1], 200);
    assert_int_equal(bytes[course->moments], 1200);
    assert_int_equal(kept + (int64_t)course->born[course->moments], 1200);
    end(analysis);
}

/* More marks than a site has room for at first, and in another lane an event at the time of an
 * early one, which is behind it. */
static void each_stack_knows_what_it_held_at_each_mark(void **state)
{
    (void)state;
    enum { MARKS = 10, EARLY = 3 };
    uint32_t stack = builder_node(&builder, 0, 0x1000), other = builder_node(&builder, 0, 0x2000);
    uint64_t early_ns = 0;
    for (uint64_t i = 0; i < MARKS; i++) {
        builder_alloc(&builder, LANE, (i + 1) << 12, 100, stack, 0, 0);
        if (i == EARLY)
            early_ns = builder.now_ns;
        mark("a mark");
    }
    builder_alloc(&builder, LANE, 0x900000, 50, other, 0, 0);
    builder.now_ns = early_ns;
    builder_alloc(&builder, OTHER, 0x800000, 7, stack, 0, 0);
    builder.now_ns += 10000;
    struct analysis *analysis = analyse();
    const struct course *course = &analysis->course;
    int64_t *bytes = store_alloc(analysis->store, course->moments + 1, sizeof bytes[0]);
    course_add_site(course, &analysis->site[analysis->site_of_node[stack] - 1].course, bytes);
    assert_int_equal(course->moments, MARKS);
    for (int64_t i = 0; i < MARKS; i++)
        assert_int_equal(bytes[i], 100 * (i + 1) + (i > EARLY ? 7 : 0));
    assert_int_equal(bytes[MARKS], 1007);
    course_add_site(course, &analysis->site[analysis->site_of_node[other] - 1].course, bytes);
    assert_int_equal(bytes[0], 100);
    assert_int_equal(bytes[MARKS], 1057);
    end(analysis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bytes_an_object_are_the_slope, begin),
        cmocka_unit_test_setup(two_counts_are_no_line, begin),
        cmocka_unit_test_setup(blocks_are_counted_from_thread_to_thread, begin),
        cmocka_unit_test_setup(many_pairs_of_threads_are_told_apart, begin),
        cmocka_unit_test_setup(lives_too_short_for_the_clock_are_one_class, begin),
        cmocka_unit_test_setup(a_stack_knows_the_lives_and_the_moves_of_its_blocks, begin),
        cmocka_unit_test_setup(each_mark_knows_what_was_held, begin),
        cmocka_unit_test_setup(each_stack_knows_what_it_held_at_each_mark, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
