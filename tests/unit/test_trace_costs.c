/* test_trace_costs.c - what a trace says that recording took, of events that take differently long
 * by a clock of our own. */
#include "tests/unit/trace_check.h"

#include "tracer/file.h"
#include "tracer/lane.h"
#include "tracer/plain.h"
#include "tracer/unwind.h"

enum {
    PAIRS = 100000 / TEST_DIVISOR,
    KNOWN_NS = 10,  /* an event, */
    NODE_NS = 4000, /* and more for each frame that the thread did not know */
    TICK_NS = 500,
    BLOCK_NS = 2000,
    WAIT_NS = 10000000, /* for a block */
};

static uint64_t clock_ns = 1000000000, waited_ns, ticks, tick_ns = TICK_NS, truth_ns;

uint64_t __wrap_os_time_ns(void);
uint64_t __wrap_os_thread_time_ns(void);
uint32_t __real_stacks_get_node(uint32_t parent, uintptr_t ip, bool is_exact);
uint32_t __wrap_stacks_get_node(uint32_t parent, uintptr_t ip, bool is_exact);
struct file_block __real_file_take_block(void);
struct file_block __wrap_file_take_block(void);
bool __real_lane_write_time(struct lane *lane, uint64_t now_ns);
bool __wrap_lane_write_time(struct lane *lane, uint64_t now_ns);
bool __real_unwind(struct lane *lane, const struct tracer_caller *caller, unsigned depth,
                   uint32_t *id);
bool __wrap_unwind(struct lane *lane, const struct tracer_caller *caller, unsigned depth,
                   uint32_t *id);

uint64_t __wrap_os_time_ns(void)
{
    return clock_ns;
}

/* Of the processor. */
uint64_t __wrap_os_thread_time_ns(void)
{
    return clock_ns - waited_ns;
}

struct file_block __wrap_file_take_block(void)
{
    clock_ns += BLOCK_NS + WAIT_NS;
    waited_ns += WAIT_NS;
    truth_ns += BLOCK_NS;
    return __real_file_take_block();
}

bool __wrap_lane_write_time(struct lane *lane, uint64_t now_ns)
{
    clock_ns += tick_ns;
    ticks++;
    return __real_lane_write_time(lane, now_ns);
}

bool __wrap_unwind(struct lane *lane, const struct tracer_caller *caller, unsigned depth,
                   uint32_t *id)
{
    clock_ns += KNOWN_NS;
    truth_ns += KNOWN_NS;
    return __real_unwind(lane, caller, depth, id);
}

uint32_t __wrap_stacks_get_node(uint32_t parent, uintptr_t ip, bool is_exact)
{
    clock_ns += NODE_NS;
    truth_ns += NODE_NS;
    return __real_stacks_get_node(parent, ip, is_exact);
}

/* As the door does. */
static void alloc(void *p, size_t bytes, const struct tracer_caller *caller)
{
    uint32_t stack;
    struct plain_turn turn = plain_begin();
    if (turn.lane != NULL && plain_find_stack(turn, caller, &stack)) {
        plain_alloc_with(turn, p, bytes, 0, stack);
        clock_ns += KNOWN_NS;
        truth_ns += KNOWN_NS;
        plain_end(turn);
        return;
    }
    if (turn.lane != NULL)
        plain_end(turn);
    tracer_alloc(p, bytes, 0, 0, caller);
}

/* The truth goes into the shadow of a thread that there is not. */
static void record_pairs(struct trace_run *run)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    struct tracer_caller caller = {.ip = frame[1], .sp = (uintptr_t)(frame + 2), .bp = frame[0]};
    struct tracer_caller others = caller;
    for (uintptr_t i = 1; i <= PAIRS; i++) {
        others.ip = caller.ip + i / 256; /* a stack that is new */
        alloc((void *)(16 * i), i, i % 256 == 0 ? &others : &caller);
        clock_ns += 100000; /* the program's own */
        tracer_free((void *)(16 * i));
    }
    run->shadows[1].event[0].time_ns = truth_ns + ticks * (tick_ns < WAIT_NS / 1000 ? tick_ns : 0);
    tracer_stop(TRACE_END_EXIT);
}

static void each_kind_of_work_stands_for_its_own(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    struct trace_end end;
    struct tracer_options options = {.address_shift = 4, .ordered_by_caller = true, .depth = 64};
    run_init(&run, 1);
    assert_true(run_wait(run_start(&run, &options, record_pairs)));
    assert_true(decoder_read(&decoded, run.path));
    memcpy(&end, decoder_find(&decoded, TRACE_INFO_END, 0)->payload, sizeof(end));
    uint64_t truth = run.shadows[1].event[0].time_ns;
    assert_int_equal(end.events, 2 * PAIRS);
    assert_in_range(end.overhead_ns, truth - truth / 10, truth + truth / 10);
    decoder_free(&decoded);
    run_fini(&run);
}

/* Who reads the clock at every event, and each time is away from the processor too long to be
 * timed. */
static void what_samples_took_is_counted(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    struct trace_end end;
    struct tracer_options options = {.address_shift = 4, .depth = 64, .sample_period = 4096};
    tick_ns = 30 * 1000;
    run_init(&run, 1);
    assert_true(run_wait(run_start(&run, &options, record_pairs)));
    assert_true(decoder_read(&decoded, run.path));
    memcpy(&end, decoder_find(&decoded, TRACE_INFO_END, 0)->payload, sizeof(end));
    uint64_t truth = run.shadows[1].event[0].time_ns;
    assert_in_range(end.overhead_ns, truth - truth / 10, truth + truth / 10);
    decoder_free(&decoded);
    run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_kind_of_work_stands_for_its_own),
                                       cmocka_unit_test(what_samples_took_is_counted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
