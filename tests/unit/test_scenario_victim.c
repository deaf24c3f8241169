/* test_scenario_victim.c - what is seen of each process stays with that process, and so do the open
 * files that tell it: on children of different size, of which the first ends. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/own_costs.h"
#include "tools/scenario/victim.h"

#define MIB UINT64_C(1048576)
enum { CHILDREN = 3 };

static struct victim victim;
static pid_t child[CHILDREN];

/* It has mapped so much, touched a half of it, and says so. */
static pid_t start_child(uint64_t bytes)
{
    int ready[2];
    char word;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        for (uint64_t at = 0; block != MAP_FAILED && at < bytes / 2; at += 4096)
            block[at] = 1;
        while (write(ready[1], "x", 1) != 1 || pause() != 0)
            ;
        _exit(0);
    }
    assert_int_equal(read(ready[0], &word, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int begin(void **state)
{
    static const uint64_t bytes[CHILDREN] = {8 * MIB, 32 * MIB, 128 * MIB};
    (void)state;
    for (size_t i = 0; i < CHILDREN; i++)
        child[i] = start_child(bytes[i]);
    victim_begin(&victim, getpid());
    victim_find(&victim);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 1; i < CHILDREN; i++)
        end_child(child[i]);
    return 0;
}

static size_t place_of(pid_t pid)
{
    size_t i = 0;
    while (i < victim.pids && victim.pid[i] != pid)
        i++;
    assert_true(i < victim.pids);
    return i;
}

/* Besides what it has of us. */
static void expect_own(void)
{
    size_t second = place_of(child[1]), third = place_of(child[2]);
    assert_int_equal(victim.data[third] - victim.data[second], 96 * MIB);
    int64_t more = (int64_t)(victim.anon[third] - victim.anon[second]);
    assert_true(more > 46 * (int64_t)MIB && more < 50 * (int64_t)MIB);
}

static void what_was_seen_stays_with_its_process(void **state)
{
    (void)state;
    victim_glance(&victim);
    expect_own();
    uint64_t start = victim.start[place_of(child[2])];
    assert_true(start > 0);
    end_child(child[0]);
    victim_find(&victim);
    assert_int_equal(victim.pids, CHILDREN);
    assert_int_equal(victim.start[place_of(child[2])], start);
    expect_own();
}

static void a_look_tells_the_same_of_each_as_a_glance(void **state)
{
    (void)state;
    victim_look(&victim);
    expect_own();
    uint64_t data = victim.data[place_of(child[2])];
    victim_glance(&victim);
    uint64_t glanced = victim.data[place_of(child[2])]; /* with the stack, as the kernel tells it */
    assert_true(glanced >= data && glanced < data + 2 * MIB);
    end_child(child[0]);
    victim_look(&victim);
    assert_int_equal(victim.data[place_of(child[0])], 0);
}

static void who_is_new_was_not_looked_at(void **state)
{
    (void)state;
    victim_glance(&victim);
    end_child(child[0]);
    child[0] = start_child(MIB);
    victim_find(&victim);
    size_t new = place_of(child[0]);
    assert_true(victim.data[new] == 0 && victim.anon[new] == 0 && victim.start[new] > 0);
    victim_look(&victim);
    assert_true(victim.data[new] >= MIB);
    expect_own();
    end_child(child[0]);
}

/* (Each process has a file of its own and two of its thread.) */
static void files_stay_open_as_long_as_their_process_is_looked_at(void **state)
{
    (void)state;
    victim_glance(&victim);
    size_t open = count_descriptors();
    victim_find(&victim);
    victim_glance(&victim);
    assert_int_equal(count_descriptors(), open);
    end_child(child[0]);
    victim_find(&victim);
    victim_glance(&victim);
    assert_int_equal(count_descriptors(), open - 3);
    expect_own();
    victim_end(&victim);
    assert_int_equal(count_descriptors(), open - 3 * (CHILDREN + 1));
    victim_begin(&victim, getpid());
    victim_find(&victim);
}

static void not_more_files_stay_open_than_there_is_room_for(void **state)
{
    (void)state;
    enum { FILES = PROCFILE_MOST + 10 };
    static struct procfile file[FILES];
    char text[64];
    size_t before = count_descriptors();
    for (size_t i = 0; i < FILES; i++)
        assert_true(procfile_read(&file[i], "/proc/self/statm", text, sizeof text) > 0);
    assert_true(count_descriptors() <= before + PROCFILE_MOST);
    for (size_t i = 0; i < FILES; i++)
        procfile_close(&file[i]);
    assert_int_equal(count_descriptors(), before);
}

/* Else who asks for a pipe or a folder next would get none. */
static void half_of_the_descriptors_stay_free(void **state)
{
    (void)state;
    enum { FILES = 200, NUMBERS = 100 };
    static struct procfile file[FILES];
    struct rlimit before, few;
    char text[64];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){NUMBERS, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    size_t read = 0, others = count_descriptors();
    for (size_t i = 0; i < FILES; i++)
        read += procfile_read(&file[i], "/proc/self/statm", text, sizeof text) > 0;
    setrlimit(RLIMIT_NOFILE, &before);
    size_t open = count_descriptors();
    for (size_t i = 0; i < FILES; i++)
        procfile_close(&file[i]);
    assert_int_equal(read, FILES);
    assert_true(open > others && open - others <= NUMBERS / 2);
}

/* An id is given again. */
static void where_whose_file_it_was_is_gone_there_may_be_another(void **state)
{
    (void)state;
    struct procfile file = {.fd = 0};
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/%d/statm", (int)child[0]);
    assert_true(procfile_read(&file, path, text, sizeof text) > 0);
    end_child(child[0]);
    assert_int_equal(procfile_read(&file, path, text, sizeof text), 0);
    assert_string_equal(text, "");
    assert_true(procfile_read(&file, "/proc/self/statm", text, sizeof text) > 0);
    procfile_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_seen_stays_with_its_process, begin, end),
        cmocka_unit_test_setup_teardown(a_look_tells_the_same_of_each_as_a_glance, begin, end),
        cmocka_unit_test_setup_teardown(who_is_new_was_not_looked_at, begin, end),
        cmocka_unit_test_setup_teardown(files_stay_open_as_long_as_their_process_is_looked_at,
                                        begin, end),
        cmocka_unit_test(not_more_files_stay_open_than_there_is_room_for),
        cmocka_unit_test(half_of_the_descriptors_stay_free),
        cmocka_unit_test_setup_teardown(where_whose_file_it_was_is_gone_there_may_be_another, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
