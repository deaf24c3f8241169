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

/* -- stacks ----------------------------------------------------------------------------------- */

/* Nodes 1 to 1000 are gone. */
static void a_stack_of_gone_nodes_is_unknown_and_of_gone_callers_cut(void **state)
{
    (void)state;
    builder_header(&builder)->blocks_most = 40;
    builder.lanes[TRACE_LANE_STACKS].sequence = 9;
    builder.lanes[TRACE_LANE_STACKS].events = builder.nodes = 1000;
    uint32_t cut = builder_node(&builder, 990, 0x1000);
    uint32_t root = builder_node(&builder, 0, 0x2000);
    uint32_t leaf = builder_node(&builder, root, 0x3000);
    const uint32_t asked[] = {1000, cut, leaf, 1, 0, 1004};
    for (size_t i = 0; i < 6; i++)
        builder_alloc(&builder, 2, 0x10000 * (i + 1), 10, asked[i], 0, 0);
    builder_failed(&builder, 2, leaf, 10);
    builder_mapped(&builder, 0x100000, 0x1000, leaf, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_null(trace_warning(trace, 0));
    assert_int_equal(trace_facts(trace)->nodes, 4);
    const uint32_t shown[] = {0, 1, 3, 0, 0, 0, 3};
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    for (size_t i = 0; trace_visit_next(visit, &event); i++)
        assert_int_equal(event.stack, shown[i]);
    trace_visit_destroy(visit);
    assert_int_equal(trace_node(trace, 1).parent, 0);
    assert_int_equal(trace_node(trace, 3).parent, 2);
    assert_int_equal(trace_node(trace, 3).ip, 0x3000);
    struct trace_mappings *mappings = trace_mappings_create(trace);
    struct trace_mapping mapping;
    assert_true(trace_mappings_next(mappings, &mapping));
    assert_int_equal(mapping.stack, 3);
    trace_mappings_destroy(mappings);
    trace_close(trace);
}

/* -- modules ---------------------------------------------------------------------------------- */

static void unload(uint64_t time_ns, uint64_t start)
{
    unsigned char payload[28];
    unsigned char *end = trace_put_uvarint(payload, time_ns);
    end = trace_put_uvarint(end, builder.nodes);
    memcpy(end, &start, sizeof(start));
    builder_info(&builder, TRACE_INFO_UNMODULE, payload, (size_t)(end - payload) + sizeof(start));
}

static void a_module_that_is_told_again_is_one_module(void **state)
{
    (void)state;
    builder_header(&builder)->blocks_most = 40;
    builder.has_timeline = true;
    builder.lanes[BUILDER_TIMELINE].sequence = 9;
    builder_module(&builder, 50, 0, 0x9000, 0xa000, "/lib/late.so");
    builder_module(&builder, 7, 0, 0x1000, 0x2000, "/lib/a.so"); /* again: the first is gone */
    builder_module(&builder, 7, 0, 0x3000, 0x4000, "/lib/b.so");
    builder_module(&builder, 50, 0, 0x9000, 0xa000, "/lib/late.so");
    unload(60, 0x9000);
    builder_module(&builder, 70, 0, 0x9000, 0xa000, "/lib/later.so");
    builder_module(&builder, 7, 0, 0x1000, 0x2000, "/lib/a.so");
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_int_equal(trace_facts(trace)->modules, 4);
    assert_string_equal(trace_module_find(trace, 0x1000, 10)->path, "/lib/a.so");
    assert_string_equal(trace_module_find(trace, 0x3000, 90)->path, "/lib/b.so");
    assert_string_equal(trace_module_find(trace, 0x9000, 55)->path, "/lib/late.so");
    assert_null(trace_module_find(trace, 0x9000, 65));
    assert_string_equal(trace_module_find(trace, 0x9000, 75)->path, "/lib/later.so");
    trace_close(trace);
}

/* They are looked through one by one: a hostile file must not have any number of them. */
static void modules_are_bounded(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 65600; i++)
        builder_module(&builder, i, 0, 0x1000 * i, 0x1000 * (i + 1), "");
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_int_equal(trace_facts(trace)->modules, 65536);
    assert_true(has_warning(trace, "more than 65536 modules"));
    trace_close(trace);
}

