/* test_replay_command.c - `mpress replay` as its users see it, and its figures. */
#define _GNU_SOURCE
#include "tests/unit/built_trace.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "tools/replay/replay.h"
#include "tools/replay/stats.h"

static void build_bad_size(void)
{
    builder_alloc(&builder, 2, 0x10000, 777, 0, 0, 0);
    builder_alloc(&builder, 2, 0x20000, 777, 0, 0, 0);
    builder_free(&builder, 2, 0x10000);
    builder_free(&builder, 2, 0x20000);
    builder_end(&builder, TRACE_END_EXIT);
}

/* -- the command ------------------------------------------------------------------------------ */

/* Its exit status, with stdout and stderr in `output`. */
static int run_command(char *output, size_t capacity, char *const *arguments)
{
    int ends[2];
    int count = 0;
    while (arguments[count] != NULL)
        count++;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        int status = replay_main(count, (char **)(uintptr_t)arguments);
        fflush(stdout);
        _exit(status);
    }
    close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while (used + 1 < capacity && (got = read(ends[0], output + used, capacity - 1 - used)) > 0)
        used += (size_t)got;
    output[used] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static void expect_refusal(int status, const char *part, char *const *arguments)
{
    char output[16384];
    int real = run_command(output, sizeof(output), arguments);
    if (real != status || strstr(output, part) == NULL)
        print_error("status %d: %s\n", real, output);
    assert_int_equal(real, status);
    assert_non_null(strstr(output, part));
    assert_int_equal(count_lines(output), 1);
}

static void bad_usage_is_refused_in_one_line(void **state)
{
    (void)state;
    expect_refusal(2, "which trace", (char *[]){"replay", NULL});
    expect_refusal(2, "--runs 0", (char *[]){"replay", "--runs", "0", "x", NULL});
    expect_refusal(2, "--touch some", (char *[]){"replay", "--touch", "some", "x", NULL});
    expect_refusal(2, "--threads two", (char *[]){"replay", "--threads", "two", "x", NULL});
    expect_refusal(2, "--threads: for a trace", (char *[]){"replay", "--threads", "2", "x", NULL});
    expect_refusal(2, "--speed 0", (char *[]){"replay", "--speed", "0", "x", NULL});
    expect_refusal(2, "--copies 65", (char *[]){"replay", "--copies", "65", "x", NULL});
    expect_refusal(2, "--scale: that", (char *[]){"replay", "--scale", "1K", "x", NULL});
    expect_refusal(1, "/tmp/.: cannot be read",
                   (char *[]){"replay", "--with", "/tmp/.", "x", NULL});
    expect_refusal(1, "mpress tune",
                   (char *[]){"replay", "--profile", "", "--with", "glibc", "x", NULL});
    expect_refusal(2, "--scale 2K,1K", (char *[]){"replay", "--scale", "2K,1K", "x", NULL});
    expect_refusal(2, "--workload web", (char *[]){"replay", "--workload", "web", NULL});
    expect_refusal(2, "not both", (char *[]){"replay", "--workload", "kv", "x", NULL});
    expect_refusal(2, "--speed: a workload",
                   (char *[]){"replay", "--workload", "kv", "--speed", "real", NULL});
    expect_refusal(2, "--nonsense", (char *[]){"replay", "--nonsense", "x", NULL});
    expect_refusal(2, "y: one trace", (char *[]){"replay", "x", "y", NULL});
    expect_refusal(2, "no allocator \"foo\"", (char *[]){"replay", "--with", "foo", "x", NULL});
    expect_refusal(2, "--with glibc,", (char *[]){"replay", "--with", "glibc,", "x", NULL});
    expect_refusal(1, "./no.so", (char *[]){"replay", "--with", "./no.so", "x", NULL});
    expect_refusal(1, "/no/t.mpt: cannot be opened",
                   (char *[]){"replay", "--with", "glibc", "/no/t.mpt", NULL});
}

