/* test_trace_txns.c - transactions in a trace: what the reader makes end with them, and what an
 * analysis says of them by name. */
#include "tests/unit/built_trace.h"
#include "tools/analysis/analysis.h"

enum { LANE = 2, OTHER = 3, EVENTS_MOST = 64 };

static void begin_txn(unsigned lane, uint64_t number, uint64_t parent, const char *name)
{
    builder.now_ns += 10;
    builder_txn(&builder, lane, TRACE_TXN_BEGIN, number, (uint64_t[]){parent, 0, 4096}, 3, name);
}

static void alloc_in(unsigned lane, uint64_t number, uint64_t size)
{
    builder_txn(&builder, lane, TRACE_TXN_ALLOC, number, (uint64_t[]){0, size, 0}, 3, NULL);
}

static void end_txn(unsigned lane, uint64_t number, enum trace_txn_end how, uint64_t used,
                    uint64_t reserved)
{
    builder_txn(&builder, lane, TRACE_TXN_END, number, (uint64_t[]){how, 0, used, reserved, 5, 2},
                6, NULL);
}

static void go_back(unsigned lane, uint64_t number, uint64_t kept)
{
    builder_txn(&builder, lane, TRACE_TXN_BACK, number, &kept, 1, NULL);
}

/* Sizes of the blocks that end, in order, each event that ends some behind them as 0. */
static size_t read_ends(uint64_t sizes[EVENTS_MOST], struct trace_totals *totals)
{
    struct trace *trace = open_good();
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    size_t count = 0;
    while (trace_visit_next(visit, &event)) {
        assert_true(count < EVENTS_MOST);
        if (event.kind == TRACE_EVENT_FREE) {
            assert_int_equal(event.bits, TRACE_EVENT_IN_TXN);
            assert_int_not_equal(event.old_object, 0);
            sizes[count++] = event.old_size;
        } else if (event.kind == TRACE_EVENT_TXN_BACK || event.kind == TRACE_EVENT_TXN_END) {
            sizes[count++] = 0;
        }
    }
    *totals = *trace_visit_totals(visit);
    assert_true(trace_visit_is_complete(visit, NULL));
    trace_visit_destroy(visit);
    trace_close(trace);
    return count;
}

static void must_end(const uint64_t *expected, size_t expected_count, uint64_t live_bytes)
{
    uint64_t sizes[EVENTS_MOST];
    struct trace_totals totals;
    builder_end(&builder, TRACE_END_EXIT);
    size_t count = read_ends(sizes, &totals);
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sizes[i], expected[i]);
    assert_int_equal(totals.live_bytes, live_bytes);
    assert_int_equal(totals.events, totals.allocs + totals.frees);
}

static void blocks_end_with_their_transaction(void **state)
{
    (void)state;
    begin_txn(LANE, 1, 0, "a");
    alloc_in(LANE, 1, 10);
    alloc_in(LANE, 1, 11);
    builder_alloc(&builder, LANE, 0x10000, 7, 0, 0, 0);
    end_txn(LANE, 1, TRACE_TXN_ROLLED_BACK, 21, 100);
    must_end((uint64_t[]){11, 10, 0}, 3, 7);
}

static void a_childs_blocks_become_its_parents_by_commit_alone(void **state)
{
    (void)state;
    begin_txn(LANE, 1, 0, "a");
    alloc_in(LANE, 1, 10);
    begin_txn(LANE, 2, 1, "b");
    alloc_in(LANE, 2, 20);
    end_txn(LANE, 2, TRACE_TXN_COMMITTED, 20, 0);
    begin_txn(LANE, 3, 1, "b");
    alloc_in(LANE, 3, 30);
    end_txn(LANE, 3, TRACE_TXN_ABANDONED, 30, 0);
    end_txn(LANE, 1, TRACE_TXN_COMMITTED, 30, 100);
    must_end((uint64_t[]){0, 30, 0, 20, 10, 0}, 6, 0);
}

static void rolling_back_to_a_mark_keeps_the_oldest_blocks(void **state)
{
    (void)state;
    begin_txn(LANE, 1, 0, "a");
    alloc_in(LANE, 1, 10);
    begin_txn(LANE, 2, 1, "b");
    alloc_in(LANE, 1, 11);
    builder_txn(&builder, LANE, TRACE_TXN_SAVE, 1, NULL, 0, NULL);
    alloc_in(LANE, 2, 20);
    end_txn(LANE, 2, TRACE_TXN_COMMITTED, 20, 0); /* younger than the mark all the same */
    alloc_in(LANE, 1, 12);
    go_back(LANE, 1, 2);
    alloc_in(LANE, 1, 13);
    must_end((uint64_t[]){0, 12, 20, 0}, 4, 10 + 11 + 13);
}