/* -- the timeline ----------------------------------------------------------------------------- */

static void begin_timeline_late(void)
{
    builder_header(&builder)->blocks_most = 40;
    builder.has_timeline = true;
    builder.lanes[BUILDER_TIMELINE].sequence = 7;
    builder.lanes[BUILDER_TIMELINE].events = 300;
}

static void the_timeline_may_begin_late(void **state)
{
    (void)state;
    begin_timeline_late();
    builder_module(&builder, 1, 0, 0x1000, 0x2000, "/lib/x.so");
    builder_mark(&builder, "first of those that are left");
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_mark(&builder, "last");
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    const struct trace_facts *facts = trace_facts(trace);
    assert_null(trace_warning(trace, 0));
    assert_int_equal(facts->timeline_since_ns, 1000000);
    assert_int_equal(facts->older_events, 0); /* of which its own records are none */
    assert_int_equal(facts->event_lanes, 1);
    assert_int_equal(facts->modules, 1);
    assert_int_equal(facts->marks, 2);
    assert_string_equal(facts->mark[1].label, "last");
    bool is_complete;
    visit_all(trace, &is_complete);
    assert_true(is_complete);
    trace_close(trace);
}

/* Tables, and their areas. */
static void count_tables(const struct trace *trace, unsigned count[2])
{
    struct trace_mappings *mappings = trace_mappings_create(trace);
    struct trace_mapping one;
    count[0] = count[1] = 0;
    while (trace_mappings_next(mappings, &one)) {
        count[0] += one.what == TRACE_MAPPING_END;
        count[1] += one.what == TRACE_MAPPING_AREA;
    }
    trace_mappings_destroy(mappings);
}

static void a_table_without_its_beginning_is_left_out(void **state)
{
    (void)state;
    const struct builder_area areas[] = {
        {.kind = TRACE_AREA_ANONYMOUS, .start = 0x4000, .bytes = 0x20000, .resident = 0x9000},
        {.kind = TRACE_AREA_FILE, .start = 0x90000, .bytes = 0x5000, .name = "/lib/x.so"}};
    unsigned count[2];
    begin_timeline_late();
    builder_areas(&builder, TRACE_AREAS_MARK, areas, 2);
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_areas(&builder, TRACE_AREAS_MARK, areas, 2);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    count_tables(trace, count);
    assert_int_equal(count[0], 2);
    assert_int_equal(count[1], 4);
    trace_close(trace);
    /* the first record of the first table becomes one of another kind */
    unsigned char *payload =
        builder.image + TRACE_HEADER_BYTES + TRACE_BLOCK_HEADER_BYTES; /* of the first block */
    assert_int_equal(payload[0], TRACE_INFO_AREAS);
    payload[0] = 100;
    struct trace_block_header *header =
        (struct trace_block_header *)(void *)(builder.image + TRACE_HEADER_BYTES);
    header->checksum = trace_checksum(payload, header->used);
    trace = open_good();
    count_tables(trace, count);
    assert_int_equal(count[0], 1);
    assert_int_equal(count[1], 2);
    trace_close(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lane_may_begin_in_the_middle_of_a_thread, begin, finish),
        cmocka_unit_test_setup_teardown(a_late_birth_is_not_what_an_old_free_meant, begin, finish),
        cmocka_unit_test_setup_teardown(a_hole_in_a_ring_is_still_damage, begin, finish),
        cmocka_unit_test_setup_teardown(only_a_ring_may_begin_late, begin, finish),
        cmocka_unit_test_setup_teardown(a_stack_of_gone_nodes_is_unknown_and_of_gone_callers_cut,
                                        begin, finish),
        cmocka_unit_test_setup_teardown(a_module_that_is_told_again_is_one_module, begin, finish),
        cmocka_unit_test_setup_teardown(modules_are_bounded, begin, finish),
        cmocka_unit_test_setup_teardown(the_timeline_may_begin_late, begin, finish),
        cmocka_unit_test_setup_teardown(a_table_without_its_beginning_is_left_out, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
