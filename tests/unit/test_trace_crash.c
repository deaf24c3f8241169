/* test_trace_crash.c - kills, full disks, signals, closed descriptors: the file stays right and
 * the program goes on. */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static bool find_end(const struct decoded *decoded, struct trace_end *end)
{
    const struct decoded_record *record = decoder_find(decoded, TRACE_INFO_END, 0);
    if (record == NULL)
        return false;
    assert_int_equal(record->bytes, sizeof(*end));
    memcpy(end, record->payload, sizeof(*end));
    return true;
}

static uint64_t count_events(const struct decoded *decoded)
{
    uint64_t count = 0;
    for (size_t l = 0; l < decoded->lane_count; l++)
        for (size_t i = 0; i < decoded->lanes[l].count; i++)
            count += decoded->lanes[l].events[i].kind <= DECODED_FAILED;
    return count;
}

/* -- SIGKILL ---------------------------------------------------------------------------------- */

struct worker {
    struct trace_run *run;
    struct shadow *shadow;
    uint64_t random;
};

static _Atomic bool enough; /* in the child: workers stop */

static void *work_for_ever(void *argument)
{
    struct worker *worker = argument;
    for (size_t i = 0; i < SHADOW_EVENTS / 100 && !atomic_load(&enough); i++)
        tell_anything(worker->run, worker->shadow, &worker->random, 100);
    return NULL;
}

static void start_workers(struct trace_run *run, pthread_t *threads, size_t count)
{
    static struct worker workers[8];
    for (size_t i = 0; i < count; i++) {
        workers[i] = (struct worker){run, &run->shadows[i], run->random + i * 977 + 1};
        if (pthread_create(&threads[i], NULL, work_for_ever, &workers[i]) != 0)
            _exit(4);
    }
}

static void tell_until_killed(struct trace_run *run)
{
    pthread_t threads[4];
    start_workers(run, threads, 4);
    for (;;)
        pause();
}

static void wait_for_events(struct trace_run *run, uint64_t events)
{
    while (atomic_load(&run->shadows[0].told) < events)
        sched_yield();
}

static void a_killed_process_leaves_every_event_it_told(void **state)
{
    (void)state;
    uint64_t random = 20261120;
    for (int i = 0; i < 40 / TEST_DIVISOR; i++) {
        struct trace_run run;
        struct decoded decoded;
        run_init(&run, random);
        pid_t child = run_start(&run, &plain, tell_until_killed);
        wait_for_events(&run, next_random(&random) % 20000);
        kill(child, SIGKILL);
        assert_false(run_wait(child));
        read_right(&decoded, run.path);
        must_match(&run, &decoded, RUN_KILLED);
        assert_null(decoder_find(&decoded, TRACE_INFO_END, 0));
        decoder_free(&decoded);
        run_fini(&run);
    }
}

/* -- the end under load ----------------------------------------------------------------------- */

static void stop_under_load(struct trace_run *run)
{
    pthread_t threads[4];
    start_workers(run, threads, 4);
    wait_for_events(run, run->random % 10000);
    tracer_stop(TRACE_END_STOPPED);
    atomic_store(&enough, true);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void the_end_record_counts_right_while_threads_still_record(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20 / TEST_DIVISOR; seed++) {
        struct trace_run run;
        struct decoded decoded;
        struct trace_end end;
        run_init(&run, seed * 7919);
        assert_true(run_wait(run_start(&run, &plain, stop_under_load)));
        read_right(&decoded, run.path);
        must_match(&run, &decoded, RUN_STOPPED);
        assert_true(find_end(&decoded, &end));
        assert_int_equal(end.events, count_events(&decoded));
        assert_int_equal(end.blocks, decoded.blocks);
        assert_int_equal(end.reason, TRACE_END_STOPPED);
        for (size_t l = 0; l < decoded.lane_count; l++)
            assert_false(decoded.lanes[l].has_open_block);
        decoder_free(&decoded);
        run_fini(&run);
    }
}

/* -- full disks ------------------------------------------------------------------------------- */

static void check_cut_short(struct trace_run *run)
{
    struct decoded decoded;
    struct trace_end end;
    read_right(&decoded, run->path);
    must_match(run, &decoded, RUN_STOPPED);
    assert_true(find_end(&decoded, &end));
    assert_int_equal(end.reason, TRACE_END_DISK);
    assert_int_equal(end.events, count_events(&decoded));
    assert_true(end.events > 1000);
    decoder_free(&decoded);
    check_stderr(run, "the program goes on");
}

static void tell_too_much(struct trace_run *run)
{
    pthread_t threads[4];
    send_stderr_to(run);
    start_workers(run, threads, 4);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    if (tracer_is_on())
        _exit(7);
    tracer_stop(TRACE_END_EXIT);
}

static void tell_beyond_a_limit(struct trace_run *run)
{
    struct rlimit limit = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    tell_too_much(run);
}

