/* test_reader.c - what the reader says of whole, cut, damaged and hostile files. */
#include "tests/unit/built_trace.h"

/* A file with one of everything; 9 events that count. */
static void build_everything(void)
{
    builder_info(&builder, TRACE_INFO_COMMAND, "app\0-x\0a b", 11);
    builder_info(&builder, TRACE_INFO_EXE, "/bin/app", 8);
    builder_info(&builder, TRACE_INFO_CWD, "/ho\x1bme", 6);
    builder_module(&builder, 5, 0x1000, 0x400000, 0x500000, "/lib/a.so");
    uint32_t root = builder_node(&builder, 0, 0x401000);
    uint32_t leaf = builder_exact_node(&builder, root, 0x402000);
    builder_thread(&builder, 2, TRACE_THREAD_START, 100, NULL);
    builder_thread(&builder, 2, TRACE_THREAD_NAME, 0, "main");
    builder_alloc(&builder, 2, 0x10000, 100, root, 0, 0);
    builder_alloc(&builder, 2, 0x20000, 200, leaf, 12, TRACE_ZEROED);
    builder_realloc(&builder, 2, 0x10000, 0x30000, 300, leaf);
    builder_realloc(&builder, 2, 0x30000, 0x30000, 400, leaf);
    builder_thread(&builder, 3, TRACE_THREAD_START, 101, NULL);
    builder_free(&builder, 3, 0x30000);
    builder_free(&builder, 3, 0x70000);
    builder_failed(&builder, 3, leaf, 1U << 30);
    builder_thread(&builder, 3, TRACE_THREAD_END, 0, NULL);
    builder_mark(&builder, "half");
    builder_alloc(&builder, 2, 0x10000, 7, 0, 0, TRACE_CPP);
    builder_free(&builder, 2, 0x20000);
    struct trace_sample sample = {.time_ns = 77, .live = 88};
    builder_info(&builder, TRACE_INFO_SAMPLE, &sample, sizeof(sample));
}

static void facts_are_those_of_the_info_lane(void **state)
{
    (void)state;
    build_everything();
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    const struct trace_facts *facts = trace_facts(trace);
    assert_int_equal(facts->arguments, 3);
    assert_string_equal(facts->argument[2], "a b");
    assert_string_equal(facts->exe, "/bin/app");
    assert_string_equal(facts->cwd, "/ho?me");
    assert_int_equal(facts->modules, 1);
    assert_string_equal(facts->module[0].path, "/lib/a.so");
    assert_int_equal(facts->module[0].build_id_bytes, 4);
    assert_ptr_equal(trace_module_find(trace, 0x401000, 10), &facts->module[0]);
    assert_null(trace_module_find(trace, 0x500000, 10));
    assert_null(trace_module_find(trace, 0x401000, 4));
    assert_int_equal(facts->samples, 1);
    assert_int_equal(facts->sample[0].live, 88);
    assert_string_equal(facts->mark[0].label, "half");
    assert_int_equal(facts->nodes, 3);
    assert_int_equal(trace_node(trace, 2).ip, 0x402000);
    assert_int_equal(trace_node(trace, 2).parent, 1);
    assert_true(trace_node(trace, 2).is_exact);
    assert_false(trace_node(trace, 1).is_exact);
    assert_int_equal(trace_node(trace, 99).ip, 0);
    assert_int_equal(facts->end->reason, TRACE_END_EXIT);
    assert_null(trace_warning(trace, 0));
    trace_close(trace);
}

static void events_name_their_objects(void **state)
{
    (void)state;
    build_everything();
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    struct trace_event seen[8] = {{0}};
    size_t names = 0;
    while (trace_visit_next(visit, &event)) {
        names += event.kind == TRACE_EVENT_THREAD_NAME;
        if (event.kind != TRACE_EVENT_FREE)
            seen[event.kind == TRACE_EVENT_ALLOC ? event.object : 0] = event;
        if (event.kind == TRACE_EVENT_REALLOC)
            assert_int_equal(event.old_object, event.object == 3 ? 1 : 3);
        if (event.kind == TRACE_EVENT_FREE && event.old_address == 0x30000) {
            assert_int_equal(event.old_object, 4);
            assert_int_equal(event.old_size, 400);
            assert_int_equal(event.tid, 101);
        }
        if (event.kind == TRACE_EVENT_FREE && event.old_address == 0x70000)
            assert_int_equal(event.bits, TRACE_EVENT_UNKNOWN);
    }
    assert_int_equal(names, 1);
    assert_int_equal(seen[2].alignment_log2, 12);
    assert_int_equal(seen[2].bits, TRACE_EVENT_ZEROED);
    assert_int_equal(seen[2].stack, 2);
    assert_int_equal(seen[5].bits, TRACE_EVENT_CPP);
    assert_int_equal(seen[1].address, 0x10000);
    assert_string_equal(trace_thread_name(visit, 0), "main");
    assert_string_equal(trace_thread_name(visit, 1), "");
    const struct trace_totals *totals = trace_visit_totals(visit);
    assert_int_equal(totals->events, 9);
    assert_int_equal(totals->unknown_frees, 1);
    assert_int_equal(totals->failed, 1);
    assert_int_equal(totals->live_bytes, 7);
    assert_int_equal(totals->peak_bytes, 607); /* without epochs lane 2 goes first, as it may */
    assert_int_equal(totals->threads, 2);
    assert_true(trace_visit_is_complete(visit, NULL));
    assert_true(trace_visit_progress(visit) > 0.999);
    trace_visit_destroy(visit);
    trace_close(trace);
}

