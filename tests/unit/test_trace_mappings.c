/* test_trace_mappings.c - what the tracer writes of mappings, of areas and of the process, as the
 * reader sees it. */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "allocators/base/os.h"
#include "tools/trace/trace.h"
#include "tracer/areas.h"
#include "tracer/samples.h"

enum { PAGE = 4096 };

static char *map_and_tell(size_t bytes)
{
    int error;
    const struct os_request request = {.bytes = bytes,
                                       .protection = PROT_READ | PROT_WRITE,
                                       .flags = MAP_PRIVATE | MAP_ANONYMOUS,
                                       .fd = -1};
    uintptr_t start = os_program_map(&request, &error);
    if (error != 0)
        _exit(4);
    const struct tracer_mapping mapping = {
        .start = start, .bytes = bytes, .protection = request.protection, .flags = request.flags};
    tracer_mapped(&mapping, &(struct tracer_caller){.ip = 0x1234});
    return (char *)start;
}

static void unmap_and_tell(char *start, size_t bytes)
{
    tracer_unmapped((uintptr_t)start, bytes);
    if (os_program_unmap((uintptr_t)start, bytes) != 0)
        _exit(5);
}

/* -- a table ---------------------------------------------------------------------------------- */

enum { TOUCHED = 3000 }; /* far more than what the kernel counts in one batch */

static void touch_and_mark(struct trace_run *run)
{
    (void)run;
    char *start = map_and_tell(2 * TOUCHED * PAGE);
    memset(start, 1, TOUCHED * PAGE);
    tracer_mark("touched");
    unmap_and_tell(start, 2 * TOUCHED * PAGE);
    tracer_stop(TRACE_END_EXIT);
}

struct table {
    unsigned reason;
    uint64_t time_ns;
    uint64_t rss, own, stacks, touched; /* touched: resident around the program's mapping */
};

/* What stands in the trace's tables; the mapping is the first one. */
static size_t read_tables(const struct trace *trace, struct table *tables, size_t most)
{
    struct trace_mappings *mappings = trace_mappings_create(trace);
    struct trace_mapping one;
    uint64_t start = 0;
    size_t count = 0;
    struct table table = {0};
    while (trace_mappings_next(mappings, &one)) {
        if (one.what == TRACE_MAPPING_MAPPED && start == 0)
            start = one.start;
        if (one.what == TRACE_MAPPING_TABLE)
            table = (struct table){.reason = one.reason, .time_ns = one.time_ns};
        if (one.what == TRACE_MAPPING_END && count < most)
            tables[count++] = table;
        if (one.what != TRACE_MAPPING_AREA)
            continue;
        table.rss += one.resident;
        table.own += one.kind == TRACE_AREA_OWN ? one.bytes : 0;
        table.stacks += one.kind == TRACE_AREA_STACK ? one.resident : 0;
        if (one.kind == TRACE_AREA_ANONYMOUS && start >= one.start && start < one.start + one.bytes)
            table.touched += one.resident;
    }
    trace_mappings_destroy(mappings);
    return count;
}

static const struct trace_sample *find_sample(const struct trace *trace, uint64_t time_ns)
{
    const struct trace_facts *facts = trace_facts(trace);
    for (size_t i = 0; i < facts->samples; i++) {
        if (facts->sample[i].time_ns == time_ns)
            return &facts->sample[i];
    }
    return NULL;
}

static void a_mark_shows_what_is_resident_where(void **state)
{
    (void)state;
    struct trace_run run;
    struct trace *trace = run_and_open(&run, &plain, touch_and_mark);
    struct table tables[8];
    size_t count = read_tables(trace, tables, 8);
    assert_true(count >= 2);
    const struct table *marked = &tables[count - 2], *last = &tables[count - 1];
    assert_int_equal(marked->reason, TRACE_AREAS_MARK);
    assert_int_equal(last->reason, TRACE_AREAS_END);
    assert_true(marked->touched >= TOUCHED * PAGE);
    assert_true(marked->own > 0);
    assert_true(marked->stacks > 0);
    const struct trace_sample *sample = find_sample(trace, marked->time_ns);
    assert_non_null(sample);
    double ratio = (double)marked->rss / (double)sample->rss;
    assert_true(ratio > 0.8 && ratio < 1.25); /* the kernel counts in batches */
    trace_close(trace);
    run_fini(&run);
}

static void look_often_and_mark(struct trace_run *run)
{
    (void)run;
    for (int i = 0; i < 20; i++)
        areas_write(os_time_ns(), TRACE_AREAS_GROWN);
    samples_take(os_time_ns());
    tracer_mark("here");
    tracer_stop(TRACE_END_EXIT);
}