static void a_file_size_limit_ends_the_trace_and_not_the_program(void **state)
{
    (void)state;
    struct trace_run run;
    run_init(&run, 3);
    assert_true(run_wait(run_start(&run, &plain, tell_beyond_a_limit)));
    check_cut_short(&run);
    run_fini(&run);
}

static void a_full_disk_ends_the_trace_and_not_the_program(void **state)
{
    (void)state;
    struct trace_run run;
    run_init(&run, 3);
    if (mount("tmpfs", run.folder, "tmpfs", 0, "size=1m") != 0) {
        run_fini(&run);
        skip(); /* only root may mount */
    }
    bool went_on = run_wait(run_start(&run, &plain, tell_too_much));
    if (went_on)
        check_cut_short(&run);
    umount2(run.folder, MNT_DETACH);
    run_fini(&run);
    assert_true(went_on);
}

static void a_trace_that_cannot_begin_says_why(void **state)
{
    (void)state;
    struct trace_run run;
    run_init(&run, 3);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct tracer_options options = plain;
        options.path = "/nonexistent/folder/t.mpt";
        send_stderr_to(&run);
        _exit(tracer_start(&options) == ENOENT && !tracer_is_on() ? 0 : 1);
    }
    assert_true(run_wait(child));
    check_stderr(&run, "/nonexistent/folder/t.mpt");
    run_fini(&run);
}

/* -- signals ---------------------------------------------------------------------------------- */

enum { HANDLER_ADDRESS = 0x12340 };
static volatile uint64_t handled;

static void allocate_in_handler(int number)
{
    (void)number;
    tracer_alloc((void *)HANDLER_ADDRESS, 1, 0, 0, &(struct tracer_caller){0});
    handled++;
}

static void tell_among_signals(struct trace_run *run)
{
    struct sigaction action = {.sa_handler = allocate_in_handler, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 50}, {0, 50}};
    sigaction(SIGALRM, &action, NULL);
    tracer_alloc((void *)0x10, 2, 0, 0, &(struct tracer_caller){0}); /* begins the lane */
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 1; i < 2000000; i++)
        tracer_alloc((void *)0x10, 2, 0, 0, &(struct tracer_caller){0});
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    tracer_stop(TRACE_END_EXIT);
    run->shadows[63].event[0].count = handled;
}

static void events_of_handlers_are_recorded_or_counted_as_dropped(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    struct trace_end end;
    uint64_t others = 0, recorded = 0, dropped = 0;
    run_init(&run, 3);
    assert_true(run_wait(run_start(&run, &plain, tell_among_signals)));
    read_right(&decoded, run.path);
    for (size_t i = 0; i < decoded.lanes[0].count; i++) {
        const struct decoded_event *event = &decoded.lanes[0].events[i];
        others += event->kind == DECODED_ALLOC && event->size == 2;
        recorded += event->kind == DECODED_ALLOC && event->address == HANDLER_ADDRESS;
        dropped += event->kind == DECODED_DROPPED ? event->count : 0;
    }
    assert_int_equal(others, 2000000);
    assert_int_equal(recorded + dropped, run.shadows[63].event[0].count);
    assert_true(recorded + dropped > 0);
    assert_true(find_end(&decoded, &end));
    assert_int_equal(end.dropped, dropped);
    decoder_free(&decoded);
    run_fini(&run);
}

/* -- descriptors ------------------------------------------------------------------------------ */

/* A daemon that tidies up, and then opens files of its own under the same numbers. */
static void close_everything(struct trace_run *run)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/precious", run->folder);
    tell_anything(run, &run->shadows[0], &run->random, 1000);
    syscall(SYS_close_range, 3, ~0U, 0);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    for (int number = 3; number < 1000; number++) /* some are left, where 1024 are all */
        if (number != fd)
            dup2(fd, number);
    tell_anything(run, &run->shadows[0], &run->random, 200000);
    tracer_stop(TRACE_END_EXIT);
    if (fcntl(fd, F_GETFD) < 0)
        _exit(9);
}

static void closed_descriptors_are_found_again_and_foreign_ones_left_alone(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    struct stat status;
    char path[200];
    run_init(&run, 3);
    assert_true(run_wait(run_start(&run, &plain, close_everything)));
    read_right(&decoded, run.path);
    must_match(&run, &decoded, RUN_WHOLE);
    assert_non_null(decoder_find(&decoded, TRACE_INFO_END, 0));
    snprintf(path, sizeof(path), "%s/precious", run.folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 0);
    decoder_free(&decoded);
    run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_process_leaves_every_event_it_told),
        cmocka_unit_test(the_end_record_counts_right_while_threads_still_record),
        cmocka_unit_test(a_file_size_limit_ends_the_trace_and_not_the_program),
        cmocka_unit_test(a_full_disk_ends_the_trace_and_not_the_program),
        cmocka_unit_test(a_trace_that_cannot_begin_says_why),
        cmocka_unit_test(events_of_handlers_are_recorded_or_counted_as_dropped),
        cmocka_unit_test(closed_descriptors_are_found_again_and_foreign_ones_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
