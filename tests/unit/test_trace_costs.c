/* test_trace_costs.c - what a trace says that recording took, of events that take differently long
 * by a clock of our own. */
#include "tests/unit/trace_check.h"

#include "tracer/lane.h"
#include "tracer/unwind.h"

enum { PAIRS = 100000 / TEST_DIVISOR, WALK_NS = 1000, TICK_NS = 5000 };

static uint64_t clock_ns = 1000000000, ticks, tick_ns = TICK_NS;

uint64_t __wrap_os_time_ns(void);
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

bool __wrap_lane_write_time(struct lane *lane, uint64_t now_ns)
{
    clock_ns += tick_ns;
    ticks++;
    return __real_lane_write_time(lane, now_ns);
}

bool __wrap_unwind(struct lane *lane, const struct tracer_caller *caller, unsigned depth,
                   uint32_t *id)
{
    clock_ns += WALK_NS;
    return __real_unwind(lane, caller, depth, id);
}

/* The truth goes into the shadow of a thread that there is not. */
static void record_pairs(struct trace_run *run)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    struct tracer_caller caller = {.ip = frame[1], .sp = (uintptr_t)(frame + 2), .bp = frame[0]};
    for (uintptr_t i = 1; i <= PAIRS; i++) {
        tracer_alloc((void *)(16 * i), i, 0, 0, &caller);
        clock_ns += 100000; /* the program's own */
        tracer_free((void *)(16 * i));
    }
    run->shadows[1].event[0].time_ns = (uint64_t)PAIRS * WALK_NS + ticks * TICK_NS;
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
    assert_in_range(end.overhead_ns, PAIRS * WALK_NS * 9 / 10, PAIRS * WALK_NS * 11 / 10);
    decoder_free(&decoded);
    run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_kind_of_work_stands_for_its_own),
                                       cmocka_unit_test(what_samples_took_is_counted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