/* Of one thread: births of all kinds, whose sizes vary, and deaths; all events as they are read. */
static void build_and_read(bool is_near, struct trace_event *events, size_t count)
{
    builder_fini(&builder);
    builder_init(&builder);
    builder.is_near = is_near;
    uint32_t leaf = builder_node(&builder, builder_node(&builder, 0, 0x401000), 0x402000);
    for (uint64_t i = 0; i < count / 2; i++) {
        uint64_t far = i % 8 == 0 ? UINT64_C(1) << 32 : 0;
        builder_alloc(&builder, 2, far + 0x10000 + 64 * i, 7 * (i % 9), i % 3 == 0 ? 0 : leaf, 0,
                      i % 5 == 0 ? TRACE_ZEROED : 0);
        builder_free(&builder, 2, i % 2 == 0 ? far + 0x10000 + 64 * i : 0x10000 + 64 * (i - 2));
    }
    struct trace *trace = open_good();
    struct trace_visit *visit = trace_visit_create(trace);
    for (size_t i = 0; i < count; i++)
        assert_true(trace_visit_next(visit, &events[i]));
    assert_false(trace_visit_next(visit, &events[0]));
    trace_visit_destroy(visit);
    trace_close(trace);
}

static void near_records_say_what_others_do(void **state)
{
    (void)state;
    enum { EVENTS = 400 };
    struct trace_event shortest[EVENTS], near[EVENTS];
    build_and_read(false, shortest, EVENTS);
    build_and_read(true, near, EVENTS);
    for (size_t i = 0; i < EVENTS; i++) {
        assert_int_equal(near[i].kind, shortest[i].kind);
        assert_int_equal(near[i].address, shortest[i].address);
        assert_int_equal(near[i].old_address, shortest[i].old_address);
        assert_int_equal(near[i].size, shortest[i].size);
        assert_int_equal(near[i].stack, shortest[i].stack);
        assert_int_equal(near[i].bits, shortest[i].bits);
    }
}

static void many_blocks_keep_every_event(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        builder_alloc(&builder, 2, 0x10000 + i * 64, i % 5000, (uint32_t)(i % 1000), 0, 0);
        if (i >= 100 && i % 3 == 0)
            builder_free(&builder, 2, 0x10000 + (i - 100) * 64);
    }
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    bool is_complete = false;
    struct trace_totals totals = visit_all(trace, &is_complete);
    assert_true(is_complete);
    assert_int_equal(totals.events, builder.events);
    assert_int_equal(totals.unknown_frees, 0);
    assert_true(totals.live_objects == totals.allocs - totals.frees);
    trace_close(trace);
}

static void time_never_runs_backwards_in_a_thread(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 20000; i++)
        builder_alloc(&builder, 2, 0x10000 + i * 64, 10, 0, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    uint64_t last = 0;
    uint64_t off = 0;
    for (uint64_t i = 0; trace_visit_next(visit, &event); i++) {
        uint64_t real = 1000000 + (i + 1) * 10;
        uint64_t distance = event.time_ns > real ? event.time_ns - real : real - event.time_ns;
        if (i < 20000 - 64) /* the last ones have no clock record behind them */
            off = distance > off ? distance : off;
        assert_true(event.time_ns >= last);
        last = event.time_ns;
    }
    assert_in_range(off, 0, 20); /* one clock record in 64 events of 10 ns: others are in between */
    assert_in_range(trace_visit_totals(visit)->resolution_ns, 640, 1280);
    trace_visit_destroy(visit);
    trace_close(trace);
}

/* -- files that are not whole ----------------------------------------------------------------- */

static void a_killed_process_is_read_to_its_last_record(void **state)
{
    (void)state;
    build_everything();
    struct trace *trace = open_good();
    bool is_complete = true;
    struct trace_totals totals = visit_all(trace, &is_complete);
    assert_int_equal(totals.events, 9);
    assert_false(is_complete);
    assert_true(has_warning(trace, "no end record"));
    assert_null(trace_facts(trace)->end);
    trace_close(trace);
}

