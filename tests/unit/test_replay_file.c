/* test_replay_file.c - programs on disk: written and read window by window. */
#define _GNU_SOURCE
#include "tests/unit/built_trace.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "tools/replay/compile.h"
#include "tools/replay/run.h"

static int compile_here(struct trace *trace, const struct rewriting *rewriting,
                        struct compiled *compiled)
{
    struct source source = {.trace = trace, .rewriting = rewriting};
    const struct compile_options how = {0};
    return compile_source(&source, &how, compiled);
}

static struct compiled compile_built(const struct rewriting *rewriting)
{
    struct compiled compiled;
    struct trace *trace = open_good();
    assert_int_equal(compile_here(trace, rewriting, &compiled), 0);
    trace_close(trace);
    return compiled;
}

static struct result run_checked(const struct compiled *compiled)
{
    static const struct allocator glibc = {.name = "glibc"};
    struct run_plan plan = {.compiled = compiled, .orders = {.copies = 1, .rounds = 1}};
    struct result result;
    run_once(&plan, &glibc, PROGRAM_CHECKED, &result);
    return result;
}

static void expect_done(const struct compiled *compiled)
{
    struct result result = run_checked(compiled);
    assert_string_equal(result.error, "");
    assert_int_equal(result.overlaps, 0);
    assert_int_equal(result.windows_done, compiled->program->windows);
}

static off_t place_of_window(const struct compiled *compiled, uint32_t window)
{
    return (off_t)(compiled->program->windows_at + window * sizeof(struct program_window));
}

static struct program_window read_window(const struct compiled *compiled, uint32_t number)
{
    struct program_window window;
    assert_int_equal(
        pread(compiled->fd, &window, sizeof(window), place_of_window(compiled, number)),
        sizeof(window));
    return window;
}

static void the_peak_is_that_of_the_trace_and_ends_a_window(void **state)
{
    (void)state;
    builder_alloc(&builder, 2, 0x10000, 1000, 0, 0, 0);
    builder_alloc(&builder, 2, 0x20000, 500, 0, 0, 0);
    builder_free(&builder, 2, 0x10000);
    builder_alloc(&builder, 2, 0x30000, 100, 0, 0, 0);
    builder_end(&builder, TRACE_END_EXIT);
    struct compiled compiled = compile_built(NULL);
    const struct program_header *program = compiled.program;
    struct program_window window = read_window(&compiled, program->peak_window);
    assert_int_equal(program->peak_bytes, 1500);
    assert_int_equal(window.live_bytes, 1500);
    assert_int_equal(program->end_bytes, 600);
    compile_free(&compiled);
}

static void bytes_that_differ_from_the_trace_are_an_error(void **state)
{
    (void)state;
    build_one_thread(3000);
    struct compiled compiled = compile_built(NULL);
    struct program_window window = read_window(&compiled, 1);
    window.live_bytes++;
    assert_int_equal(pwrite(compiled.fd, &window, sizeof(window), place_of_window(&compiled, 1)),
                     sizeof(window));
    struct result result = run_checked(&compiled);
    assert_int_equal(result.is_done, 0);
    assert_non_null(strstr(result.error, "at the end of window 1"));
    compile_free(&compiled);
}

static void one_window_at_a_time_is_in_memory(void **state)
{
    (void)state;
    build_one_thread(100000);
    struct compiled compiled = compile_built(NULL);
    assert_true(compiled.program->windows > 200);
    assert_true(compiled.program->window_bytes < compiled.program->bytes / 100);
    expect_done(&compiled);
    compile_free(&compiled);
}

static int try_to_compile(struct trace *trace)
{
    struct compiled compiled;
    int error = compile_here(trace, NULL, &compiled);
    compile_free(&compiled);
    return error;
}

static void a_folder_without_room_is_an_error(void **state)
{
    (void)state;
    build_one_thread(20000);
    struct trace *trace = open_good();
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit little = {100000, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    int error = try_to_compile(trace);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(error, EFBIG);
    signal(SIGXFSZ, SIG_DFL);

    char *folder = getenv("TMPDIR") != NULL ? strdup(getenv("TMPDIR")) : NULL;
    setenv("TMPDIR", "/nowhere", 1);
    assert_int_equal(try_to_compile(trace), ENOENT);
    if (folder != NULL)
        setenv("TMPDIR", folder, 1);
    else
        unsetenv("TMPDIR");
    free(folder);
    assert_int_equal(try_to_compile(trace), 0);
    trace_close(trace);
}

static void a_program_that_is_cut_short_is_an_error(void **state)
{
    (void)state;
    build_one_thread(20000);
    struct compiled compiled = compile_built(NULL);
    struct program_window window = read_window(&compiled, 3);
    window.at = compiled.program->bytes;
    assert_int_equal(pwrite(compiled.fd, &window, sizeof(window), place_of_window(&compiled, 3)),
                     sizeof(window));
    struct result result = run_checked(&compiled);
    assert_int_equal(result.is_done, 0);
    assert_int_equal(result.windows_done, 3);
    assert_string_equal(result.error, "the program cannot be read: its file was cut short");
    compile_free(&compiled);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_peak_is_that_of_the_trace_and_ends_a_window),
        TEST(bytes_that_differ_from_the_trace_are_an_error),
        TEST(one_window_at_a_time_is_in_memory),
        TEST(a_folder_without_room_is_an_error),
        TEST(a_program_that_is_cut_short_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
