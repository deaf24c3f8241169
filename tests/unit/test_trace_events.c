/* test_trace_events.c - what the tracer was told is what the file says, event by event. */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <pthread.h>
#include <unistd.h>

static struct trace_end end_of(const struct decoded *decoded)
{
    struct trace_end end;
    const struct decoded_record *record = decoder_find(decoded, TRACE_INFO_END, 0);
    assert_non_null(record);
    assert_int_equal(record->bytes, sizeof(end));
    memcpy(&end, record->payload, sizeof(end));
    return end;
}

static uint64_t count_kinds(const struct decoded *decoded, uint32_t first, uint32_t last)
{
    uint64_t count = 0;
    for (size_t l = 0; l < decoded->lane_count; l++)
        for (size_t i = 0; i < decoded->lanes[l].count; i++)
            count += decoded->lanes[l].events[i].kind >= first &&
                     decoded->lanes[l].events[i].kind <= last;
    return count;
}

/* Runs the body, which stops the trace, and compares everything. */
static void trace_and_compare(struct trace_run *run, struct decoded *decoded,
                              const struct tracer_options *options,
                              void (*body)(struct trace_run *))
{
    assert_true(run_wait(run_start(run, options, body)));
    read_right(decoded, run->path);
    must_match(run, decoded, RUN_WHOLE);
    struct trace_end end = end_of(decoded);
    assert_int_equal(end.events, count_kinds(decoded, DECODED_ALLOC, DECODED_TXN_ALLOC));
    assert_int_equal(end.dropped, 0);
    assert_int_equal(end.blocks, decoded->blocks);
    assert_int_equal(end.reason, TRACE_END_EXIT);
    assert_int_equal(decoded->file_bytes, TRACE_HEADER_BYTES + decoded->blocks * TRACE_BLOCK_BYTES);
}

/* -- one thread ------------------------------------------------------------------------------- */

static void tell_each_kind(struct trace_run *run)
{
    struct shadow *shadow = &run->shadows[0];
    tell_alloc(shadow, 0x7f0000000010, 100, 0, 0);
    tell_alloc(shadow, 0x7f0000000080, 100, 0, TRACE_ZEROED);
    tell_alloc(shadow, 0x7f0000001000, 0, 4096, TRACE_CPP);
    tell_alloc(shadow, 0x7f0000002000, SIZE_MAX, 16, 0);
    tell_alloc(shadow, 0x10, 1, UINT64_C(1) << 40, 0);
    tell_realloc(shadow, 0x7f0000000010, 0x7f0000000010, 200);
    tell_realloc(shadow, 0x7f0000000010, 0x7f0000009000, 300);
    tell_free(shadow, 0x7f0000009000);
    tell_free(shadow, 0x7f0000000080);
    tell_free(shadow, 0xfffffffffffffff0);
    tell_failed(shadow, SIZE_MAX);
    tracer_stop(TRACE_END_EXIT);
}

static void every_kind_of_event_comes_back(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 1);
    trace_and_compare(&run, &decoded, &plain, tell_each_kind);
    assert_int_equal(decoded.lane_count, 1);
    assert_int_equal(count_kinds(&decoded, DECODED_START, DECODED_START), 1);
    decoder_free(&decoded);
    run_fini(&run);
}

static void tell_random(struct trace_run *run)
{
    tell_anything(run, &run->shadows[0], &run->random, 200000);
    tracer_stop(TRACE_END_EXIT);
}

static void random_events_come_back_over_many_blocks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct trace_run run;
        struct decoded decoded;
        run_init(&run, seed);
        trace_and_compare(&run, &decoded, &plain, tell_random);
        assert_true(decoded.lanes[0].blocks > 10);
        assert_false(decoded.lanes[0].has_open_block);
        decoder_free(&decoded);
        run_fini(&run);
    }
}

static void addresses_of_eight_bytes_alignment_keep_their_last_bit(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 7);
    struct tracer_options options = plain;
    options.address_shift = 3;
    trace_and_compare(&run, &decoded, &options, tell_random);
    assert_int_equal(decoded.header.address_shift, 3);
    decoder_free(&decoded);
    run_fini(&run);
}

