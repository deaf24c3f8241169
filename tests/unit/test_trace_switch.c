/* test_trace_switch.c - another trace begins while a thread is about to get its first lane. */
#include "tests/unit/trace_check.h"

#include <pthread.h>

#include "tracer/lane.h"

struct lane *__real_lane_get(void);
struct lane *__wrap_lane_get(void);

static struct trace_run *switching; /* whose second trace is to begin; NULL: none */

static void *begin_another(void *name)
{
    struct tracer_options options = plain;
    options.path = name;
    tracer_stop(TRACE_END_STOPPED);
    if (tracer_start(&options) != 0)
        _exit(5);
    return NULL;
}

static void name_second(const struct trace_run *run, char path[200])
{
    snprintf(path, 200, "%s/second.mpt", run->folder);
}

/* The caller has its lane, and has not marked it yet. */
struct lane *__wrap_lane_get(void)
{
    struct lane *lane = __real_lane_get();
    if (switching != NULL) {
        pthread_t other;
        char path[200];
        name_second(switching, path);
        switching = NULL;
        if (pthread_create(&other, NULL, begin_another, path) != 0 ||
            pthread_join(other, NULL) != 0)
            _exit(6);
    }
    return lane;
}

static void *leave_a_lane(void *unused)
{
    tracer_alloc((void *)0x10, 1, 0, 0, &(struct tracer_caller){0});
    tracer_thread_exit();
    return unused;
}

static void allocate_across(struct trace_run *run)
{
    switching = run;
    for (int i = 0; i < 1000; i++)
        tracer_alloc((void *)0x10, 2, 0, 0, &(struct tracer_caller){0});
    if (!tracer_is_on())
        _exit(7);
    tracer_stop(TRACE_END_EXIT);
}

/* So that the lane that is got is one that was used. */
static void allocate_across_after_another(struct trace_run *run)
{
    pthread_t other;
    if (pthread_create(&other, NULL, leave_a_lane, NULL) != 0 || pthread_join(other, NULL) != 0)
        _exit(8);
    allocate_across(run);
}

static void check_second(void (*body)(struct trace_run *run))
{
    struct trace_run run;
    struct decoded decoded;
    struct trace_end end;
    char path[200];
    run_init(&run, 3);
    assert_true(run_wait(run_start(&run, &plain, body)));
    read_right(&decoded, run.path);
    decoder_free(&decoded);
    name_second(&run, path);
    read_right(&decoded, path);
    const struct decoded_record *record = decoder_find(&decoded, TRACE_INFO_END, 0);
    assert_non_null(record);
    memcpy(&end, record->payload, sizeof(end));
    assert_int_equal(end.reason, TRACE_END_EXIT);
    assert_int_equal(end.events, 1000);
    assert_int_equal(end.dropped, 0);
    decoder_free(&decoded);
    run_fini(&run);
}

static void a_new_lane_of_the_trace_before_is_not_taken(void **state)
{
    (void)state;
    check_second(allocate_across);
}

static void a_used_lane_of_the_trace_before_is_not_taken(void **state)
{
    (void)state;
    check_second(allocate_across_after_another);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_lane_of_the_trace_before_is_not_taken),
        cmocka_unit_test(a_used_lane_of_the_trace_before_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
