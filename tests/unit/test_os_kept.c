/* test_os_kept.c - files that stay open while the program does with descriptors what it likes. */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static char path[] = "/tmp/mpress-kept.XXXXXX";

static void write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void the_file_is_read_from_its_beginning_each_time(void **state)
{
    (void)state;
    struct os_kept kept;
    uint64_t number = 0;
    os_kept_init(&kept, path);
    for (unsigned i = 1; i <= 3; i++) {
        write_file(path, i == 1 ? "1234\n" : i == 2 ? "77\n" : "max\n");
        assert_true(os_kept_number(&kept, &number));
        assert_true(number == (i == 1 ? 1234 : i == 2 ? 77 : UINT64_MAX));
    }
    assert_true(kept.is_open && kept.fd >= 64);
    os_kept_close(&kept);
    assert_int_equal(fcntl(kept.fd, F_GETFD), -1);
}

static void a_descriptor_that_is_the_programs_now_is_left_alone(void **state)
{
    (void)state;
    struct os_kept kept;
    uint64_t number = 0;
    write_file(path, "5\n");
    os_kept_init(&kept, path);
    assert_true(os_kept_number(&kept, &number));
    int taken = kept.fd;
    int other = open("/proc/self/maps", O_RDONLY); /* of the program, at the same number */
    assert_int_equal(dup2(other, taken), taken);
    assert_true(os_kept_number(&kept, &number));
    assert_int_equal(number, 5);
    assert_int_not_equal(kept.fd, taken);
    assert_true(fcntl(taken, F_GETFD) >= 0);
    os_kept_close(&kept);
    close(taken);
    close(other);
}

static void a_file_that_is_gone_is_not_known(void **state)
{
    (void)state;
    struct os_kept kept;
    uint64_t number;
    os_kept_init(&kept, "/tmp/mpress-kept-never");
    assert_false(os_kept_number(&kept, &number));
    os_kept_init(&kept, "");
    assert_false(os_kept_number(&kept, &number));
}

static void without_numbers_out_of_the_way_none_is_kept(void **state)
{
    (void)state;
    struct os_kept kept;
    uint64_t number = 0;
    struct rlimit before, few;
    write_file(path, "6\n");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){32, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    os_kept_init(&kept, path);
    assert_true(os_kept_number(&kept, &number));
    assert_int_equal(number, 6);
    assert_false(kept.is_open);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void what_the_system_says_is_understood(void **state)
{
    (void)state;
    struct os_kept kept;
    struct os_sizes sizes;
    struct os_machine machine;
    static char held[8 << 20];
    memset(held, 1, sizeof(held)); /* far more than what the kernel counts in one batch */
    os_kept_init(&kept, "/proc/self/statm");
    assert_true(os_kept_sizes(&kept, &sizes));
    assert_true(sizes.rss_anon > 0 && sizes.rss_anon < sizes.rss && sizes.rss < sizes.space);
    os_kept_close(&kept);
    os_kept_init(&kept, "/proc/meminfo");
    assert_true(os_kept_machine(&kept, &machine));
    assert_true(machine.available > 0 && machine.available < machine.total);
    os_kept_close(&kept);
}

static void swapped_bytes_are_read_off_the_status(void **state)
{
    (void)state;
    struct os_kept kept;
    uint64_t bytes = 1;
    os_kept_init(&kept, "/proc/self/status");
    assert_true(os_kept_swapped(&kept, &bytes));
    os_kept_close(&kept);
    write_file(path,
               "Name:\tVmSwap: 7 kB\nVmRSS:\t    5120 kB\nVmSwap:\t      12 kB\nThreads:\t1\n");
    os_kept_init(&kept, path);
    assert_true(os_kept_swapped(&kept, &bytes));
    assert_int_equal(bytes, 12288);
    os_kept_close(&kept);
}

static void long_files_are_read_to_their_end(void **state)
{
    (void)state;
    static char text[4096];
    struct os_kept kept;
    uint64_t bytes = 0;
    size_t at = 0;
    for (unsigned i = 0; i < 90; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "some_counter_%u %u\n", i, i * 1000);
    snprintf(text + at, sizeof(text) - at, "total_inactive_file 4096\ntotal_active_file 8192\n");
    write_file(path, text);
    os_kept_init(&kept, path);
    assert_true(os_kept_files(&kept, false, &bytes));
    assert_int_equal(bytes, 12288);
    os_kept_close(&kept);
}

static int setup(void **state)
{
    (void)state;
    return close(mkstemp(path));
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_read_from_its_beginning_each_time),
        cmocka_unit_test(a_descriptor_that_is_the_programs_now_is_left_alone),
        cmocka_unit_test(a_file_that_is_gone_is_not_known),
        cmocka_unit_test(without_numbers_out_of_the_way_none_is_kept),
        cmocka_unit_test(what_the_system_says_is_understood),
        cmocka_unit_test(swapped_bytes_are_read_off_the_status),
        cmocka_unit_test(long_files_are_read_to_their_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