static void tell_alike(struct trace_run *run)
{
    struct shadow *shadow = &run->shadows[0];
    for (uint64_t i = 0; i < 100000; i++) {
        tell_alloc(shadow, UINT64_C(0x7f0000000000) + i % 50 * 64, 64, 0, 0);
        tell_free(shadow, UINT64_C(0x7f0000000000) + i % 50 * 64);
    }
    tracer_stop(TRACE_END_EXIT);
}

static void regular_programs_need_three_bytes_an_event_beside_near_ones(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    struct tracer_options options = plain;
    options.near_from = 0;
    run_init(&run, 1);
    trace_and_compare(&run, &decoded, &options, tell_alike);
    assert_true(decoded.file_bytes < UINT64_C(200000) * 3);
    decoder_free(&decoded);
    run_fini(&run);
}

static void time_runs_forward_from_the_start(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 11);
    trace_and_compare(&run, &decoded, &plain, tell_random);
    const struct decoded_lane *lane = &decoded.lanes[0];
    uint64_t steps = 0;
    assert_true(lane->events[0].time_ns >= decoded.header.start_ns);
    for (size_t i = 1; i < lane->count; i++) {
        assert_true(lane->events[i].time_ns >= lane->events[i - 1].time_ns);
        steps += lane->events[i].time_ns != lane->events[i - 1].time_ns;
    }
    assert_true(steps > 200000 / 64 / 2);
    assert_true(lane->events[lane->count - 1].time_ns <= end_of(&decoded).time_ns);
    decoder_free(&decoded);
    run_fini(&run);
}

/* -- threads ---------------------------------------------------------------------------------- */

struct worker {
    struct trace_run *run;
    struct shadow *shadow;
    uint64_t random;
    pthread_t thread;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    tell_anything(worker->run, worker->shadow, &worker->random, 60000);
    tracer_thread_exit();
    return NULL;
}

static void tell_from_eight_threads(struct trace_run *run)
{
    struct worker workers[8];
    for (size_t i = 0; i < 8; i++) {
        workers[i] = (struct worker){run, &run->shadows[i], run->random + i * 977 + 1, 0};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            _exit(4);
    }
    for (size_t i = 0; i < 8; i++)
        pthread_join(workers[i].thread, NULL);
    tracer_stop(TRACE_END_EXIT);
}

/* Sorted by nature: each epoch is drawn once, and a lane's grow. */
static void check_epochs(const struct decoded *decoded)
{
    uint64_t syncs = count_kinds(decoded, DECODED_SYNC, DECODED_SYNC);
    unsigned char *drawn = test_calloc(syncs + 1, 1);
    for (size_t l = 0; l < decoded->lane_count; l++) {
        for (size_t i = 0; i < decoded->lanes[l].count; i++) {
            const struct decoded_event *event = &decoded->lanes[l].events[i];
            if (event->kind != DECODED_SYNC)
                continue;
            assert_in_range(event->epoch, 1, syncs);
            assert_int_equal(drawn[event->epoch]++, 0);
        }
    }
    test_free(drawn);
}

static void eight_threads_have_lanes_of_their_own_and_unique_epochs(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 5);
    trace_and_compare(&run, &decoded, &plain, tell_from_eight_threads);
    assert_true(decoded.lane_count <= 8);
    check_epochs(&decoded);
    assert_int_equal(count_kinds(&decoded, DECODED_START, DECODED_START), 8);
    assert_int_equal(count_kinds(&decoded, DECODED_END, DECODED_END), 8);
    decoder_free(&decoded);
    run_fini(&run);
}

static void *work_briefly(void *argument)
{
    struct worker *worker = argument;
    pthread_setname_np(pthread_self(), "brief");
    tell_anything(worker->run, worker->shadow, &worker->random, 100);
    tracer_thread_exit();
    return NULL;
}

