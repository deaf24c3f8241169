/* test_replay.c - compiling traces and running them again in child processes. */
#define _GNU_SOURCE
#include "tests/unit/built_trace.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/unit/trace_threads.h"
#include "tools/replay/compile.h"
#include "tools/replay/run.h"

static struct compiled compile_how(bool is_one_thread, bool is_paced)
{
    struct compiled compiled;
    struct trace *trace = open_good();
    struct source source = {.trace = trace};
    const struct compile_options how = {.is_one_thread = is_one_thread, .is_paced = is_paced};
    assert_int_equal(compile_source(&source, &how, &compiled), 0);
    trace_close(trace);
    return compiled;
}

static struct compiled compile_built(bool is_one_thread)
{
    return compile_how(is_one_thread, false);
}

static const struct allocator glibc = {.name = "glibc"};
static const struct program_orders once = {.touch = PROGRAM_TOUCH_PAGES, .copies = 1, .rounds = 1};

static struct result run_compiled(const struct compiled *compiled, const char *library,
                                  enum program_mode mode)
{
    struct run_plan plan = {.compiled = compiled, .orders = once};
    struct allocator allocator = glibc;
    struct result result;
    if (library != NULL)
        snprintf(allocator.library, sizeof(allocator.library), "%s", library);
    run_once(&plan, &allocator, mode, &result);
    return result;
}

static void expect_done(const struct compiled *compiled, enum program_mode mode)
{
    struct result result = run_compiled(compiled, NULL, mode);
    if (!result.is_done)
        print_error("%s\n", result.error);
    assert_int_equal(result.is_done, 1);
    assert_int_equal(result.windows_done, compiled->program->windows);
}

static void expect_done_in_all_modes(bool is_one_thread)
{
    struct compiled compiled = compile_built(is_one_thread);
    expect_done(&compiled, PROGRAM_PLAIN);
    expect_done(&compiled, PROGRAM_CHECKED);
    expect_done(&compiled, PROGRAM_TIMED);
    expect_done(&compiled, PROGRAM_NULL);
    compile_free(&compiled);
}

/* -- one thread ------------------------------------------------------------------------------- */

static void a_trace_of_one_thread_runs_in_all_modes(void **state)
{
    (void)state;
    build_one_thread(5000);
    expect_done_in_all_modes(false);
}

static void slots_are_used_again(void **state)
{
    (void)state;
    build_one_thread(20000);
    struct compiled compiled = compile_built(false);
    assert_int_equal(compiled.program->peak_objects, 51);
    assert_int_equal(compiled.program->slots, 51);
    assert_int_equal(compiled.program->operations, builder.events);
    compile_free(&compiled);
}

static void sizes_beyond_28_bits_are_kept(void **state)
{
    (void)state;
    builder_alloc(&builder, 2, 0x10000, (1U << 28) - 1, 0, 0, 0);
    builder_alloc(&builder, 2, 0x20000, UINT64_C(1) << 29, 0, 12, 0);
    builder_realloc(&builder, 2, 0x20000, 0x20000, UINT64_C(1) << 30, 0);
    builder_free(&builder, 2, 0x20000);
    builder_end(&builder, TRACE_END_EXIT);
    struct compiled compiled = compile_built(false);
    assert_int_equal(compiled.program->peak_bytes, (UINT64_C(1) << 30) + (1U << 28) - 1);
    struct run_plan plan = {.compiled = &compiled,
                            .orders = {.touch = PROGRAM_TOUCH_NONE, .copies = 1, .rounds = 1}};
    struct result result;
    run_once(&plan, &glibc, PROGRAM_PLAIN, &result);
    assert_int_equal(result.is_done, 1);
    compile_free(&compiled);
}

static void resident_memory_is_what_was_touched(void **state)
{
    (void)state;
    enum { BYTES = 64 << 20 };
    builder_alloc(&builder, 2, 0x10000, BYTES, 0, 0, 0);
    builder_free(&builder, 2, 0x10000);
    builder_end(&builder, TRACE_END_EXIT);
    struct compiled compiled = compile_built(false);
    struct result result = run_compiled(&compiled, NULL, PROGRAM_PLAIN);
    assert_int_equal(result.is_done, 1);
    assert_in_range(result.resident_peak, BYTES, BYTES + (1 << 20));
    assert_true(result.minor_faults > 0);
    compile_free(&compiled);
}

