/* test_bounds.c - limits of control groups, in a tree of files of our own: what both versions say,
 * which limit is nearest, and how often files are read. */
#define _GNU_SOURCE
#include "preload/bounds.h"
#include "preload/budget_slot.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB UINT64_C(1048576)
#define SECOND UINT64_C(1000000000)

static bool is_moved_by_a_tool;

bool budget_moves_limits(void)
{
    return is_moved_by_a_tool;
}

static char root[] = "/tmp/mpress-bounds.XXXXXX";
static char membership[64], split[64], unified[64];
static uint64_t now; /* goes on from test to test */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s%s", root, folder);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    snprintf(path, sizeof(path), "%s%s/%s", root, folder, name);
    write_text(path, text);
}

static void write_mib(const char *folder, const char *name, uint64_t mib)
{
    char text[32];
    snprintf(text, sizeof(text), "%lu\n", mib * MIB);
    write_file(folder, name, text);
}

/* A group of version 2 without limits. */
static void make_group(const char *folder, uint64_t used_mib)
{
    write_mib(folder, "memory.current", used_mib);
    write_file(folder, "memory.max", "max\n");
    write_file(folder, "memory.high", "max\n");
    write_file(folder, "memory.stat", "anon 4096\nfile 8192\ninactive_file 0\nactive_file 0\n");
}

static struct bounds_reading sample(uint64_t ns, uint64_t taken)
{
    struct os_sizes sizes = {0};
    struct bounds_reading reading;
    now += ns;
    bounds_sample(now, &sizes, taken);
    (void)bounds_read(&reading);
    return reading;
}

static void expect(struct bounds_reading reading, uint64_t used_mib, uint64_t limit_mib)
{
    assert_int_equal(reading.used, used_mib * MIB);
    assert_int_equal(reading.limit, limit_mib * MIB);
}

static void the_limit_of_a_group_around_it_counts(void **state)
{
    (void)state;
    write_text(membership, "1:name=systemd:/a/b\n0::/a/b\n");
    make_group("/v2", 900);
    make_group("/v2/a", 300);
    make_group("/v2/a/b", 100);
    write_mib("/v2/a", "memory.max", 400);
    expect(sample(20 * SECOND, 0), 300, 400);
    write_mib("/v2/a/b", "memory.max", 110);
    expect(sample(20 * SECOND, 0), 100, 110); /* the innermost is nearer now */
    struct bounds_reading reading;
    write_mib("/v2/a/b", "memory.max", 350); /* has most left, though */
    write_mib("/v2/a", "memory.current", 390);
    expect(sample(20 * SECOND, 0), 390, 400);
    assert_true(bounds_read_group(&reading, false));
    expect(reading, 390, 400);
    assert_int_equal(bounds_total(), 350 * MIB);
}

static void memory_high_is_a_limit_but_none_that_kills(void **state)
{
    (void)state;
    struct bounds_reading reading;
    write_file("/v2/a", "memory.max", "max\n");
    write_file("/v2/a/b", "memory.max", "max\n");
    write_mib("/v2/a/b", "memory.high", 200);
    expect(sample(20 * SECOND, 0), 100, 200);
    assert_false(bounds_read_group(&reading, false));
    write_mib("/v2/a/b", "memory.max", 220);
    expect(sample(20 * SECOND, 0), 100, 200);
    assert_true(bounds_read_group(&reading, false));
    expect(reading, 100, 220);
    write_mib("/v2/a/b", "memory.max", 150); /* lower than that, and seen within two seconds */
    expect(sample(2 * SECOND, 0), 100, 150);
}

static void a_group_without_swap_counts_where_the_machine_has_some(void **state)
{
    (void)state;
    struct bounds_reading reading;
    assert_false(bounds_read_group(&reading, true));
    write_file("/v2/a/b", "memory.swap.max", "0\n");
    sample(20 * SECOND, 0);
    assert_true(bounds_read_group(&reading, true));
    expect(reading, 100, 150);
    write_file("/v2/a/b", "memory.swap.max", "max\n");
    sample(20 * SECOND, 0);
    assert_false(bounds_read_group(&reading, true));
}

static void pages_of_files_give_way(void **state)
{
    (void)state;
    write_mib("/v2/a/b", "memory.current", 140);
    write_file("/v2/a/b", "memory.stat",
               "anon 1\ninactive_file 20971520\nactive_file 10485760\nunevictable 5\n");
    expect(sample(SECOND, 0), 110, 150);
    write_mib("/v2/a/b", "memory.current", 60); /* far from the limit they do not matter */
    expect(sample(SECOND, 0), 60, 150);
}

/* Of 150 MiB: half are 75; an eighth of what is left with 80 are 9, with 110 are 5. */
static void a_group_is_read_as_often_as_what_is_left_may_be_gone(void **state)
{
    (void)state;
    write_file("/v2/a/b", "memory.stat", "inactive_file 0\nactive_file 0\n");
    expect(sample(20 * SECOND, 0), 60, 150);
    write_mib("/v2/a/b", "memory.current", 70);
    expect(sample(SECOND / 2, 0), 60, 150);
    expect(sample(SECOND / 10, 2 * MIB), 60, 150);
    expect(sample(SECOND / 10, 4 * MIB), 70, 150); /* this process took more than a 32nd */
    write_mib("/v2/a/b", "memory.current", 71);
    expect(sample(SECOND / 10, UINT64_MAX), 71, 150); /* who judges wants to know */
    write_mib("/v2/a/b", "memory.current", 80);
    expect(sample(SECOND / 10, 4 * MIB), 71, 150);
    expect(sample(SECOND, 4 * MIB), 80, 150);
    write_mib("/v2/a/b", "memory.current", 81);
    expect(sample(SECOND / 10, 4 * MIB), 80, 150);
    write_mib("/v2/a/b", "memory.current", 110);
    expect(sample(SECOND / 2, 4 * MIB), 110, 150); /* half of it is used */
    write_mib("/v2/a/b", "memory.current", 112);
    expect(sample(SECOND / 10, 4 * MIB), 112, 150); /* 30 in half a second */
    write_mib("/v2/a/b", "memory.current", 113);
    expect(sample(SECOND / 10, 4 * MIB), 112, 150);
    write_mib("/v2/a/b", "memory.current", 140);
    expect(sample(SECOND / 2, 4 * MIB), 140, 150);
    write_mib("/v2/a/b", "memory.current", 139);
    expect(sample(SECOND / 10, 4 * MIB), 139, 150); /* nine tenths */
}

