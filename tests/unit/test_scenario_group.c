/* test_scenario_group.c - a control group of our own, where one can be made: the most that was in
 * it is known also of what has ended since. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/scenario/pressure.h"

#define MIB UINT64_C(1048576)

static struct pressure pressure = {.mechanism = &pressure_cgroup1};

/* It takes 20 MiB, gives them back, and ends. */
static void run_child(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pressure_cgroup1.prepare(&pressure);
        char *block =
            mmap(NULL, 20 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (uint64_t at = 0; block != MAP_FAILED && at < 20 * MIB; at += 4096)
            block[at] = 1;
        munmap(block, 20 * MIB);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void its_high_water_mark_is_known_when_nobody_has_looked(void **state)
{
    (void)state;
    char why[PRESSURE_WHY_BYTES];
    if (!pressure_cgroup1.open(&pressure, why)) {
        print_message("%s\n", why);
        skip();
    }
    pressure_cgroup1.set(&pressure, 0);
    run_child();
    uint64_t used = pressure_cgroup1.used(&pressure), most = pressure_cgroup1.most(&pressure);
    pressure_cgroup1.set(&pressure, 100 * MIB);
    uint64_t later = pressure_cgroup1.most(&pressure);
    pressure_cgroup1.close(&pressure);
    assert_true(used < 5 * MIB && later < 5 * MIB);
    assert_true(most >= 20 * MIB && most < 25 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_high_water_mark_is_known_when_nobody_has_looked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