static void a_replay_prints_a_table_or_json(void **state)
{
    (void)state;
    char output[16384];
    build_one_thread(3000);
    char *path = builder_write(&builder);
    char *table[] = {"replay", path, "--with", "glibc", "--runs", "2", "--verify", NULL};
    assert_int_equal(run_command(output, sizeof(output), table), 0);
    assert_non_null(strstr(output, "\nglibc "));
    assert_non_null(strstr(output, "Verified"));
    char *json[] = {"replay", path, "--with", "glibc", "--json", "--runs", "1", NULL};
    assert_int_equal(run_command(output, sizeof(output), json), 0);
    assert_int_equal(output[0], '{');
    assert_non_null(strstr(output, "\"p99_9_ns\""));
    assert_non_null(strstr(output, "\"complete\": true"));
    unlink(path);
    free(path);
}

static void an_allocator_runs_in_the_environment_that_is_asked_for(void **state)
{
    (void)state;
    struct allocators *allocators = calloc(1, sizeof(*allocators));
    assert_int_equal(allocators_parse("glibc:MALLOC_CONF=a:b,c:d:X_1=e=f:g", allocators), 0);
    assert_int_equal(allocators_parse("glibc,none,glibc:A=1,2", allocators), 0);
    assert_int_equal(allocators->count, 4);
    assert_string_equal(allocators->all[0].name, "glibc+1");
    assert_int_equal(allocators->all[0].variables, 2);
    assert_string_equal(allocators->all[0].variable[0], "MALLOC_CONF=a:b,c:d");
    assert_string_equal(allocators->all[0].variable[1], "X_1=e=f:g");
    assert_int_equal(allocators->all[1].variables, 0);
    assert_true(allocators->all[2].is_none);
    assert_string_equal(allocators->all[3].name, "glibc+2");
    assert_string_equal(allocators->all[3].variable[0], "A=1,2");
    allocators_fini(allocators);

    char output[16384];
    build_one_thread(3000);
    char *path = builder_write(&builder);
    char *arguments[] = {"replay",  path,   "--with",   "glibc:GLIBC_TUNABLES=glibc.malloc.check=0",
                         "-n",      "1",    "--with",   "none,glibc",
                         "--speed", "1000", "--repeat", "2",
                         NULL};
    assert_int_equal(run_command(output, sizeof(output), arguments), 0);
    assert_non_null(strstr(output, "\nglibc+1 "));
    assert_non_null(strstr(output, "\nglibc+1: GLIBC_TUNABLES=glibc.malloc.check=0\n"));
    assert_non_null(strstr(output, "rounds one after another: 2"));
    unlink(path);
    free(path);
}

/* A copy of an empty shared library stands for each build. */
static void two_builds_of_a_library_can_be_told_apart(void **state)
{
    (void)state;
    char folder[] = "/tmp/mpress-XXXXXX", list[128], path[64];
    assert_non_null(mkdtemp(folder));
    for (int i = 1; i <= 2; i++) {
        snprintf(path, sizeof(path), "%s/%d", folder, i);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/%d/libbuild.so", folder, i);
        fclose(fopen(path, "w"));
    }
    snprintf(list, sizeof(list), "%s/1/libbuild.so,%s/2/libbuild.so,glibc", folder, folder);
    struct allocators *allocators = calloc(1, sizeof(*allocators));
    assert_int_equal(allocators_parse(list, allocators), 0);
    assert_string_equal(allocators->all[0].name, "libbuild.so");
    assert_string_equal(allocators->all[1].name, "libbuild.so#2");
    assert_true(allocators->all[0].is_path && !allocators->all[2].is_path);
    allocators_fini(allocators);
    for (int i = 1; i <= 2; i++) {
        snprintf(path, sizeof(path), "%s/%d/libbuild.so", folder, i);
        unlink(path);
        *strrchr(path, '/') = '\0';
        rmdir(path);
    }
    rmdir(folder);
}

