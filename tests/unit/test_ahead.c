/* test_ahead.c - events that a thread reads ahead are those of a visit, and it stands still where
 * it may be asked something. */
#include "tests/unit/built_trace.h"
#include "tools/analysis/ahead.h"

enum { LANE = 2, EVENTS = 5 * AHEAD_EVENTS + 7 };

static const struct ahead_stops never = {UINT64_MAX, UINT64_MAX};

static void build(size_t name_every)
{
    for (uint64_t i = 0; i < EVENTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "name %u", (unsigned)i);
        if (name_every != 0 && i % name_every == name_every - 1)
            builder_thread(&builder, LANE, TRACE_THREAD_NAME, 0, name);
        else
            builder_alloc(&builder, LANE, 0x100000 + i * 16, i, 0, 0, 0);
    }
    builder_end(&builder, TRACE_END_EXIT);
}

static void all_events_come_in_their_order(void **state)
{
    (void)state;
    build(0);
    struct trace *trace = open_good();
    struct trace_visit *visit = trace_visit_create(trace), *other = trace_visit_create(trace);
    struct ahead *ahead = ahead_create(visit, &never);
    const struct batch *batch;
    struct trace_event event;
    uint64_t events = 0, stops = 0;
    while ((batch = ahead_next(ahead)) != NULL) {
        for (size_t i = 0; i < batch->count; i++) {
            assert_true(trace_visit_next(other, &event));
            assert_int_equal(batch->event[i].object, event.object);
            assert_int_equal(batch->event[i].address, event.address);
            assert_int_equal(batch->event[i].size, event.size);
            assert_int_equal(batch->event[i].time_ns, event.time_ns);
        }
        events += batch->count;
        stops += batch->stands;
        assert_int_equal(batch->events, events);
    }
    assert_false(trace_visit_next(other, &event));
    assert_int_equal(events, EVENTS);
    assert_int_equal(stops, 1);
    assert_null(ahead_next(ahead));
    ahead_destroy(ahead);
    trace_visit_destroy(visit);
    trace_visit_destroy(other);
    trace_close(trace);
}

static void names_are_those_of_their_time(void **state)
{
    (void)state;
    build(100);
    struct trace *trace = open_good();
    struct trace_visit *visit = trace_visit_create(trace);
    struct ahead *ahead = ahead_create(visit, &never);
    const struct batch *batch;
    uint64_t events = 0, names = 0;
    while ((batch = ahead_next(ahead)) != NULL) {
        events += batch->count;
        const struct trace_event *last = batch->count == 0 ? NULL : &batch->event[batch->count - 1];
        if (last == NULL || last->kind != TRACE_EVENT_THREAD_NAME)
            continue;
        char name[16];
        snprintf(name, sizeof(name), "name %u", (unsigned)events - 1);
        assert_true(batch->stands);
        assert_string_equal(trace_thread_name(visit, last->thread), name);
        names++;
    }
    assert_int_equal(names, EVENTS / 100);
    ahead_destroy(ahead);
    trace_visit_destroy(visit);
    trace_close(trace);
}

/* What is alive then is what was booked, not what was read ahead. */
static void it_stands_still_when_the_time_has_come(void **state)
{
    (void)state;
    build(0);
    struct trace *trace = open_good();
    struct trace_visit *visit = trace_visit_create(trace);
    struct ahead_stops times = {trace_facts(trace)->header.start_ns + 1000 * 10, UINT64_MAX};
    struct ahead *ahead = ahead_create(visit, &times);
    const struct batch *batch;
    uint64_t events = 0, stops = 0;
    while ((batch = ahead_next(ahead)) != NULL) {
        events += batch->count;
        if (!batch->stands || batch->is_last)
            continue;
        assert_int_equal(events % AHEAD_STEP, 0);
        assert_int_equal(trace_visit_totals(visit)->live_objects, events);
        assert_true(batch->event[batch->count - 1].time_ns >= times.at_ns);
        times.at_ns += 500 * 10;
        ahead_stop_at(ahead, &times);
        stops++;
    }
    assert_int_equal(events, EVENTS);
    assert_in_range(stops, 2, EVENTS / 500);
    ahead_destroy(ahead);
    trace_visit_destroy(visit);
    trace_close(trace);
}

/* Once, right behind the first event after that time, wherever that is. */
static void it_stands_still_right_behind_a_time(void **state)
{
    (void)state;
    build(0);
    struct trace *trace = open_good();
    struct trace_visit *visit = trace_visit_create(trace);
    struct ahead_stops stops = {UINT64_MAX, trace_facts(trace)->header.start_ns + 1003 * 10};
    struct ahead *ahead = ahead_create(visit, &stops);
    const struct batch *batch;
    uint64_t stops_met = 0;
    while ((batch = ahead_next(ahead)) != NULL) {
        for (size_t i = 0; i + 1 < batch->count; i++)
            assert_true(batch->event[i].time_ns <= stops.after_ns);
        if (!batch->stands || batch->is_last)
            continue;
        assert_true(batch->event[batch->count - 1].time_ns > stops.after_ns);
        stops.after_ns = UINT64_MAX;
        ahead_stop_at(ahead, &stops);
        stops_met++;
    }
    assert_int_equal(stops_met, 1);
    ahead_destroy(ahead);
    trace_visit_destroy(visit);
    trace_close(trace);
}

static void nobody_has_to_wait_for_the_end(void **state)
{
    (void)state;
    build(0);
    struct trace *trace = open_good();
    for (int batches = 0; batches < 4; batches++) {
        struct trace_visit *visit = trace_visit_create(trace);
        struct ahead *ahead = ahead_create(visit, &never);
        for (int i = 0; i < batches; i++)
            assert_non_null(ahead_next(ahead));
        ahead_destroy(ahead);
        trace_visit_destroy(visit);
    }
    trace_close(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_events_come_in_their_order, begin, finish),
        cmocka_unit_test_setup_teardown(names_are_those_of_their_time, begin, finish),
        cmocka_unit_test_setup_teardown(it_stands_still_when_the_time_has_come, begin, finish),
        cmocka_unit_test_setup_teardown(it_stands_still_right_behind_a_time, begin, finish),
        cmocka_unit_test_setup_teardown(nobody_has_to_wait_for_the_end, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
