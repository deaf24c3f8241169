/* test_trace_ring.c - traces that keep the newest: what is there is right, whole from some point
 * on, and never more than asked for. */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "tools/trace/trace.h"

enum { THREADS = 4, EVENTS = 100000, BLOCK = TRACE_BLOCK_BYTES };

static const struct tracer_options flight = {
    .address_shift = 4, .ordered_by_caller = true, .lane_bytes = 4 * BLOCK};
static const struct tracer_options limited = {
    .address_shift = 4, .ordered_by_caller = true, .most_bytes = 1 << 20};

/* NULL: there is none. Until it is asked for again. */
static const struct trace_end *find_end(const struct decoded *decoded)
{
    static struct trace_end end;
    const struct decoded_record *record = decoder_find(decoded, TRACE_INFO_END, 0);
    if (record == NULL)
        return NULL;
    memcpy(&end, record->payload, sizeof(end));
    return &end;
}

static uint64_t count_events(const struct decoded *decoded)
{
    uint64_t count = 0;
    for (size_t l = 0; l < decoded->lane_count; l++)
        for (size_t i = 0; i < decoded->lanes[l].count; i++)
            count += decoded->lanes[l].events[i].kind <= DECODED_FAILED;
    return count;
}

static uint64_t count_older(const struct decoded *decoded)
{
    uint64_t count = 0;
    for (size_t l = 0; l < decoded->lane_count; l++)
        count += decoded->lanes[l].older;
    return count;
}

/* -- children --------------------------------------------------------------------------------- */

struct worker {
    struct trace_run *run;
    struct shadow *shadow;
    uint64_t random;
    uint64_t events;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    tell_anything(worker->run, worker->shadow, &worker->random, worker->events);
    return NULL;
}

/* The first thread tells little: its lane must stay whole while the others' are written over. */
static void start_workers(struct trace_run *run, pthread_t threads[THREADS])
{
    static struct worker workers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){run, &run->shadows[i], run->random + i * 977 + 1,
                                     i == 0 ? 1000 : EVENTS};
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            _exit(4);
    }
}

static void tell_until_killed(struct trace_run *run)
{
    pthread_t threads[THREADS];
    start_workers(run, threads);
    for (;;)
        pause();
}

/* No lane is given back: each thread has one of its own. */
static void tell_much(struct trace_run *run)
{
    pthread_t threads[THREADS];
    start_workers(run, threads);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    tracer_stop(TRACE_END_EXIT);
}

/* -- whole runs ------------------------------------------------------------------------------- */

static void check_whole(const struct tracer_options *options, uint64_t most_bytes)
{
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 11);
    assert_true(run_wait(run_start(&run, options, tell_much)));
    read_right(&decoded, run.path);
    must_match(&run, &decoded, RUN_WHOLE);
    const struct trace_end *end = find_end(&decoded);
    assert_non_null(end);
    assert_int_equal(end->events, count_events(&decoded) + count_older(&decoded));
    assert_int_equal(end->dropped, 0);
    assert_int_equal(end->blocks, decoded.blocks);
    assert_true(count_older(&decoded) > end->events / 4);
    assert_in_range(decoded.file_bytes, most_bytes / 2, most_bytes);
    decoder_free(&decoded);
    run_fini(&run);
}

static void each_thread_keeps_its_newest_blocks(void **state)
{
    (void)state;
    check_whole(&flight, TRACE_HEADER_BYTES + (3 + THREADS * 4) * BLOCK);
}

static void a_file_keeps_its_newest_blocks_and_its_size(void **state)
{
    (void)state;
    check_whole(&limited, 1 << 20);
}

static void *work_and_exit(void *argument)
{
    work(argument);
    tracer_thread_exit();
    return NULL;
}

/* Lanes of threads that are gone are gone on with, and count on. */
static void tell_thread_after_thread(struct trace_run *run)
{
    for (size_t i = 0; i < SHADOW_THREADS; i++) {
        struct worker worker = {run, &run->shadows[i], run->random + i, 20000 / TEST_DIVISOR};
        pthread_t thread;
        if (pthread_create(&thread, NULL, work_and_exit, &worker) != 0 ||
            pthread_join(thread, NULL) != 0)
            _exit(4);
    }
    tracer_stop(TRACE_END_EXIT);
}

static void the_header_of_a_block_tells_whose_events_go_on_in_it(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 5);
    assert_true(run_wait(run_start(&run, &flight, tell_thread_after_thread)));
    read_right(&decoded, run.path); /* compares the threads of headers and records */
    assert_true(count_older(&decoded) > 0);
    struct trace_block_header header;
    size_t named = 0;
    for (size_t at = TRACE_HEADER_BYTES; at < decoded.file_bytes; at += BLOCK) {
        memcpy(&header, decoded.file + at, sizeof(header));
        named += header.tid != 0 && strcmp(header.name, "test_trace_ring") == 0;
    }
    assert_true(named >= 2);
    const struct trace_end *end = find_end(&decoded);
    assert_int_equal(end->events, count_events(&decoded) + count_older(&decoded));
    decoder_free(&decoded);
    run_fini(&run);
}

