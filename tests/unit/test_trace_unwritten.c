/* test_trace_unwritten.c - what the tracer finds written of blocks of calloc, as the reader sees
 * it.
 */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/trace/trace.h"

enum { PAGE = 4096, BYTES = 100 * PAGE };

static const struct tracer_options looking = {.address_shift = 4,
                                              .ordered_by_caller = true,
                                              .near_from = 0x7f0000000000,
                                              .looks_at_pages = true};
static const struct tracer_options packing = {
    .address_shift = 4, .ordered_by_caller = true, .near_from = 0x7f0000000000};
static const struct tracer_options sampling = {
    .address_shift = 4, .ordered_by_caller = true, .sample_period = 1, .looks_at_pages = true};
static const struct tracer_caller nowhere = {.ip = 0x1234};

static char *take(size_t bytes, unsigned bits)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(4);
    tracer_alloc(p, bytes, 0, bits, &nowhere);
    return p;
}

static void give(char *p, size_t bytes)
{
    tracer_free(p);
    if (munmap(p, bytes) != 0)
        _exit(5);
}

/* The looks at blocks of that size, all under one stack; zeros: there were none. */
static struct trace_unwritten find(const struct trace *trace, uint64_t size)
{
    const struct trace_facts *facts = trace_facts(trace);
    for (size_t i = 0; i < facts->unwrittens; i++) {
        if (facts->unwritten[i].size == size)
            return facts->unwritten[i];
    }
    return (struct trace_unwritten){0};
}

/* -- what is found ---------------------------------------------------------------------------- */

static void leave_pages(struct trace_run *run)
{
    (void)run;
    char *freed = take(BYTES, TRACE_ZEROED), *alive = take(BYTES + 1, TRACE_ZEROED);
    memset(freed, 1, PAGE);
    memset(freed + PAGE, 0, 2 * PAGE);
    freed[BYTES - 1] = 1;
    give(freed, BYTES);
    alive[0] = 1;
    char *hidden = take(BYTES + 2, TRACE_ZEROED);
    memset(hidden, 0, PAGE);
    if (mprotect(hidden, PAGE, PROT_NONE) != 0)
        _exit(6);
    give(hidden, BYTES + 2);
    tracer_stop(TRACE_END_EXIT);
}

static void pages_are_untouched_or_zeros_or_written(void **state)
{
    (void)state;
    struct trace_run run;
    struct trace *trace = run_and_open(&run, &looking, leave_pages);
    assert_int_equal(trace_facts(trace)->unwrittens, 3);
    struct trace_unwritten freed = find(trace, BYTES), alive = find(trace, BYTES + 1);
    assert_int_equal(freed.blocks, 1);
    assert_int_equal(freed.alive_blocks, 0);
    assert_int_equal(freed.untouched_bytes, BYTES - 4 * PAGE);
    assert_int_equal(freed.zero_bytes, 2 * PAGE);
    assert_int_equal(alive.alive_blocks, 1);
    assert_int_equal(alive.untouched_bytes, BYTES + 1 - PAGE);
    assert_int_equal(alive.zero_bytes, 0);
    struct trace_unwritten hidden = find(trace, BYTES + 2); /* nobody can tell */
    assert_int_equal(hidden.untouched_bytes, BYTES + 2 - PAGE);
    assert_int_equal(hidden.zero_bytes, 0);
    trace_close(trace);
    run_fini(&run);
}

enum { READ = 16384, LONG = (READ + 100) * PAGE };

static void clear_much(struct trace_run *run)
{
    (void)run;
    char *p = take(LONG + PAGE, TRACE_ZEROED);
    for (size_t i = 0; i < LONG; i += PAGE)
        p[i] = 0;
    give(p, LONG + PAGE);
    tracer_stop(TRACE_END_EXIT);
}

static void zeros_are_sought_in_so_many_pages(void **state)
{
    (void)state;
    struct trace_run run;
    if (TEST_DIVISOR != 1)
        skip(); /* a sanitizer would double that memory */
    struct trace *trace = run_and_open(&run, &looking, clear_much);
    struct trace_unwritten found = find(trace, LONG + PAGE);
    assert_int_equal(found.zero_bytes, (uint64_t)READ * PAGE);
    assert_int_equal(found.untouched_bytes, PAGE);
    trace_close(trace);
    run_fini(&run);
}

/* -- at which blocks -------------------------------------------------------------------------- */

