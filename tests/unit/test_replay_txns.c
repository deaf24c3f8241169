/* test_replay_txns.c - blocks that the replay puts into a transaction hold what they would hold in
 * malloc's: zeros where they were calloc's, and what a realloc leaves in them. */
#include "tests/unit/built_trace.h"

#include "tools/replay/compile.h"
#include "tools/replay/run.h"

enum { BLOCKS = 3000, KEPT = 40 };

/* Every second object is the transaction's, from the first event to the last. */
static struct {
    struct trace_event first; /* waits until the transaction has begun */
    bool is_begun, is_waiting, is_ended;
} rewritten;

static void begin_visit(void *context)
{
    (void)context;
    rewritten.is_begun = rewritten.is_waiting = rewritten.is_ended = false;
}

static bool put(struct trace_event *event, uint8_t kind)
{
    *event = (struct trace_event){.kind = kind,
                                  .thread = rewritten.first.thread,
                                  .lane = rewritten.first.lane,
                                  .tid = rewritten.first.tid,
                                  .txn = 1};
    return true;
}

static bool next_rewritten(void *context, struct trace_visit *visit, struct trace_event *event)
{
    (void)context;
    if (rewritten.is_waiting) {
        rewritten.is_waiting = false;
        *event = rewritten.first;
    } else if (!trace_visit_next(visit, event)) {
        bool was_ended = rewritten.is_ended;
        rewritten.is_ended = true;
        return !was_ended && put(event, TRACE_EVENT_TXN_END);
    }
    if (event->kind > TRACE_EVENT_REALLOC)
        return true;
    if (!rewritten.is_begun) {
        rewritten.is_begun = rewritten.is_waiting = true;
        rewritten.first = *event;
        return put(event, TRACE_EVENT_TXN_BEGIN);
    }
    bool is_born = event->object != 0 && event->object % 2 == 0;
    bool is_over = event->object == 0 && event->old_object % 2 == 0;
    event->txn = is_born || is_over;
    event->bits |= event->txn != 0 ? TRACE_EVENT_IN_TXN : 0;
    if (is_born && event->alignment_log2 == 0)
        event->alignment_log2 = 4;
    return true;
}

static void build(void)
{
    builder_thread(&builder, 2, TRACE_THREAD_START, 100, NULL);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        uint64_t address = 0x10000 + i * 64;
        builder_alloc(&builder, 2, address, 1 + i % 300, 0, i % 11 == 0 ? 8 : 0,
                      i % 3 == 0 ? TRACE_ZEROED : 0);
        for (uint64_t k = 0; k < i % 4; k++) /* out of it and into it, and within */
            builder_realloc(&builder, 2, address, address, 1 + (i * 7 + k * 100) % 500, 0);
        if (i >= KEPT)
            builder_free(&builder, 2, address - KEPT * 64);
    }
    builder_end(&builder, TRACE_END_EXIT);
}

static const struct allocator allocators[] = {
    {.name = "glibc"},
#ifdef MPRESS_LIBRARY
    {.name = "mpress", .library = MPRESS_LIBRARY},
#endif
};

static void contents_are_those_of_malloc(void **state)
{
    (void)state;
    build();
    struct trace *trace = open_good();
    const struct rewriting rewriting = {begin_visit, next_rewritten, NULL};
    struct source source = {.trace = trace, .rewriting = &rewriting};
    const struct compile_options how = {0};
    struct compiled compiled;
    assert_int_equal(compile_source(&source, &how, &compiled), 0);
    assert_int_equal(compiled.program->txns_whole, 1);
    assert_int_equal(compiled.program->operations, builder.events);
    struct run_plan plan = {
        .compiled = &compiled,
        .orders = {.touch = PROGRAM_TOUCH_PAGES, .copies = 2, .rounds = 2},
    };
    for (size_t i = 0; i < sizeof(allocators) / sizeof(allocators[0]); i++) {
        for (unsigned mode = PROGRAM_PLAIN; mode <= PROGRAM_NULL; mode++) {
            struct result result;
            run_once(&plan, &allocators[i], (enum program_mode)mode, &result);
            if (!result.is_done || result.overlaps != 0)
                print_error("%s: %s%s\n", allocators[i].name, result.error, result.overlap);
            assert_int_equal(result.is_done, 1);
            assert_int_equal(result.overlaps, 0);
        }
    }
    compile_free(&compiled);
    trace_close(trace);
}

/* Each object in a transaction of its own: begun right before it, ended right behind it. */
static bool next_in_its_own(void *context, struct trace_visit *visit, struct trace_event *event)
{
    static struct trace_event other;
    bool *is_due = context;
    if (*is_due) {
        *event = other;
        *is_due = false;
        return true;
    }
    if (!trace_visit_next(visit, event))
        return false;
    if (event->kind > TRACE_EVENT_REALLOC)
        return true;
    bool is_birth = event->kind == TRACE_EVENT_ALLOC;
    event->txn = (uint32_t)(is_birth ? event->object : event->old_object);
    event->bits |= TRACE_EVENT_IN_TXN;
    event->alignment_log2 = 4;
    other = (struct trace_event){.kind = is_birth ? TRACE_EVENT_TXN_BEGIN : TRACE_EVENT_TXN_END,
                                 .thread = event->thread,
                                 .lane = event->lane,
                                 .tid = event->tid,
                                 .txn = event->txn};
    if (is_birth) {
        struct trace_event birth = *event;
        *event = other;
        other = birth;
    }
    *is_due = true;
    return true;
}

static void begin_own(void *context)
{
    *(bool *)context = false;
}

/* In one window threads run as they like: what one of them ends is no other's place. */
static void threads_have_transactions_in_places_of_their_own(void **state)
{
    (void)state;
    bool is_due = false;
    for (unsigned lane = 2; lane < 4; lane++)
        builder_thread(&builder, lane, TRACE_THREAD_START, 98 + lane, NULL);
    for (uint64_t i = 0; i < 400; i++) {
        uint32_t lane = 2 + i % 2;
        builder_alloc(&builder, lane, 0x10000 + i * 64, 50, 0, 0, 0);
        builder_free(&builder, lane, 0x10000 + i * 64);
    }
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    const struct rewriting rewriting = {begin_own, next_in_its_own, &is_due};
    struct source source = {.trace = trace, .rewriting = &rewriting};
    const struct compile_options how = {0};
    struct compiled compiled;
    assert_int_equal(compile_source(&source, &how, &compiled), 0);
    assert_int_equal(compiled.program->txns_whole, 400);
    assert_int_equal(compiled.program->txn_slots, 2);
    compile_free(&compiled);
    trace_close(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(contents_are_those_of_malloc, begin, finish),
        cmocka_unit_test_setup_teardown(threads_have_transactions_in_places_of_their_own, begin,
                                        finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
