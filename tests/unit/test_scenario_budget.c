/* test_scenario_budget.c - what a tool reads in the page of a budget, and writes there for
 * processes outside the library. The page is seen here as a program sees it: by its path. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/budget.h"
#include "tests/unit/own_costs.h"
#include "tools/scenario/pressure.h"

#define MIB UINT64_C(1048576)
enum { NOBODY = 0x7ffffff0 }; /* no process has it: it is beyond pid_max */

static struct pressure pressure;
static bool takes_nothing_back; /* the system */
static struct victim victim;
static struct budget_page *page;

static pid_t start_child(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(STILL, STILL, (char *)NULL);
        _exit(1);
    }
    return pid;
}

/* It has executed its program once that is seen. */
static void find_child(pid_t pid)
{
    char path[64], own[512], its[512];
    ssize_t own_bytes = readlink("/proc/self/exe", own, sizeof own), bytes;
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    do
        bytes = readlink(path, its, sizeof its);
    while (bytes == own_bytes && memcmp(own, its, (size_t)bytes) == 0);
    victim_begin(&victim, pid);
    victim_find(&victim);
}

static void end_child(void)
{
    kill(victim.root, SIGKILL);
    waitpid(victim.root, NULL, 0);
}

static int begin(void **state)
{
    char why[PRESSURE_WHY_BYTES];
    struct environment environment;
    (void)state;
    pressure =
        (struct pressure){.mechanism = &pressure_budget, .victim = &victim, .library = "none"};
    assert_true(pressure_budget.open(&pressure, why));
    environment_init(&environment);
    pressure_budget.adorn(&pressure, &environment);
    int fd = open(environment_find(&environment, BUDGET_VARIABLE), O_RDWR | O_CLOEXEC);
    environment_fini(&environment);
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    assert_true(page != MAP_FAILED);
    find_child(start_child());
    return 0;
}

static int end(void **state)
{
    (void)state;
    end_child();
    pressure_budget.close(&pressure);
    munmap(page, sizeof(*page));
    return 0;
}

static struct budget_slot *find_slot(pid_t pid)
{
    for (unsigned i = 0; i < BUDGET_SLOTS; i++) {
        if (page->slots[i].process_id == (uint32_t)pid)
            return &page->slots[i];
    }
    return NULL;
}

static void one_outside_has_a_slot_also_where_all_were_taken(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BUDGET_SLOTS; i++)
        page->slots[i] = (struct budget_slot){.process_id = NOBODY + i % 8, .used = MIB};
    victim.anon[0] = 20 * MIB;
    pressure_budget.tick(&pressure);
    struct budget_slot *slot = find_slot(victim.root);
    assert_non_null(slot);
    assert_int_equal(slot->used, 20 * MIB);
    assert_int_equal(slot->start, victim.start[0]);
    assert_int_equal(page->recycled, 1);
    assert_int_equal(pressure_budget.used(&pressure), 20 * MIB);
}

static void when_one_outside_is_gone_its_slot_says_so(void **state)
{
    (void)state;
    pressure_budget.tick(&pressure);
    struct budget_slot *slot = find_slot(victim.root);
    assert_non_null(slot);
    pressure_budget.latency(&pressure);
    assert_int_equal(slot->has_ended, 0);
    end_child();
    pressure_budget.latency(&pressure);
    assert_int_equal(slot->has_ended, 1);
    find_child(start_child());
}

/* An id is given again; the slot of whoever had it before stays. */
static void the_slot_of_another_with_the_same_id_is_not_read(void **state)
{
    (void)state;
    page->slots[0] = (struct budget_slot){.process_id = (uint32_t)victim.root,
                                          .start = victim.start[0] - 1,
                                          .used = 500 * MIB,
                                          .peak = 500 * MIB};
    victim.anon[0] = 3 * MIB;
    pressure_budget.tick(&pressure);
    assert_int_equal(page->slots[0].used, 500 * MIB);
    assert_int_equal(page->slots[1].start, victim.start[0]);
    assert_int_equal(page->slots[1].used, 3 * MIB);
    assert_int_equal(pressure_budget.used(&pressure), 3 * MIB);
    assert_int_equal(pressure_budget.most(&pressure), 0);
}

