/* test_trace_drops.c - no room for a while: what was not recorded is counted, the rest is right. */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 3, EVENTS = 40000 };

static const struct tracer_options dropping = {
    .address_shift = 4, .ordered_by_caller = true, .drops = true};

/* -- children --------------------------------------------------------------------------------- */

static void limit_files(uint64_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(5);
}

/* Longer than the recorder waits before it asks for room again. */
static void wait_a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL);
}

struct worker {
    struct trace_run *run;
    struct shadow *shadow;
    uint64_t random;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    tell_anything(worker->run, worker->shadow, &worker->random, EVENTS);
    return NULL;
}

static void work_in_threads(struct trace_run *run, size_t first)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){run, &run->shadows[first + i], run->random + 31 * i + first};
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            _exit(4);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* Room, none (threads are born in that time too), and room again. */
static void tell_with_room_and_without(struct trace_run *run)
{
    struct shadow *main_thread = &run->shadows[0];
    if (freopen("/dev/null", "w", stderr) == NULL)
        _exit(6);
    tell_anything(run, main_thread, &run->random, 1000);
    limit_files(600 * 1024);
    tell_anything(run, main_thread, &run->random, EVENTS);
    work_in_threads(run, 1);
    limit_files(RLIM_INFINITY);
    wait_a_moment();
    tell_anything(run, main_thread, &run->random, 1000);
    work_in_threads(run, 1 + THREADS);
    if (!tracer_is_on())
        _exit(7);
    tracer_stop(TRACE_END_EXIT);
}

static void tell_without_room_to_the_end(struct trace_run *run)
{
    if (freopen("/dev/null", "w", stderr) == NULL)
        _exit(6);
    limit_files(600 * 1024);
    work_in_threads(run, 0);
    tracer_stop(TRACE_END_EXIT);
}

/* -- counts ----------------------------------------------------------------------------------- */

struct counts {
    uint64_t recorded;
    uint64_t dropped; /* of DROPPED records */
    uint64_t behind;  /* events of the first thread behind its first gap */
};

static struct counts count(const struct decoded *decoded)
{
    struct counts counts = {0};
    for (size_t l = 0; l < decoded->lane_count; l++) {
        for (size_t i = 0; i < decoded->lanes[l].count; i++) {
            const struct decoded_event *event = &decoded->lanes[l].events[i];
            counts.recorded += event->kind <= DECODED_FAILED;
            counts.behind += event->kind <= DECODED_FAILED && counts.dropped != 0;
            counts.dropped += event->kind == DECODED_DROPPED ? event->count : 0;
        }
    }
    return counts;
}

static uint64_t count_told(const struct trace_run *run)
{
    uint64_t told = 0;
    for (size_t i = 0; i < SHADOW_THREADS; i++)
        told += run->shadows[i].told;
    return told;
}

/* Every event of the file is one that its thread told, in order: gaps, but nothing invented. */
static void check_order(const struct trace_run *run, const struct decoded *decoded)
{
    uint64_t next[SHADOW_THREADS] = {0};
    for (size_t l = 0; l < decoded->lane_count; l++) {
        for (size_t i = 0; i < decoded->lanes[l].count; i++) {
            const struct decoded_event *event = &decoded->lanes[l].events[i];
            size_t s = 0;
            if (event->kind > DECODED_FAILED)
                continue;
            while (s < SHADOW_THREADS && run->shadows[s].tid != event->tid)
                s++;
            assert_true(s < SHADOW_THREADS);
            const struct shadow *shadow = &run->shadows[s];
            while (next[s] < shadow->told && (shadow->event[next[s]].kind != event->kind ||
                                              shadow->event[next[s]].address != event->address ||
                                              shadow->event[next[s]].size != event->size))
                next[s]++;
            assert_true(next[s]++ < shadow->told);
        }
    }
}

static struct counts check(void (*body)(struct trace_run *run))
{
    struct trace_run run;
    struct decoded decoded;
    struct trace_end end;
    run_init(&run, 20261121);
    assert_true(run_wait(run_start(&run, &dropping, body)));
    read_right(&decoded, run.path);
    check_order(&run, &decoded);
    struct counts counts = count(&decoded);
    const struct decoded_record *record = decoder_find(&decoded, TRACE_INFO_END, 0);
    assert_non_null(record);
    memcpy(&end, record->payload, sizeof(end));
    assert_int_equal(end.reason, TRACE_END_EXIT);
    assert_int_equal(end.events, counts.recorded);
    assert_int_equal(counts.recorded + end.dropped, count_told(&run));
    assert_true(end.dropped > EVENTS);
    assert_true(counts.dropped <= end.dropped);
    decoder_free(&decoded);
    run_fini(&run);
    return counts;
}

static void recording_goes_on_when_there_is_room_again(void **state)
{
    (void)state;
    struct counts counts = check(tell_with_room_and_without);
    assert_true(counts.dropped > 0);
    assert_true(counts.behind > THREADS * EVENTS / 2);
}

static void without_room_to_the_end_the_count_is_still_exact(void **state)
{
    (void)state;
    (void)check(tell_without_room_to_the_end);
}

/* -- what stays mapped ------------------------------------------------------------------------ */

/* Bytes of this process's mappings of a file. */
static size_t mapped_bytes(const char *path)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    size_t sum = 0, start, end;
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        if (strstr(line, path) != NULL && sscanf(line, "%zx-%zx", &start, &end) == 2)
            sum += end - start;
    }
    if (maps != NULL)
        fclose(maps);
    return sum;
}

/* A thread's lane, and one that stands still, in the middle of the others' blocks. */
static void *fill_blocks(void *unused)
{
    for (uintptr_t i = 1; i < 400000; i++)
        tracer_alloc((void *)(i << 4), i, 0, 0, &(struct tracer_caller){0});
    return unused;
}

static void look_at_mappings(struct trace_run *run)
{
    enum { MOST = (16 + 16 + 4) * TRACE_BLOCK_BYTES }; /* closed, of the window, open */
    pthread_t thread;
    tracer_alloc((void *)16, 1, 0, 0, &(struct tracer_caller){0});
    if (pthread_create(&thread, NULL, fill_blocks, NULL) != 0 || pthread_join(thread, NULL) != 0)
        _exit(5);
    size_t mapped = mapped_bytes(run->path);
    if (mapped == 0 || mapped > MOST)
        _exit(6);
    tracer_stop(TRACE_END_EXIT);
    if (mapped_bytes(run->path) > TRACE_BLOCK_BYTES) /* the rest of pages that blocks share */
        _exit(7);
}

static void few_blocks_stay_mapped(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 1);
    assert_true(run_wait(run_start(&run, &plain, look_at_mappings)));
    read_right(&decoded, run.path);
    assert_true(decoded.blocks > 40);
    decoder_free(&decoded);
    run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recording_goes_on_when_there_is_room_again),
        cmocka_unit_test(without_room_to_the_end_the_count_is_still_exact),
        cmocka_unit_test(few_blocks_stay_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