static void a_lost_event_is_missed(void **state)
{
    (void)state;
    build_everything();
    builder.events++;
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    bool is_complete = true;
    visit_all(trace, &is_complete);
    assert_false(is_complete);
    trace_close(trace);
}

static void dropped_events_are_counted(void **state)
{
    (void)state;
    builder_alloc(&builder, 2, 0x10000, 1, 0, 0, 0);
    builder_dropped(&builder, 2, 12);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    bool is_complete = true;
    assert_int_equal(visit_all(trace, &is_complete).dropped, 12);
    assert_false(is_complete);
    trace_close(trace);
}

static void a_birth_at_a_live_address_ends_the_object_there(void **state)
{
    (void)state;
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_alloc(&builder, 2, 0x10000, 20, 0, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct trace_totals totals = visit_all(trace, NULL);
    assert_int_equal(totals.stale, 1);
    assert_int_equal(totals.live_bytes, 20);
    assert_int_equal(totals.live_objects, 1);
    trace_close(trace);
}

static void a_damaged_block_is_named_and_the_others_are_read(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        builder_alloc(&builder, 2, 0x10000 + i * 64, 10, 0, 0, 0);
        builder_close_block(&builder, 2);
    }
    builder_end(&builder, TRACE_END_EXIT);
    size_t second = TRACE_HEADER_BYTES + TRACE_BLOCK_BYTES + TRACE_BLOCK_HEADER_BYTES;
    builder.image[second + 1] ^= 1;
    struct trace *trace = open_good();
    assert_true(has_warning(trace, "block 1 is damaged (bad checksum)"));
    assert_true(has_warning(trace, "lane 2 misses blocks 1 to 1"));
    bool is_complete = true;
    assert_int_equal(visit_all(trace, &is_complete).allocs, 2);
    assert_false(is_complete);
    trace_close(trace);
}

static void a_bad_record_ends_its_block_only(void **state)
{
    (void)state;
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_raw(&builder, 2, "\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 14);
    builder_close_block(&builder, 2);
    builder_alloc(&builder, 2, 0x20000, 10, 0, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event))
        ;
    assert_int_equal(trace_visit_totals(visit)->allocs, 2);
    struct trace_error why;
    assert_false(trace_visit_is_complete(visit, &why));
    assert_non_null(strstr(why.text, "of block 0 is damaged"));
    trace_visit_destroy(visit);
    trace_close(trace);
}