static void take_all_kinds(struct trace_run *run)
{
    (void)run;
    give(take(BYTES, 0), BYTES);
    give(take(TRACE_UNWRITTEN_ABOVE, TRACE_ZEROED), TRACE_UNWRITTEN_ABOVE);
    char *resized = take(BYTES + PAGE, TRACE_ZEROED);
    if (!tracer_may_watch(resized))
        _exit(6);
    tracer_unwatch(resized);
    give(resized, BYTES + PAGE);
    char *again = take(BYTES + 2 * PAGE, TRACE_ZEROED); /* whose end nobody told of */
    tracer_alloc(again, BYTES + 3 * PAGE, 0, 0, &nowhere);
    tracer_free(again);
    if (tracer_may_watch(again))
        _exit(7);
    tracer_stop(TRACE_END_EXIT);
}

static void only_large_blocks_of_calloc_that_nobody_resized_are_looked_at(void **state)
{
    (void)state;
    struct trace_run run;
    struct trace *trace = run_and_open(&run, &looking, take_all_kinds);
    assert_int_equal(trace_facts(trace)->unwrittens, 0);
    trace_close(trace);
    run_fini(&run);
}

static void take_small(struct trace_run *run)
{
    (void)run;
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(4);
    memset(p, 0, PAGE);
    tracer_alloc(p, 100, 0, TRACE_ZEROED, &nowhere);
    p[104] = 1;
    tracer_free(p);
    tracer_stop(TRACE_END_EXIT);
}

static void small_samples_are_too(void **state)
{
    (void)state;
    struct trace_run run;
    struct trace *trace = run_and_open(&run, &sampling, take_small);
    struct trace_unwritten small = find(trace, 100);
    assert_int_equal(small.blocks, 1);
    assert_int_equal(small.zero_bytes, 100);
    trace_close(trace);
    run_fini(&run);
}

static void take_large(struct trace_run *run)
{
    (void)run;
    give(take(BYTES, TRACE_ZEROED), BYTES);
    tracer_stop(TRACE_END_EXIT);
}

static void none_is_where_pages_may_be_away(void **state)
{
    (void)state;
    struct trace_run run;
    struct trace *trace = run_and_open(&run, &packing, take_large);
    assert_int_equal(trace_facts(trace)->unwrittens, 0);
    trace_close(trace);
    run_fini(&run);
}

/* -- threads, forks --------------------------------------------------------------------------- */

static _Atomic unsigned ended;

static void *take_and_give(void *unused)
{
    (void)unused;
    for (int i = 0; i < 400 / TEST_DIVISOR || tracer_is_on(); i++) {
        char *p = take(BYTES, TRACE_ZEROED);
        p[0] = 1;
        give(p, BYTES);
    }
    ended++;
    return NULL;
}

/* They give back blocks while the end of the trace looks at them. */
static void take_in_threads(struct trace_run *run)
{
    (void)run;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        if (pthread_create(&threads[i], NULL, take_and_give, NULL) != 0)
            _exit(6);
    }
    usleep(20000);
    tracer_stop(TRACE_END_EXIT);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    if (ended != 4 || atomic_load(&tracer_watched) != 0)
        _exit(7);
}

static void blocks_of_threads_that_go_on_are_looked_at_whole(void **state)
{
    (void)state;
    struct trace_run run;
    struct trace *trace = run_and_open(&run, &looking, take_in_threads);
    struct trace_unwritten found = find(trace, BYTES);
    assert_true(found.blocks >= 4);
    assert_int_equal(found.bytes, found.blocks * BYTES);
    /* between calloc and the first byte written a block may be met whole */
    assert_true(found.untouched_bytes >= found.bytes - found.blocks * PAGE);
    trace_close(trace);
    run_fini(&run);
}

static void take_in_child(struct trace_run *run)
{
    (void)run;
    char *p = take(BYTES, TRACE_ZEROED);
    pid_t child = fork();
    if (child == 0) {
        tracer_fork_child(false);
        bool is_watched = tracer_may_watch(p);
        tracer_look(p);
        _exit(is_watched ? 8 : 0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0 || !tracer_may_watch(p))
        _exit(7);
    give(p, BYTES);
    tracer_stop(TRACE_END_EXIT);
}

static void a_forked_child_looks_at_none_of_its_parents(void **state)
{
    (void)state;
    struct trace_run run;
    struct trace *trace = run_and_open(&run, &looking, take_in_child);
    assert_int_equal(find(trace, BYTES).blocks, 1);
    trace_close(trace);
    run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_untouched_or_zeros_or_written),
        cmocka_unit_test(zeros_are_sought_in_so_many_pages),
        cmocka_unit_test(only_large_blocks_of_calloc_that_nobody_resized_are_looked_at),
        cmocka_unit_test(small_samples_are_too),
        cmocka_unit_test(none_is_where_pages_may_be_away),
        cmocka_unit_test(blocks_of_threads_that_go_on_are_looked_at_whole),
        cmocka_unit_test(a_forked_child_looks_at_none_of_its_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