static void frees_of_unknown_blocks_are_left_out_and_counted(void **state)
{
    (void)state;
    builder_header(&builder)->forked = 1;
    builder_free(&builder, 2, 0x70000);
    builder_realloc(&builder, 2, 0x80000, 0x90000, 10, 0);
    builder_failed(&builder, 2, 0, 1);
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_free(&builder, 2, 0x90000);
    builder_end(&builder, TRACE_END_EXIT);
    struct compiled compiled = compile_built(false);
    assert_int_equal(compiled.program->skipped, 3);
    assert_int_equal(compiled.program->operations, 3);
    expect_done(&compiled, PROGRAM_CHECKED);
    compile_free(&compiled);
}

static void a_block_whose_free_was_lost_is_freed_all_the_same(void **state)
{
    (void)state;
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_alloc(&builder, 2, 0x10000, 20, 0, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct compiled compiled = compile_built(false);
    assert_int_equal(compiled.program->end_bytes, 20);
    expect_done(&compiled, PROGRAM_CHECKED);
    compile_free(&compiled);
}

/* -- several threads -------------------------------------------------------------------------- */

static void build_model(const struct threads_plan *plan)
{
    struct threads_truth truth;
    threads_record(plan, &builder, &truth);
    threads_truth_fini(&truth);
    builder_end(&builder, TRACE_END_EXIT);
}

static void threads_that_hand_blocks_to_each_other_keep_every_life_in_order(void **state)
{
    (void)state;
    static const unsigned lanes[] = {2, 8, 64};
    for (unsigned i = 0; i < 12; i++) {
        finish(NULL);
        begin(NULL);
        struct threads_plan plan = {.seed = i + 1,
                                    .lanes = lanes[i % 3],
                                    .steps = 60000,
                                    .rounds = 16,
                                    .live_most = i < 6 ? 10 : 300,
                                    .foreign = i % 2 * 50 + 50,
                                    .end_thread = i % 2 * 30,
                                    .every = i % 4 != 0};
        build_model(&plan);
        expect_done_in_all_modes(false);
        expect_done_in_all_modes(true);
    }
}

/* The same on one processor, where whoever waits must let the other run. */
static void threads_get_along_on_one_processor(void **state)
{
    (void)state;
    cpu_set_t all;
    cpu_set_t one;
    CPU_ZERO(&one);
    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    struct threads_plan plan = {.seed = 5,
                                .lanes = 16,
                                .steps = 100000,
                                .rounds = 16,
                                .live_most = 50,
                                .foreign = 100,
                                .every = true};
    build_model(&plan);
    expect_done_in_all_modes(false);
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

static void many_short_threads_follow_each_other(void **state)
{
    (void)state;
    enum { THREADS = 3000 };
    builder_thread(&builder, 2, TRACE_THREAD_START, 100, NULL);
    builder_alloc(&builder, 2, 0x10000, 50, 0, 0, 0);
    for (uint64_t i = 0; i < THREADS; i++) {
        unsigned lane = 3 + (unsigned)(i % 5);
        builder_thread(&builder, lane, TRACE_THREAD_START, 101 + i, NULL);
        builder_alloc(&builder, lane, 0x20000 + i * 64, 40, 0, 0, 0);
        builder_sync(&builder, lane);
        if (i > 0)
            builder_free(&builder, lane, 0x20000 + (i - 1) * 64);
        builder_sync(&builder, lane);
        builder_thread(&builder, lane, TRACE_THREAD_END, 0, NULL);
    }
    builder_end(&builder, TRACE_END_EXIT);
    struct compiled compiled = compile_built(false);
    assert_int_equal(compiled.program->threads, THREADS + 1);
    expect_done(&compiled, PROGRAM_PLAIN);
    expect_done(&compiled, PROGRAM_CHECKED);
    compile_free(&compiled);
}

static void the_first_thread_of_the_process_is_the_first_of_the_child(void **state)
{
    (void)state;
    builder_thread(&builder, 2, TRACE_THREAD_START, 555, NULL);
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_sync(&builder, 2);
    builder_thread(&builder, 3, TRACE_THREAD_START, 100, NULL);
    builder_alloc(&builder, 3, 0x20000, 10, 0, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct compiled compiled = compile_built(false);
    struct program_thread first;
    assert_int_equal(pread(compiled.fd, &first, sizeof(first), (off_t)compiled.program->threads_at),
                     sizeof(first));
    assert_int_equal(compiled.program->threads, 2);
    assert_int_equal(first.tid, 100);
    expect_done(&compiled, PROGRAM_PLAIN);
    compile_free(&compiled);
}

static void a_later_thread_with_the_number_of_the_process_waits_for_its_lane(void **state)
{
    (void)state;
    builder_thread(&builder, 2, TRACE_THREAD_START, 99, NULL);
    builder_alloc(&builder, 2, 0x10000, 10, 0, 0, 0);
    builder_thread(&builder, 2, TRACE_THREAD_END, 0, NULL);
    builder_thread(&builder, 2, TRACE_THREAD_START, 100, NULL);
    builder_free(&builder, 2, 0x10000);
    builder_end(&builder, TRACE_END_EXIT);
    struct compiled compiled = compile_built(false);
    expect_done(&compiled, PROGRAM_CHECKED);
    compile_free(&compiled);
}

/* -- copies, rounds, pace --------------------------------------------------------------------- */

static struct result run_ordered(const struct compiled *compiled, struct program_orders orders,
                                 enum program_mode mode)
{
    struct run_plan plan = {.compiled = compiled, .orders = orders};
    struct result result;
    run_once(&plan, &glibc, mode, &result);
    assert_string_equal(result.error, "");
    assert_int_equal(result.overlaps, 0);
    assert_int_equal(result.windows_done, compiled->program->windows * orders.rounds);
    return result;
}

static void copies_and_rounds_keep_every_life_apart_and_in_order(void **state)
{
    (void)state;
    struct threads_plan plan = {.seed = 3,
                                .lanes = 4,
                                .steps = 20000,
                                .rounds = 16,
                                .live_most = 30,
                                .foreign = 50,
                                .end_thread = 30,
                                .every = true};
    build_model(&plan);
    struct compiled compiled = compile_built(false);
    static const uint32_t counts[][2] = {{3, 1}, {1, 3}, {2, 2}};
    for (unsigned i = 0; i < 3; i++) {
        struct program_orders orders = {
            .touch = PROGRAM_TOUCH_FIRST, .copies = counts[i][0], .rounds = counts[i][1]};
        for (unsigned mode = PROGRAM_PLAIN; mode <= PROGRAM_NULL; mode++)
            run_ordered(&compiled, orders, (enum program_mode)mode);
    }
    compile_free(&compiled);
}

static void what_is_left_of_a_round_is_freed_behind_it(void **state)
{
    (void)state;
    enum { BYTES = 32 << 20 };
    builder_alloc(&builder, 2, 0x10000, BYTES, 0, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct compiled compiled = compile_built(false);
    struct program_orders orders = {.touch = PROGRAM_TOUCH_PAGES, .copies = 1, .rounds = 4};
    struct result result = run_ordered(&compiled, orders, PROGRAM_PLAIN);
    assert_in_range(result.resident_peak, BYTES, BYTES + (1 << 20));
    assert_true(result.resident_first < 1 << 20 && result.resident_last < 1 << 20);
    compile_free(&compiled);
}

static void calls_come_at_their_recorded_times(void **state)
{
    (void)state;
    enum { PAUSE_NS = 20000000, COUNT = 200 };
    for (uint64_t i = 0; i < COUNT; i++)
        builder_alloc(&builder, 2, 0x10000 + i * 64, 10, 0, 0, 0);
    builder.now_ns += PAUSE_NS;
    for (uint64_t i = 0; i < COUNT; i++)
        builder_free(&builder, 2, 0x10000 + i * 64);
    builder_end(&builder, TRACE_END_EXIT);
    struct compiled compiled = compile_how(false, true);
    struct program_orders orders = once;
    orders.speed = 0.5;
    struct result result = run_ordered(&compiled, orders, PROGRAM_PLAIN);
    assert_true(result.wall_ns > PAUSE_NS * 3 / 2);
    compile_free(&compiled);
}

/* -- allocators that are wrong ---------------------------------------------------------------- */

static void build_bad_size(void)
{
    builder_alloc(&builder, 2, 0x10000, 777, 0, 0, 0);
    builder_alloc(&builder, 2, 0x20000, 777, 0, 0, 0);
    builder_free(&builder, 2, 0x10000);
    builder_free(&builder, 2, 0x20000);
    builder_end(&builder, TRACE_END_EXIT);
}

static void a_block_given_out_twice_is_noticed(void **state)
{
    (void)state;
    build_bad_size();
    struct compiled compiled = compile_built(false);
    struct result result = run_compiled(&compiled, BROKEN_HEAP_ALIAS_LIBRARY, PROGRAM_CHECKED);
    assert_int_equal(result.is_done, 1);
    assert_int_equal(result.overlaps, 1);
    assert_non_null(strstr(result.overlap, "was changed (noticed when it was freed)"));
    compile_free(&compiled);
}

static void an_allocation_that_fails_is_an_error(void **state)
{
    (void)state;
    build_bad_size();
    struct compiled compiled = compile_built(false);
    struct result result = run_compiled(&compiled, BROKEN_HEAP_NULL_LIBRARY, PROGRAM_PLAIN);
    assert_int_equal(result.is_done, 0);
    assert_string_equal(result.error, "the allocator returned NULL for 777 bytes");
    compile_free(&compiled);
}

static void a_library_without_malloc_is_an_error(void **state)
{
    (void)state;
    build_bad_size();
    struct compiled compiled = compile_built(false);
    struct result result = run_compiled(&compiled, "libm.so.6", PROGRAM_PLAIN);
    assert_int_equal(result.is_done, 0);
    assert_non_null(strstr(result.error, "libm.so.6 does not replace malloc"));
    compile_free(&compiled);
}

/* The only child of a process, once it has one. */
static pid_t wait_for_child_of(pid_t parent)
{
    char path[64];
    pid_t child = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
    while (child == 0) {
        FILE *in = fopen(path, "r");
        assert_non_null(in);
        if (fscanf(in, "%d", &child) != 1)
            child = 0;
        fclose(in);
        usleep(100);
    }
    return child;
}

/* Until it is the program that runs the trace. */
static void wait_for_exec(pid_t child)
{
    char path[64];
    char name[32] = "";
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)child);
    while (strncmp(name, "mpress-replay-c", 15) != 0) {
        FILE *in = fopen(path, "r");
        assert_non_null(in);
        if (fgets(name, sizeof(name), in) == NULL)
            name[0] = '\0';
        fclose(in);
    }
}

static void a_child_dies_with_its_parent(void **state)
{
    (void)state;
    build_one_thread(400000); /* a tenth of a second and more when checked */
    struct compiled compiled = compile_built(false);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t parent = fork();
    if (parent == 0) {
        run_compiled(&compiled, NULL, PROGRAM_CHECKED);
        _exit(0);
    }
    pid_t child = wait_for_child_of(parent);
    wait_for_exec(child);
    assert_int_equal(kill(child, SIGSTOP), 0); /* so that it does not end by itself */
    assert_int_equal(kill(parent, SIGINT), 0);
    int status = 0;
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    compile_free(&compiled);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_trace_of_one_thread_runs_in_all_modes),
        TEST(slots_are_used_again),
        TEST(sizes_beyond_28_bits_are_kept),
        TEST(resident_memory_is_what_was_touched),
        TEST(frees_of_unknown_blocks_are_left_out_and_counted),
        TEST(a_block_whose_free_was_lost_is_freed_all_the_same),
        TEST(threads_that_hand_blocks_to_each_other_keep_every_life_in_order),
        TEST(threads_get_along_on_one_processor),
        TEST(many_short_threads_follow_each_other),
        TEST(the_first_thread_of_the_process_is_the_first_of_the_child),
        TEST(a_later_thread_with_the_number_of_the_process_waits_for_its_lane),
        TEST(copies_and_rounds_keep_every_life_apart_and_in_order),
        TEST(what_is_left_of_a_round_is_freed_behind_it),
        TEST(calls_come_at_their_recorded_times),
        TEST(a_block_given_out_twice_is_noticed),
        TEST(an_allocation_that_fails_is_an_error),
        TEST(a_library_without_malloc_is_an_error),
        TEST(a_child_dies_with_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