/* The coarse clock is some ms behind. */
static void a_clock_that_is_behind_does_not_hide_growth(void **state)
{
    (void)state;
    write_mib("/v2/a/b", "memory.current", 80);
    expect(sample(20 * SECOND, UINT64_MAX), 80, 150);
    write_mib("/v2/a/b", "memory.current", 110);
    now -= SECOND / 200;
    expect(sample(0, UINT64_MAX), 110, 150); /* 30 at once */
    write_mib("/v2/a/b", "memory.current", 112);
    expect(sample(SECOND / 100, 4 * MIB), 112, 150);
}

static void its_stalls_are_those_of_the_innermost(void **state)
{
    (void)state;
    struct os_pressure stalls;
    assert_false(bounds_read_stalls(&stalls));
    write_file("/v2/a/b", "memory.pressure",
               "some avg10=1.50 avg60=0.20 avg300=0.00 total=12345\n"
               "full avg10=0.25 avg60=0.00 avg300=0.00 total=678\n");
    assert_true(bounds_read_stalls(&stalls));
    assert_int_equal(stalls.some_percent_100, 150);
    assert_int_equal(stalls.full_percent_100, 25);
    assert_int_equal(stalls.some_ns, 12345000);
    assert_int_equal(stalls.full_ns, 678000);
}

/* A container sees its own group as the root. */
static void a_path_that_is_not_there_is_the_root(void **state)
{
    (void)state;
    write_text(membership, "0::/elsewhere\n");
    write_mib("/v2", "memory.current", 500);
    write_mib("/v2", "memory.max", 600);
    expect(sample(20 * SECOND, 0), 500, 600);
}

static void a_group_that_is_removed_is_none(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof(path), "%s/memory.current", unified);
    assert_int_equal(unlink(path), 0);
    sample(20 * SECOND, 0);
    expect(sample(0, UINT64_MAX), 0, 0);
}

static void version_1_has_no_high(void **state)
{
    (void)state;
    write_text(membership, "5:cpu:/x\n4:memory:/c\n0::/a/b\n");
    write_mib("/v1", "memory.usage_in_bytes", 700);
    write_file("/v1", "memory.limit_in_bytes", "9223372036854771712\n");
    write_mib("/v1/c", "memory.usage_in_bytes", 95);
    write_mib("/v1/c", "memory.limit_in_bytes", 100);
    write_mib("/v1/c", "memory.high", 50);
    write_file("/v1/c", "memory.stat",
               "inactive_file 1048576\ntotal_inactive_file 2097152\ntotal_active_file 3145728\n");
    expect(sample(20 * SECOND, 0), 90, 100);
}

static int setup(void **state)
{
    start_small_heap();
    (void)state;
    if (mkdtemp(root) == NULL)
        return -1;
    snprintf(membership, sizeof(membership), "%s/cgroup", root);
    snprintf(split, sizeof(split), "%s/v1", root);
    snprintf(unified, sizeof(unified), "%s/v2", root);
    os_group_places = (struct os_group_places){membership, split, unified};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[64];
    bounds_close();
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

/* It stands behind a budget of which the process is told otherwise. */
static void a_limit_that_a_tool_moves_is_no_limit_to_go_by(void **state)
{
    (void)state;
    struct bounds_reading nearest;
    struct rlimit old, low;
    const struct os_sizes sizes = {.data = 100 * MIB};
    getrlimit(RLIMIT_DATA, &old);
    low = (struct rlimit){110 * MIB, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_DATA, &low), 0);
    bounds_close();
    now += 60 * SECOND;
    bounds_sample(now, &sizes, UINT64_MAX);
    assert_true(bounds_read(&nearest) && nearest.limit == 110 * MIB);
    is_moved_by_a_tool = true;
    assert_true(!bounds_read(&nearest) || nearest.limit != 110 * MIB);
    is_moved_by_a_tool = false;
    assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_of_a_group_around_it_counts),
        cmocka_unit_test(memory_high_is_a_limit_but_none_that_kills),
        cmocka_unit_test(a_group_without_swap_counts_where_the_machine_has_some),
        cmocka_unit_test(pages_of_files_give_way),
        cmocka_unit_test(a_group_is_read_as_often_as_what_is_left_may_be_gone),
        cmocka_unit_test(a_clock_that_is_behind_does_not_hide_growth),
        cmocka_unit_test(its_stalls_are_those_of_the_innermost),
        cmocka_unit_test(a_path_that_is_not_there_is_the_root),
        cmocka_unit_test(a_group_that_is_removed_is_none),
        cmocka_unit_test(version_1_has_no_high),
        cmocka_unit_test(a_limit_that_a_tool_moves_is_no_limit_to_go_by),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