static void the_order_of_threads_is_that_of_their_epochs(void **state)
{
    (void)state;
    builder_thread(&builder, LANE, TRACE_THREAD_START, 100, NULL);
    builder_thread(&builder, OTHER, TRACE_THREAD_START, 101, NULL);
    begin_txn(LANE, 1, 0, "a");
    alloc_in(LANE, 1, 10);
    builder_sync(&builder, OTHER);
    builder_txn(&builder, OTHER, TRACE_TXN_ADOPT, 1, NULL, 0, NULL);
    alloc_in(OTHER, 1, 20);
    builder_sync(&builder, LANE);
    alloc_in(LANE, 1, 30);
    builder_sync(&builder, OTHER);
    end_txn(OTHER, 1, TRACE_TXN_COMMITTED, 60, 100);
    must_end((uint64_t[]){30, 20, 10, 0}, 4, 0);
}

static void what_malloc_takes_out_of_one_is_told(void **state)
{
    (void)state;
    begin_txn(LANE, 1, 0, "a");
    builder_txn(&builder, LANE, TRACE_TXN_ENTER, 1, (uint64_t[]){1024}, 1, NULL);
    builder_alloc(&builder, LANE, 0x10000, 1024, 0, 0, 0);
    builder_alloc(&builder, LANE, 0x20000, 1025, 0, 0, 0);
    builder_txn(&builder, LANE, TRACE_TXN_ENTER, 0, (uint64_t[]){0}, 1, NULL);
    builder_alloc(&builder, LANE, 0x30000, 10, 0, 0, 0);
    end_txn(LANE, 1, TRACE_TXN_COMMITTED, 0, 0);
    builder_free(&builder, LANE, 0x10000); /* it outlived the transaction */
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    uint64_t of_txn = 0;
    while (trace_visit_next(visit, &event))
        of_txn += event.kind == TRACE_EVENT_ALLOC && event.txn == 1 ? event.size : 0;
    assert_int_equal(of_txn, 1024);
    assert_int_equal(trace_visit_totals(visit)->live_bytes, 1035);
    assert_int_equal(trace_visit_totals(visit)->unknown_frees, 0);
    trace_visit_destroy(visit);
    trace_close(trace);
}

static void what_began_before_a_ring_is_not_missed(void **state)
{
    (void)state;
    alloc_in(LANE, 7, 10);
    begin_txn(LANE, 9, 8, "b"); /* nor its parent */
    alloc_in(LANE, 9, 20);
    end_txn(LANE, 9, TRACE_TXN_COMMITTED, 20, 0);
    end_txn(LANE, 6, TRACE_TXN_COMMITTED, 20, 0);
    end_txn(LANE, 7, TRACE_TXN_COMMITTED, 20, 0);
    must_end((uint64_t[]){0, 0, 10, 0}, 4, 20);
}

/* Numbers that contradict each other, again and again. */
static void no_record_of_a_transaction_is_believed(void **state)
{
    (void)state;
    uint64_t random = 99;
    for (unsigned i = 0; i < 20000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        unsigned kind = TRACE_TXN_BEGIN + (unsigned)(random >> 40) % 7;
        uint64_t values[6] = {random >> 33 & 31, random >> 50 & 31, random >> 55 & 63};
        static const size_t fields[] = {3, 3, 0, 1, 6, 1, 0};
        builder_txn(&builder, LANE + i % 3, kind, 1 + (random >> 60), values,
                    fields[kind - TRACE_TXN_BEGIN], kind == TRACE_TXN_BEGIN ? "x\x1b" : NULL);
    }
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct trace_totals totals = visit_all(trace, NULL);
    assert_int_equal(totals.objects, totals.ended + totals.live_objects);
    struct analysis *analysis = analysis_run(trace, NULL);
    for (size_t i = 0; i < analysis->txns.names; i++)
        assert_null(strchr(analysis->txns.name[i].name, '\x1b'));
    analysis_destroy(analysis);
    trace_close(trace);
}