static void tell_from_one_thread_after_another(struct trace_run *run)
{
    for (size_t i = 0; i < 40; i++) {
        struct worker worker = {run, &run->shadows[i], run->random + i, 0};
        if (pthread_create(&worker.thread, NULL, work_briefly, &worker) != 0)
            _exit(4);
        pthread_join(worker.thread, NULL);
    }
    tracer_stop(TRACE_END_EXIT);
}

static void a_new_thread_continues_the_lane_of_a_dead_one(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 5);
    trace_and_compare(&run, &decoded, &plain, tell_from_one_thread_after_another);
    assert_int_equal(decoded.lane_count, 1);
    assert_int_equal(count_kinds(&decoded, DECODED_START, DECODED_START), 40);
    assert_int_equal(count_kinds(&decoded, DECODED_END, DECODED_END), 40);
    for (size_t i = 0; i < decoded.lanes[0].count; i++)
        if (decoded.lanes[0].events[i].kind == DECODED_NAME)
            assert_string_equal(decoded.lanes[0].events[i].name, "brief");
    assert_true(count_kinds(&decoded, DECODED_NAME, DECODED_NAME) >= 40);
    decoder_free(&decoded);
    run_fini(&run);
}

static bool is_birth(const struct decoded_event *event)
{
    return event->kind == DECODED_ALLOC || event->kind == DECODED_REALLOC;
}

/* From where the lane is not the only one any more. */
static void check_every_birth_has_its_epoch(const struct decoded_lane *lane)
{
    size_t i = 0;
    while (i < lane->count && lane->events[i].kind != DECODED_SYNC)
        i++;
    for (; i < lane->count; i++)
        if (is_birth(&lane->events[i]))
            assert_int_equal(lane->events[i - 1].kind, DECODED_SYNC);
}

static void heaps_that_tell_nothing_get_an_epoch_for_every_birth(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 9);
    struct tracer_options options = plain;
    options.ordered_by_caller = false;
    trace_and_compare(&run, &decoded, &options, tell_from_eight_threads);
    check_epochs(&decoded);
    assert_true(count_kinds(&decoded, DECODED_SYNC, DECODED_SYNC) > 8 * 60000 / 3);
    for (size_t l = 0; l < decoded.lane_count; l++)
        check_every_birth_has_its_epoch(&decoded.lanes[l]);
    decoder_free(&decoded);
    run_fini(&run);
}

static void a_single_thread_draws_nothing(void **state)
{
    (void)state;
    for (int ordered = 0; ordered < 2; ordered++) {
        struct trace_run run;
        struct decoded decoded;
        run_init(&run, 9);
        struct tracer_options options = plain;
        options.ordered_by_caller = ordered != 0;
        trace_and_compare(&run, &decoded, &options, tell_random);
        assert_int_equal(count_kinds(&decoded, DECODED_SYNC, DECODED_SYNC), 0);
        decoder_free(&decoded);
        run_fini(&run);
    }
}

/* -- the info lane ---------------------------------------------------------------------------- */

static bool fill_sample(struct trace_sample *sample)
{
    sample->live = 12345;
    sample->time_ns = 1; /* the tracer knows better */
    return true;
}

static void tell_marks(struct trace_run *run)
{
    tracer_mark("first");
    tell_anything(run, &run->shadows[0], &run->random, 1000);
    tracer_mark("");
    tracer_sample();
    tracer_stop(TRACE_END_EXIT);
}