/* -- the timeline ----------------------------------------------------------------------------- */

enum { MARKS = 60000, LABEL_BYTES = 100 };

static void mark_again_and_again(struct trace_run *run)
{
    char label[LABEL_BYTES + 1];
    tell_anything(run, &run->shadows[0], &run->random, 1000);
    for (unsigned i = 0; i < MARKS; i++) {
        snprintf(label, sizeof(label), "%0*u", LABEL_BYTES, i);
        tracer_mark(label);
    }
    tracer_stop(TRACE_END_EXIT);
}

static const struct trace_mark *last_mark(const struct trace_facts *facts)
{
    return &facts->mark[facts->marks - 1];
}

/* What a process is, and its events, are not what marks are written over. */
static void marks_without_number_push_out_marks_only(void **state)
{
    (void)state;
    const struct tracer_options *const kinds[] = {&flight, &limited};
    for (size_t kind = 0; kind < 2; kind++) {
        struct trace_run run;
        struct decoded decoded;
        struct trace_error error;
        run_init(&run, 3);
        assert_true(run_wait(run_start(&run, kinds[kind], mark_again_and_again)));
        read_right(&decoded, run.path);
        must_match(&run, &decoded, RUN_WHOLE);
        assert_true(decoded.is_timeline_late);
        assert_in_range(decoded.timeline_blocks, 2, 4);
        assert_int_equal(count_older(&decoded), 0);
        assert_non_null(decoder_find(&decoded, TRACE_INFO_MODULE, 0));
        struct trace *trace = trace_open(run.path, &error);
        assert_non_null(trace);
        assert_null(trace_warning(trace, 0));
        const struct trace_facts *facts = trace_facts(trace);
        assert_true(facts->arguments > 0 && facts->modules > 0);
        assert_int_equal(strtoul(last_mark(facts)->label, NULL, 10), MARKS - 1);
        assert_in_range(facts->marks, BLOCK / (2 * LABEL_BYTES), 4 * BLOCK / LABEL_BYTES);
        assert_in_range(facts->timeline_since_ns, facts->header.start_ns,
                        last_mark(facts)->time_ns);
        assert_int_equal(facts->whole_since_ns, 0);
        trace_close(trace);
        decoder_free(&decoded);
        run_fini(&run);
    }
}

/* -- more threads than blocks ----------------------------------------------------------------- */

enum { CROWD = 40, CROWD_EVENTS = 1000 };

static const struct tracer_options narrow = {
    .address_shift = 4, .ordered_by_caller = true, .most_bytes = 512 << 10};

static pthread_barrier_t all_have_told;

static void *work_beside_others(void *argument)
{
    work(argument);
    pthread_barrier_wait(&all_have_told);
    tracer_thread_exit();
    return NULL;
}

static void tell_in_a_crowd(struct trace_run *run)
{
    static struct worker workers[CROWD];
    pthread_t threads[CROWD];
    pthread_barrier_init(&all_have_told, NULL, CROWD);
    for (size_t i = 0; i < CROWD; i++) {
        workers[i] = (struct worker){run, &run->shadows[i], run->random + i, CROWD_EVENTS};
        if (pthread_create(&threads[i], NULL, work_beside_others, &workers[i]) != 0)
            _exit(4);
    }
    for (size_t i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
}

static void tell_in_a_crowd_only(struct trace_run *run)
{
    tell_in_a_crowd(run);
    tracer_stop(TRACE_END_EXIT);
}

static void check_no_warning(const struct trace_run *run)
{
    struct trace_error error;
    struct trace *trace = trace_open(run->path, &error);
    assert_non_null(trace);
    assert_null(trace_warning(trace, 0));
    trace_close(trace);
}

static void a_limit_of_fewer_blocks_than_threads_ends_no_trace(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 29);
    assert_true(run_wait(run_start(&run, &narrow, tell_in_a_crowd_only)));
    read_right(&decoded, run.path);
    must_match(&run, &decoded, RUN_WHOLE);
    const struct trace_end *end = find_end(&decoded);
    assert_non_null(end);
    assert_int_equal(end->reason, TRACE_END_EXIT);
    assert_int_equal(end->dropped, 0);
    assert_int_equal(end->events, count_events(&decoded));
    assert_int_equal(end->gone_events, 0);
    assert_in_range(end->blocks, CROWD + 2, CROWD + 8);
    check_no_warning(&run);
    decoder_free(&decoded);
    run_fini(&run);
}

static void tell_behind_a_crowd(struct trace_run *run)
{
    tell_in_a_crowd(run);
    tell_anything(run, &run->shadows[CROWD], &run->random, 2 * EVENTS);
    tracer_stop(TRACE_END_EXIT);
}