static double read_stalled(void)
{
    struct pressure_injected injected;
    pressure_budget.injected(&pressure, &injected);
    return injected.slept + injected.held + injected.fetched;
}

/* 8 threads that slept a half of 10 s each did not stall for 40 s; and so it is of processes. */
static void who_is_held_up_at_the_same_time_is_so_once(void **state)
{
    (void)state;
    const struct budget_slot threaded = {.process_id = (uint32_t)victim.root,
                                         .start = victim.start[0],
                                         .threads = 8,
                                         .threads_most = 8,
                                         .throttled_ns = 8 * UINT64_C(5000000000)};
    page->slots[0] = threaded;
    assert_true(fabs(read_stalled() - 5) < 1e-9);
    page->slots[0].held_ns = 8 * UINT64_C(1000000000);
    page->slots[0].threads = 1; /* the others have ended since */
    assert_true(fabs(read_stalled() - 6) < 1e-9);
    page->slots[1] = (struct budget_slot){.process_id = (uint32_t)getpid(),
                                          .throttled_ns = UINT64_C(2000000000)};
    page->slots[0].throttled_ns += UINT64_C(3000000000);
    assert_true(fabs(read_stalled() - 9) < 1e-9);
    for (unsigned i = 2; i < 6; i++) /* that ended one after the other */
        page->slots[i] =
            (struct budget_slot){.process_id = NOBODY + i, .throttled_ns = UINT64_C(500000000)};
    assert_true(fabs(read_stalled() - 11) < 1e-9);
    assert_true(fabs(read_stalled() - 11) < 1e-9);
}

int __real_madvise(void *start, size_t bytes, int advice);
int __wrap_madvise(void *start, size_t bytes, int advice);
int __wrap_madvise(void *start, size_t bytes, int advice)
{
    if (!takes_nothing_back)
        return __real_madvise(start, bytes, advice);
    errno = EINVAL;
    return -1;
}

/* What was seen of all 128 that there may be is more than a MiB, 320 pages. */
static void before_a_run_only_slots_that_were_taken_are_cleared(void **state)
{
    (void)state;
    enum { RUNS = 20, PAGES_A_RUN = 30 };
    long before = count_faults();
    for (unsigned i = 0; i < RUNS; i++) {
        page->slots[0] = (struct budget_slot){.process_id = NOBODY + i, .refused = 1};
        pressure_budget.forget(&pressure);
        assert_int_equal(page->slots[0].process_id, 0);
    }
    assert_true(count_faults() - before < RUNS * PAGES_A_RUN);
    struct pressure_backstop told;
    pressure_budget.backstop(&pressure, &told);
    assert_int_equal(told.refused, RUNS);
}

static void before_a_run_all_that_were_taken_are_cleared(void **state)
{
    (void)state;
    static const struct budget_slot nobody;
    for (int round = 0; round < 2; round++) {
        takes_nothing_back = round == 1;
        for (unsigned i = 0; i < BUDGET_SLOTS; i++)
            page->slots[i] = (struct budget_slot){.process_id = NOBODY + i % 8, .refused = 1};
        page->recycled = 1;
        pressure_budget.forget(&pressure);
        for (unsigned i = 0; i < BUDGET_SLOTS; i++)
            assert_memory_equal(&page->slots[i], &nobody, sizeof nobody);
        assert_int_equal(page->recycled, 0);
    }
    takes_nothing_back = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_outside_has_a_slot_also_where_all_were_taken, begin,
                                        end),
        cmocka_unit_test_setup_teardown(when_one_outside_is_gone_its_slot_says_so, begin, end),
        cmocka_unit_test_setup_teardown(the_slot_of_another_with_the_same_id_is_not_read, begin,
                                        end),
        cmocka_unit_test_setup_teardown(who_is_held_up_at_the_same_time_is_so_once, begin, end),
        cmocka_unit_test_setup_teardown(before_a_run_only_slots_that_were_taken_are_cleared, begin,
                                        end),
        cmocka_unit_test_setup_teardown(before_a_run_all_that_were_taken_are_cleared, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