/* Nor is a run of calls that do nothing done, which would last as long as the recording. */
static void a_paced_replay_tells_no_overhead(void **state)
{
    (void)state;
    char output[16384];
    build_one_thread(300);
    char *path = builder_write(&builder);
    char *arguments[] = {"replay", path, "--with", "glibc", "-n", "1", "--speed", "real", NULL};
    assert_int_equal(run_command(output, sizeof(output), arguments), 0);
    assert_non_null(strstr(output, "\nAt the recorded speed; no call"));
    assert_null(strstr(output, "The replay itself"));
    char *json[] = {"replay", path, "--with", "glibc", "-n", "1", "--speed", "2", "--json", NULL};
    assert_int_equal(run_command(output, sizeof(output), json), 0);
    assert_null(strstr(output, "replay_overhead_ns"));
    unlink(path);
    free(path);
}

/* The table of one allocator with such times. */
static char *print_times(uint64_t median, uint64_t most, unsigned rounds, uint64_t overhead)
{
    static const struct allocator allocator = {.name = "glibc"};
    struct program_header program = {.operations = 1000, .threads = 1};
    const struct compiled compiled = {.program = &program};
    struct workload workload = {.threads = 1, .objects = 100};
    const struct source source = {.workload = &workload};
    const struct options options = {.runs = 3, .copies = 1, .rounds = rounds};
    struct row row = {.allocator = &allocator,
                      .stats.wall_ns = {.median = median, .least = median, .most = most}};
    const struct table table = {&options, &source, &compiled, overhead, 1, &row};
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    table_print(&table, out);
    fclose(out);
    return text;
}