/* What they wrote is the oldest there is; the number of the one lane is beyond that of blocks. */
static void blocks_of_threads_that_ended_are_written_over(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 31);
    assert_true(run_wait(run_start(&run, &narrow, tell_behind_a_crowd)));
    read_right(&decoded, run.path);
    const struct trace_end *end = find_end(&decoded);
    assert_non_null(end);
    assert_int_equal(end->events,
                     count_events(&decoded) + count_older(&decoded) + end->gone_events);
    assert_true(end->gone_events > CROWD_EVENTS && end->gone_ns < end->time_ns);
    assert_in_range(end->blocks, CROWD + 2, CROWD + 8);
    assert_true(count_events(&decoded) > EVENTS);
    check_no_warning(&run);
    decoder_free(&decoded);
    run_fini(&run);
}

/* -- kills ------------------------------------------------------------------------------------ */

static void kill_some_time(struct trace_run *run, const struct tracer_options *options,
                           uint64_t events)
{
    pid_t child = run_start(run, options, tell_until_killed);
    while (atomic_load(&run->shadows[1].told) < events)
        sched_yield();
    kill(child, SIGKILL);
    assert_false(run_wait(child));
}

/* Most of these kills hit a thread that reads, maps or zeroes blocks. */
static void a_kill_while_blocks_are_written_over_leaves_no_invented_event(void **state)
{
    (void)state;
    uint64_t random = 4711;
    for (unsigned i = 0; i < 20 / TEST_DIVISOR; i++) {
        struct trace_run run;
        struct decoded decoded;
        struct tracer_options options = i % 2 == 0 ? flight : limited;
        options.lane_bytes = options.lane_bytes != 0 ? 2 * BLOCK : 0;
        run_init(&run, random);
        kill_some_time(&run, &options, 30000 + next_random(&random) % 50000);
        read_right(&decoded, run.path);
        must_match(&run, &decoded, RUN_KILLED);
        assert_null(find_end(&decoded));
        decoder_free(&decoded);
        run_fini(&run);
    }
}

/* -- copies ----------------------------------------------------------------------------------- */

enum { COPIES = 6 };

static void copy_under_load(struct trace_run *run)
{
    pthread_t threads[THREADS];
    char name[160];
    start_workers(run, threads);
    for (int i = 0; i < COPIES; i++) {
        while (atomic_load(&run->shadows[1].told) < (uint64_t)i * EVENTS / COPIES)
            sched_yield();
        snprintf(name, sizeof(name), "%s/copy%d.mpt", run->folder, i);
        if (tracer_dump(name) != 0)
            _exit(5);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    if (tracer_dump(NULL) != 0 || tracer_dump("/nonexistent/x.mpt") != ENOENT)
        _exit(6);
    tracer_stop(TRACE_END_EXIT);
    if (tracer_dump(NULL) != ENOENT)
        _exit(7);
}

/* The last one was made when all was told, and is therefore whole. */
static void check_copy(struct trace_run *run, const char *name, enum run_end end)
{
    struct decoded decoded;
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", run->folder, name);
    read_right(&decoded, path);
    must_match(run, &decoded, end);
    assert_null(find_end(&decoded));
    assert_true(decoded.header.copied_ns > decoded.header.start_ns);
    assert_true(decoded.header.copied_epoch != 0);
    decoder_free(&decoded);
}

static void a_copy_under_load_is_a_trace_of_its_own(void **state)
{
    (void)state;
    const struct tracer_options *const kinds[] = {&flight, &limited, &plain};
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        struct trace_run run;
        struct decoded decoded;
        char name[32];
        run_init(&run, 17 + kind);
        assert_true(run_wait(run_start(&run, kinds[kind], copy_under_load)));
        for (int i = 0; i < COPIES; i++) {
            snprintf(name, sizeof(name), "copy%d.mpt", i);
            check_copy(&run, name, RUN_STOPPED);
        }
        check_copy(&run, "t.dump.mpt", RUN_WHOLE);
        read_right(&decoded, run.path);
        must_match(&run, &decoded, RUN_WHOLE);
        decoder_free(&decoded);
        run_fini(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thread_keeps_its_newest_blocks),
        cmocka_unit_test(a_file_keeps_its_newest_blocks_and_its_size),
        cmocka_unit_test(the_header_of_a_block_tells_whose_events_go_on_in_it),
        cmocka_unit_test(marks_without_number_push_out_marks_only),
        cmocka_unit_test(a_limit_of_fewer_blocks_than_threads_ends_no_trace),
        cmocka_unit_test(blocks_of_threads_that_ended_are_written_over),
        cmocka_unit_test(a_copy_under_load_is_a_trace_of_its_own),
        cmocka_unit_test(a_kill_while_blocks_are_written_over_leaves_no_invented_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