static void the_info_lane_tells_who_what_and_when(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    char text[4096];
    run_init(&run, 3);
    struct tracer_options options = plain;
    options.sample_heap = fill_sample;
    trace_and_compare(&run, &decoded, &options, tell_marks);

    ssize_t length = readlink("/proc/self/exe", text, sizeof(text));
    const struct decoded_record *exe = decoder_find(&decoded, TRACE_INFO_EXE, 0);
    assert_non_null(exe);
    assert_int_equal(exe->bytes, length);
    assert_memory_equal(exe->payload, text, (size_t)length);
    const struct decoded_record *command = decoder_find(&decoded, TRACE_INFO_COMMAND, 0);
    assert_non_null(command);
    assert_non_null(strstr((const char *)command->payload, "test_trace_events"));
    assert_non_null(getcwd(text, sizeof(text)));
    assert_memory_equal(decoder_find(&decoded, TRACE_INFO_CWD, 0)->payload, text, strlen(text));

    const struct decoded_record *mark = decoder_find(&decoded, TRACE_INFO_MARK, 0);
    assert_non_null(mark);
    assert_memory_equal(mark->payload + mark->bytes - 5, "first", 5);
    assert_non_null(decoder_find(&decoded, TRACE_INFO_MARK, 1));
    struct trace_sample sample;
    const struct decoded_record *record = decoder_find(&decoded, TRACE_INFO_SAMPLE, 1);
    assert_non_null(record);
    memcpy(&sample, record->payload, sizeof(sample));
    assert_int_equal(sample.live, 12345);
    assert_true(sample.time_ns >= decoded.header.start_ns && sample.rss > sample.rss_anon);
    assert_true(sample.tracer > 0);

    const struct decoded_record *module = decoder_find(&decoded, TRACE_INFO_MODULE, 0);
    assert_non_null(module);
    assert_memory_equal(module->payload + module->bytes - exe->bytes, exe->payload, exe->bytes);
    assert_non_null(decoder_find(&decoded, TRACE_INFO_MODULE, 1));
    assert_ptr_equal(decoder_find(&decoded, TRACE_INFO_END, 0),
                     &decoded.records[decoded.record_count - 1]);
    decoder_free(&decoded);
    run_fini(&run);
}

static void tell_many_marks(struct trace_run *run)
{
    (void)run;
    char label[1100];
    memset(label, 'x', sizeof(label));
    label[sizeof(label) - 1] = '\0';
    for (int i = 0; i < 300; i++)
        tracer_mark(label);
    tracer_stop(TRACE_END_EXIT);
}

static void long_labels_are_cut_and_fill_blocks_without_a_gap(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 3);
    trace_and_compare(&run, &decoded, &plain, tell_many_marks);
    const struct decoded_record *last = decoder_find(&decoded, TRACE_INFO_MARK, 299);
    assert_non_null(last);
    assert_in_range(last->bytes, 1024, 1024 + 10);
    assert_true(decoded.blocks >= 5);
    decoder_free(&decoded);
    run_fini(&run);
}

/* -- off -------------------------------------------------------------------------------------- */

static void tell_after_the_end(struct trace_run *run)
{
    tell_anything(run, &run->shadows[0], &run->random, 1000);
    bool was_on = tracer_is_on();
    tracer_stop(TRACE_END_EXIT);
    if (!was_on || tracer_is_on())
        _exit(5);
    tracer_alloc((void *)16, 1, 0, 0, &(struct tracer_caller){0});
    tracer_mark("too late");
    tracer_stop(TRACE_END_STOPPED);
}

static void nothing_is_recorded_after_the_end(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 3);
    trace_and_compare(&run, &decoded, &plain, tell_after_the_end);
    assert_null(decoder_find(&decoded, TRACE_INFO_MARK, 0));
    decoder_free(&decoded);
    run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_event_comes_back),
        cmocka_unit_test(random_events_come_back_over_many_blocks),
        cmocka_unit_test(addresses_of_eight_bytes_alignment_keep_their_last_bit),
        cmocka_unit_test(regular_programs_need_three_bytes_an_event_beside_near_ones),
        cmocka_unit_test(time_runs_forward_from_the_start),
        cmocka_unit_test(eight_threads_have_lanes_of_their_own_and_unique_epochs),
        cmocka_unit_test(a_new_thread_continues_the_lane_of_a_dead_one),
        cmocka_unit_test(a_single_thread_draws_nothing),
        cmocka_unit_test(heaps_that_tell_nothing_get_an_epoch_for_every_birth),
        cmocka_unit_test(the_info_lane_tells_who_what_and_when),
        cmocka_unit_test(long_labels_are_cut_and_fill_blocks_without_a_gap),
        cmocka_unit_test(nothing_is_recorded_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