static void short_runs_that_differ_are_said_to_be_short(void **state)
{
    (void)state;
    const struct {
        uint64_t median, most;
        unsigned rounds;
        const char *hint;
    } cases[] = {
        {2000000, 3000000, 1, "--repeat 251 makes them longer"},
        {20000000, 30000000, 10, "--repeat 260 makes them longer"},
        {1000, 3000, 1, "--repeat 1000 makes them longer"},
        {1000, 3000, 1000, NULL},    /* more cannot be asked for */
        {2000000, 2100000, 1, NULL}, /* they do not differ */
        {200000000, 300000000, 1, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = print_times(cases[i].median, cases[i].most, cases[i].rounds, 0);
        if (cases[i].hint != NULL)
            assert_non_null(strstr(text, cases[i].hint));
        else
            assert_null(strstr(text, "makes them longer"));
        free(text);
    }
}

/* Of several threads on a busy machine the run that does nothing may be the longest. */
static void an_overhead_above_the_whole_is_not_told(void **state)
{
    (void)state;
    char *text = print_times(2000000, 3000000, 1, 1000000);
    assert_non_null(strstr(text, "The replay itself takes 1000.0 ns"));
    free(text);
    text = print_times(2000000, 3000000, 1, 2000001);
    assert_null(strstr(text, "The replay itself takes"));
    assert_non_null(strstr(text, "is lost in what else the machine does"));
    free(text);
}

static void overlaps_are_counted_and_fail_the_command(void **state)
{
    (void)state;
    char output[16384];
    build_bad_size();
    char *path = builder_write(&builder);
    char *arguments[] = {"replay", path, "--with", BROKEN_HEAP_ALIAS_LIBRARY, "--verify", NULL};
    assert_int_equal(run_command(output, sizeof(output), arguments), 1);
    assert_non_null(strstr(output, "1 overlap: byte 0 of a block of 777 bytes"));
    unlink(path);
    free(path);
}

static void a_workload_prints_a_table_for_each_scale_and_a_line_through_them(void **state)
{
    (void)state;
    char output[16384];
    char *table[] = {"replay", "--workload", "kv", "--scale",  "1K,2K", "--with",
                     "glibc",  "--threads",  "2",  "--verify", NULL};
    assert_int_equal(run_command(output, sizeof(output), table), 0);
    assert_non_null(strstr(output, "operations in 2 threads"));
    assert_non_null(strstr(output, "no overlaps"));
    assert_non_null(strstr(output, "\nMemory by number of blocks"));
    char *json[] = {"replay", "--workload", "txn", "--scale", "1K,2K",
                    "--with", "glibc",      "-j",  NULL};
    assert_int_equal(run_command(output, sizeof(output), json), 0);
    assert_non_null(strstr(output, "\"mpress-replay-workload/1\""));
    assert_non_null(strstr(output, "\"bytes_per_block\""));
}

static void a_failing_allocator_fails_the_command_and_not_the_others(void **state)
{
    (void)state;
    char output[16384];
    build_bad_size();
    char *path = builder_write(&builder);
    char *arguments[] = {"replay", path, "--with", BROKEN_HEAP_NULL_LIBRARY ",glibc", NULL};
    assert_int_equal(run_command(output, sizeof(output), arguments), 1);
    assert_non_null(strstr(output, "returned NULL for 777 bytes"));
    assert_non_null(strstr(output, "\nglibc "));
    unlink(path);
    free(path);
}

static void a_trace_without_events_cannot_be_replayed(void **state)
{
    (void)state;
    char output[4096];
    char *path = builder_write(&builder);
    char *arguments[] = {"replay", path, "--with", "glibc", NULL};
    assert_int_equal(run_command(output, sizeof(output), arguments), 1);
    assert_non_null(strstr(output, "nothing to replay"));
    unlink(path);
    free(path);
}

/* -- figures ---------------------------------------------------------------------------------- */

static void buckets_are_exact_below_16_and_within_a_sixteenth_above(void **state)
{
    (void)state;
    for (uint64_t ns = 0; ns < 100000; ns++) {
        uint64_t least = trace_latency_ns(trace_latency_bucket(ns));
        assert_true(least <= ns);
        assert_true(ns < 16 ? least == ns : ns - least <= least / 16);
    }
    assert_true(trace_latency_bucket(UINT64_MAX) < TRACE_LATENCY_BUCKETS);
}

static void medians_and_percentiles_are_those_of_the_runs(void **state)
{
    (void)state;
    struct result *runs = calloc(4, sizeof(*runs));
    static const uint64_t walls[] = {30, 10, 40, 20};
    for (size_t i = 0; i < 4; i++)
        runs[i].wall_ns = walls[i];
    runs[0].latency[5] = 990;
    runs[0].latency[10] = 9;
    runs[0].latency[12] = 1;
    runs[0].latency_max_ns = 12;
    runs[0].call_ns = 5000;
    struct stats stats;
    stats_make(&stats, runs, 4, &runs[0]);
    assert_int_equal(stats.wall_ns.median, 25);
    assert_int_equal(stats.wall_ns.least, 10);
    assert_int_equal(stats.latency.p50, 5);
    assert_true(stats.latency.mean == 5);
    assert_int_equal(stats.latency.p99, 10);
    assert_int_equal(stats.latency.p999, 12);
    stats_make(&stats, runs, 3, NULL);
    assert_int_equal(stats.wall_ns.median, 30);
    assert_false(stats.latency.is_known);
    free(runs);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bad_usage_is_refused_in_one_line),
        TEST(a_replay_prints_a_table_or_json),
        TEST(an_allocator_runs_in_the_environment_that_is_asked_for),
        TEST(two_builds_of_a_library_can_be_told_apart),
        TEST(a_paced_replay_tells_no_overhead),
        TEST(short_runs_that_differ_are_said_to_be_short),
        TEST(an_overhead_above_the_whole_is_not_told),
        TEST(overlaps_are_counted_and_fail_the_command),
        TEST(a_workload_prints_a_table_for_each_scale_and_a_line_through_them),
        TEST(a_failing_allocator_fails_the_command_and_not_the_others),
        TEST(a_trace_without_events_cannot_be_replayed),
        TEST(buckets_are_exact_below_16_and_within_a_sixteenth_above),
        TEST(medians_and_percentiles_are_those_of_the_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