static const struct txn_name *find_name(const struct analysis *analysis, const char *name)
{
    for (size_t i = 0; i < analysis->txns.names; i++) {
        if (strcmp(analysis->txns.name[i].name, name) == 0)
            return &analysis->txns.name[i];
    }
    fail_msg("no transaction \"%s\"", name);
    return NULL;
}

static void names_are_summed_up(void **state)
{
    (void)state;
    begin_txn(LANE, 1, 0, "outer");
    alloc_in(LANE, 1, 100);
    begin_txn(LANE, 2, 1, "inner");
    alloc_in(LANE, 2, 30);
    go_back(LANE, 2, 0);
    alloc_in(LANE, 2, 50);
    end_txn(LANE, 2, TRACE_TXN_COMMITTED, 50, 0);
    begin_txn(LANE, 3, 1, "inner");
    end_txn(LANE, 3, TRACE_TXN_ROLLED_BACK, 0, 0);
    for (int i = 0; i < 70; i++) { /* time is told now and then */
        builder_alloc(&builder, LANE, 0x10000, 7, 0, 0, 0);
        builder_free(&builder, LANE, 0x10000);
    }
    end_txn(LANE, 1, TRACE_TXN_COMMITTED, 160, 200);
    begin_txn(LANE, 4, 0, "outer");
    alloc_in(LANE, 4, 5);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct analysis *analysis = analysis_run(trace, NULL);
    assert_int_equal(analysis->total.now.bytes, 5);
    const struct txn_name *outer = find_name(analysis, "outer");
    const struct txn_name *inner = find_name(analysis, "inner");
    assert_int_equal(outer->begun, 2);
    assert_int_equal(outer->ended[TRACE_TXN_COMMITTED], 1);
    assert_int_equal(outer->asked, 150);
    assert_int_equal(outer->own_used, 160);
    assert_int_equal(outer->own_reserved, 200);
    assert_int_equal(outer->open_asked, 5);
    assert_int_equal(outer->depth, 1);
    assert_true(outer->lived_most_ns > 0);
    assert_int_equal(inner->begun, 2);
    assert_int_equal(inner->nested, 2);
    assert_int_equal(inner->depth, 2);
    assert_int_equal(inner->backs, 1);
    assert_int_equal(inner->blocks, 1);
    assert_int_equal(inner->asked_most, 50);
    assert_int_equal(inner->own_reserved, 0);
    assert_int_equal(inner->malloced, 10);
    assert_int_equal(inner->escaped, 4);
    analysis_destroy(analysis);
    trace_close(trace);
}

/* Two threads' times are not exact: what one began another may end at an earlier one. */
static void no_transaction_lives_less_than_no_time(void **state)
{
    (void)state;
    builder_thread(&builder, LANE, TRACE_THREAD_START, 100, NULL);
    builder_thread(&builder, OTHER, TRACE_THREAD_START, 101, NULL);
    builder.now_ns += 1000000;
    builder_close_block(&builder, LANE);
    begin_txn(LANE, 1, 0, "late");
    builder_sync(&builder, OTHER);
    builder_txn(&builder, OTHER, TRACE_TXN_ADOPT, 1, NULL, 0, NULL);
    end_txn(OTHER, 1, TRACE_TXN_COMMITTED, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct analysis *analysis = analysis_run(trace, NULL);
    const struct txn_name *late = find_name(analysis, "late");
    assert_int_equal(late->ended[TRACE_TXN_COMMITTED], 1);
    assert_in_range(late->lived_most_ns, 0, 2000000);
    assert_in_range(late->lived_ns, 0, 2000000);
    analysis_destroy(analysis);
    trace_close(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_end_with_their_transaction, begin, finish),
        cmocka_unit_test_setup_teardown(a_childs_blocks_become_its_parents_by_commit_alone, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(rolling_back_to_a_mark_keeps_the_oldest_blocks, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(the_order_of_threads_is_that_of_their_epochs, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(what_malloc_takes_out_of_one_is_told, begin, finish),
        cmocka_unit_test_setup_teardown(what_began_before_a_ring_is_not_missed, begin, finish),
        cmocka_unit_test_setup_teardown(no_record_of_a_transaction_is_believed, begin, finish),
        cmocka_unit_test_setup_teardown(names_are_summed_up, begin, finish),
        cmocka_unit_test_setup_teardown(no_transaction_lives_less_than_no_time, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