/* On a slow machine a program that grows fast is looked at nearly all of the time. */
static void a_mark_has_its_table_whatever_was_looked_at_before(void **state)
{
    (void)state;
    struct trace_run run;
    struct trace *trace = run_and_open(&run, &plain, look_often_and_mark);
    struct table tables[32];
    size_t count = read_tables(trace, tables, 32);
    assert_true(count >= 22);
    assert_int_equal(tables[count - 2].reason, TRACE_AREAS_MARK);
    trace_close(trace);
    run_fini(&run);
}

/* -- samples ---------------------------------------------------------------------------------- */

static void a_sample_knows_the_parts_of_the_resident_set(void **state)
{
    (void)state;
    struct trace_run run;
    struct trace *trace = run_and_open(&run, &plain, touch_and_mark);
    const struct trace_facts *facts = trace_facts(trace);
    assert_true(facts->samples >= 2);
    for (size_t i = 0; i < facts->samples; i++) {
        const struct trace_sample *sample = &facts->sample[i];
        assert_true((sample->known & TRACE_KNOWS_PARTS) != 0);
        assert_int_equal(sample->rss, sample->rss_anon + sample->rss_file + sample->rss_shmem);
        assert_true(sample->rss_file > 0);
    }
    uint64_t available;
    const struct trace_sample *last = &facts->sample[facts->samples - 1];
    if (os_available_read(&available)) {
        assert_true((last->known & TRACE_KNOWS_AVAILABLE) != 0);
        assert_true(last->available > 0);
    }
    struct os_pressure pressure;
    assert_int_equal((last->known & TRACE_KNOWS_PRESSURE) != 0, os_pressure_read(&pressure));
    if ((last->known & TRACE_KNOWS_PRESSURE) != 0)
        assert_true(last->some_ns >= last->full_ns);
    trace_close(trace);
    run_fini(&run);
}

/* -- order ------------------------------------------------------------------------------------ */

static void *map_again_and_again(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3000 / TEST_DIVISOR; i++)
        unmap_and_tell(map_and_tell(PAGE), PAGE);
    return NULL;
}

static void map_in_threads(struct trace_run *run)
{
    (void)run;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, map_again_and_again, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    tracer_stop(TRACE_END_EXIT);
}

/* An address that one thread gives back, another one gets at once. */
static void mappings_of_threads_never_overlap(void **state)
{
    (void)state;
    struct trace_run run;
    struct trace *trace = run_and_open(&run, &plain, map_in_threads);
    struct trace_mappings *mappings = trace_mappings_create(trace);
    struct trace_mapping one;
    uint64_t alive[4] = {0};
    size_t count = 0;
    while (trace_mappings_next(mappings, &one)) {
        size_t at = 0;
        while (at < 4 && alive[at] != one.start)
            at++;
        if (one.what == TRACE_MAPPING_MAPPED) {
            assert_int_equal(at, 4);
            for (at = 0; at < 4 && alive[at] != 0; at++)
                continue;
            assert_true(at < 4);
            alive[at] = one.start;
            count++;
        } else if (one.what == TRACE_MAPPING_UNMAPPED) {
            assert_true(at < 4);
            alive[at] = 0;
        }
    }
    assert_int_equal(count, 4 * (3000 / TEST_DIVISOR));
    trace_mappings_destroy(mappings);
    trace_close(trace);
    run_fini(&run);
}

/* -- forks ------------------------------------------------------------------------------------ */

static void map_in_child(struct trace_run *run)
{
    pid_t child = fork();
    if (child == 0) {
        tracer_fork_child(true);
        tell_alloc(&run->shadows[1], 0x1000, 16, 0, 0);
        map_and_tell(PAGE);
        tracer_stop(TRACE_END_STOPPED);
        _exit(0);
    }
    if (!run_wait(child))
        _exit(6);
    tracer_stop(TRACE_END_EXIT);
}

static void a_forked_child_has_tables_of_its_own(void **state)
{
    (void)state;
    struct trace_run run;
    trace_close(run_and_open(&run, &plain, map_in_child));
    char command[200], path[256];
    snprintf(command, sizeof(command), "ls %s/t.*.mpt", run.folder);
    FILE *names = popen(command, "r");
    assert_non_null(names);
    assert_int_equal(fscanf(names, "%255s", path), 1);
    pclose(names);
    struct trace_error error;
    struct trace *trace = trace_open(path, &error);
    assert_non_null(trace);
    struct table tables[8];
    assert_true(read_tables(trace, tables, 8) >= 1);
    trace_close(trace);
    run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_shows_what_is_resident_where),
        cmocka_unit_test(a_mark_has_its_table_whatever_was_looked_at_before),
        cmocka_unit_test(a_sample_knows_the_parts_of_the_resident_set),
        cmocka_unit_test(mappings_of_threads_never_overlap),
        cmocka_unit_test(a_forked_child_has_tables_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
