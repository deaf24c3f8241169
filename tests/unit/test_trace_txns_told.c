/* test_trace_txns_told.c - what the tracer was told of transactions is what the file says. */
#include "tests/unit/trace_check.h"

static void tell_random(struct trace_run *run)
{
    tell_txns(&run->shadows[0], &run->random, 100000);
    tracer_stop(TRACE_END_EXIT);
}

static void records_come_back_over_many_blocks(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 3);
    assert_true(run_wait(run_start(&run, &plain, tell_random)));
    read_right(&decoded, run.path);
    must_match(&run, &decoded, RUN_WHOLE);
    assert_true(decoded.lanes[0].blocks > 5);
    decoder_free(&decoded);
    run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_over_many_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