static void a_cut_stack_lane_leaves_later_stacks_unknown(void **state)
{
    (void)state;
    uint32_t node = builder_node(&builder, 0, 0x1000);
    builder_raw(&builder, TRACE_LANE_STACKS, "\x12\x02", 2); /* a parent that cannot be */
    builder_node(&builder, node, 0x2000);
    builder_alloc(&builder, 2, 0x10000, 10, 2, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_int_equal(trace_facts(trace)->nodes, 2);
    assert_true(has_warning(trace, "stack lane is cut"));
    visit_all(trace, NULL);
    trace_close(trace);
}

static uint64_t visit_file(void)
{
    struct trace *trace = open_good();
    uint64_t events = visit_all(trace, NULL).events;
    trace_close(trace);
    return events;
}

/* -- files that are no traces ----------------------------------------------------------------- */

static void expect_refusal(const char *part)
{
    struct trace_error error;
    struct trace *trace = open_image(&error);
    assert_null(trace);
    assert_null(strchr(error.text, '\n'));
    if (strstr(error.text, part) == NULL)
        print_error("said: %s\n", error.text);
    assert_non_null(strstr(error.text, part));
}

static void what_is_no_trace_is_refused_in_one_line(void **state)
{
    (void)state;
    struct trace_error error;
    assert_null(trace_open("/nowhere/t.mpt", &error));
    assert_non_null(strstr(error.text, "/nowhere/t.mpt: cannot be opened: No such file"));
    assert_null(trace_open("/", &error));
    assert_null(trace_open("/dev/null", &error));
    struct trace_header good = *builder_header(&builder);
    builder_header(&builder)->magic++;
    expect_refusal("not a trace");
    *builder_header(&builder) = good;
    builder_header(&builder)->version = 1;
    expect_refusal("format 1");
    builder_header(&builder)->version = TRACE_VERSION + 1;
    expect_refusal("reads format 3");
    *builder_header(&builder) = good;
    builder_header(&builder)->block_bytes = 1;
    expect_refusal("damaged header");
    *builder_header(&builder) = good;
    builder_header(&builder)->address_shift = 9;
    expect_refusal("address shift 9");
    *builder_header(&builder) = good;
    builder_header(&builder)->page_bytes = 0;
    expect_refusal("pages of 0");
    *builder_header(&builder) = good;
    builder.bytes = 0;
    expect_refusal("empty");
    builder.bytes = 5;
    expect_refusal("only 5 bytes");
    builder.bytes = 4095;
    expect_refusal("cut inside its header at byte 4095");
}

static void a_trace_of_the_version_before_is_read(void **state)
{
    (void)state;
    build_everything();
    builder_end(&builder, TRACE_END_EXIT);
    uint64_t events = visit_file();
    builder_header(&builder)->version = TRACE_VERSION_OLDEST;
    assert_true(events != 0 && visit_file() == events);
}

static void a_header_alone_is_a_trace_without_events(void **state)
{
    (void)state;
    struct trace *trace = open_good();
    assert_int_equal(visit_all(trace, NULL).events, 0);
    trace_close(trace);
}

/* Every cut of a file either is refused or yields what lies before the cut. */
static void a_file_cut_at_any_byte_is_read_to_there(void **state)
{
    (void)state;
    build_everything();
    builder_end(&builder, TRACE_END_EXIT);
    size_t bytes = builder.bytes;
    uint64_t last = 0;
    for (size_t cut = TRACE_HEADER_BYTES; cut <= bytes;
         cut += cut % TRACE_BLOCK_BYTES > TRACE_HEADER_BYTES + 512 ? 997 : 1) {
        builder.bytes = cut;
        struct trace *trace = open_good();
        struct trace_totals totals = visit_all(trace, NULL);
        assert_true(totals.events >= last || cut < bytes);
        last = totals.events;
        trace_close(trace);
    }
    builder.bytes = bytes;
    struct trace *trace = open_good();
    assert_int_equal(visit_all(trace, NULL).events, 9);
    trace_close(trace);
}

/* Flips bits at seeded places, in closed and in open blocks, with checksums made good again so
 * that the decoder sees the damage too. */
static void no_flipped_bit_crashes_or_hangs_the_reader(void **state)
{
    (void)state;
    build_everything();
    for (uint64_t i = 0; i < 300; i++) {
        builder_alloc(&builder, 2 + (unsigned)(i % 3), 0x100000 + i * 64, i, 1, 0, 0);
        if (i % 4 == 0)
            builder_sync(&builder, 2 + (unsigned)(i % 3));
        if (i % 2 == 0)
            builder_free(&builder, 2 + (unsigned)((i + 1) % 3), 0x100000 + i * 64);
    }
    uint64_t random = 12345;
    for (unsigned round = 0; round < 20000 / TEST_DIVISOR; round++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        size_t place = (size_t)(random >> 20) % builder.bytes;
        if (round % 2 == 0) /* where the records are */
            place = TRACE_HEADER_BYTES + place % 6 * TRACE_BLOCK_BYTES + place / 6 % 1500;
        unsigned char old = builder.image[place];
        builder.image[place] ^= (unsigned char)(1U << (random >> 61));
        struct trace_error error;
        struct trace *trace = open_image(&error);
        assert_true(trace != NULL || error.text[0] != '\0');
        if (trace != NULL)
            visit_all(trace, NULL);
        trace_close(trace);
        builder.image[place] = old;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(facts_are_those_of_the_info_lane, begin, finish),
        cmocka_unit_test_setup_teardown(events_name_their_objects, begin, finish),
        cmocka_unit_test_setup_teardown(near_records_say_what_others_do, begin, finish),
        cmocka_unit_test_setup_teardown(many_blocks_keep_every_event, begin, finish),
        cmocka_unit_test_setup_teardown(time_never_runs_backwards_in_a_thread, begin, finish),
        cmocka_unit_test_setup_teardown(a_killed_process_is_read_to_its_last_record, begin, finish),
        cmocka_unit_test_setup_teardown(a_lost_event_is_missed, begin, finish),
        cmocka_unit_test_setup_teardown(dropped_events_are_counted, begin, finish),
        cmocka_unit_test_setup_teardown(a_birth_at_a_live_address_ends_the_object_there, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(a_damaged_block_is_named_and_the_others_are_read, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(a_bad_record_ends_its_block_only, begin, finish),
        cmocka_unit_test_setup_teardown(a_cut_stack_lane_leaves_later_stacks_unknown, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(what_is_no_trace_is_refused_in_one_line, begin, finish),
        cmocka_unit_test_setup_teardown(a_trace_of_the_version_before_is_read, begin, finish),
        cmocka_unit_test_setup_teardown(a_header_alone_is_a_trace_without_events, begin, finish),
        cmocka_unit_test_setup_teardown(a_file_cut_at_any_byte_is_read_to_there, begin, finish),
        cmocka_unit_test_setup_teardown(no_flipped_bit_crashes_or_hangs_the_reader, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
