/* test_reader_ring.c - traces whose beginning was written over, as the reader sees them. */
#include "tests/unit/built_trace.h"

/* The lane begins with block 5, behind 1000 events, in the middle of a thread. */
static void begin_late(unsigned lane, uint32_t tid, const char *name, uint64_t epoch)
{
    struct builder_lane *at = &builder.lanes[lane];
    builder_header(&builder)->lane_blocks_most = 4;
    at->sequence = 5;
    at->events = 1000;
    builder.events += 1000;
    at->tid = tid;
    strcpy(at->name, name);
    at->epoch = builder.epoch = epoch;
}

static void a_lane_may_begin_in_the_middle_of_a_thread(void **state)
{
    (void)state;
    begin_late(2, 77, "worker", 3);
    builder_free(&builder, 2, 0x10000);
    builder_alloc(&builder, 2, 0x20000, 10, 0, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_null(trace_warning(trace, 0));
    assert_int_equal(trace_facts(trace)->older_events, 1000);
    assert_int_equal(trace_facts(trace)->whole_since_ns, 1000000);
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    assert_true(trace_visit_next(visit, &event));
    assert_int_equal(event.kind, TRACE_EVENT_FREE);
    assert_int_equal(event.tid, 77);
    assert_string_equal(trace_thread_name(visit, event.thread), "worker");
    assert_true(trace_visit_next(visit, &event));
    assert_false(trace_visit_next(visit, &event));
    assert_int_equal(trace_visit_totals(visit)->threads, 1);
    assert_int_equal(trace_visit_totals(visit)->unknown_frees, 1);
    struct trace_error why;
    assert_false(trace_visit_is_complete(visit, &why));
    assert_non_null(strstr(why.text, "1000 events of its beginning were written over"));
    trace_visit_destroy(visit);
    trace_close(trace);
}

/* Lane 3 frees a block older than the trace; the block of lane 2 at the same address comes later,
 * as the epochs say, and must not be what was freed. */
static void a_late_birth_is_not_what_an_old_free_meant(void **state)
{
    (void)state;
    begin_late(3, 78, "", 3);
    builder_free(&builder, 3, 0x10000);
    builder_sync(&builder, 3);
    begin_late(2, 77, "", 9);
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_sync(&builder, 2);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct trace_totals totals = visit_all(trace, NULL);
    assert_int_equal(totals.unknown_frees, 1);
    assert_int_equal(totals.live_objects, 1);
    trace_close(trace);
}

static void a_hole_in_a_ring_is_still_damage(void **state)
{
    (void)state;
    begin_late(2, 77, "", 3);
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_close_block(&builder, 2);
    builder.lanes[2].sequence++;
    builder_alloc(&builder, 2, 0x20000, 10, 0, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_true(has_warning(trace, "lane 2 misses blocks 6 to 6"));
    trace_close(trace);
}

static void only_a_ring_may_begin_late(void **state)
{
    (void)state;
    begin_late(2, 77, "", 3);
    builder.lanes[2].sequence = 1;
    builder_header(&builder)->lane_blocks_most = 0;
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_alloc(&builder, 3, 0x20000, 10, 0, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_true(has_warning(trace, "lane 2 misses blocks 0 to 0"));
    assert_int_equal(trace_facts(trace)->whole_since_ns, 0);
    trace_close(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lane_may_begin_in_the_middle_of_a_thread, begin, finish),
        cmocka_unit_test_setup_teardown(a_late_birth_is_not_what_an_old_free_meant, begin, finish),
        cmocka_unit_test_setup_teardown(a_hole_in_a_ring_is_still_damage, begin, finish),
        cmocka_unit_test_setup_teardown(only_a_ring_may_begin_late, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
