/* test_sweep_examine.c - what of a process's descriptors is in the way of a branch. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/branch.h"
#include "tools/sweep/sweep.h"

enum { SHARED = 50, LOOKS = 400 };

static const struct sweep_options options = {.by = SWEEP_AUTO};
static struct sweep sweep = {.options = &options, .folder = "/nowhere"};
static struct branch_answer answer;

static void opens_and_closes(void)
{
    for (;;)
        close(open("/dev/null", O_RDONLY));
}

static void stands_still(void)
{
    for (;;)
        pause();
}

/* A process that has /dev/null at 0 to 2, SHARED if we have it, and lives like that. */
static pid_t start(void (*life)(void))
{
    int ready[2];
    char unused;
    assert_int_equal(pipe(ready), 0);
    pid_t process = fork();
    if (process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int fd = 0; fd <= STDERR_FILENO; fd++)
            dup2(open("/dev/null", O_RDWR), fd);
        close_range(STDERR_FILENO + 1, SHARED - 1, 0);
        close_range(SHARED + 1, ~0U, 0);
        life();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &unused, 1), 0);
    close(ready[0]);
    return process;
}

static void end(pid_t process)
{
    kill(process, SIGKILL);
    waitpid(process, NULL, 0);
}

static enum sweep_way look_at(pid_t process)
{
    int out[2];
    assert_int_equal(pipe(out), 0);
    enum sweep_way way = examine(&sweep, process, out[0], &answer);
    close(out[0]);
    close(out[1]);
    if (way == SWEEP_THREADS || way == SWEEP_CHILDREN) { /* a sanitizer's; not told here */
        end(process);
        skip();
    }
    return way;
}

static void what_is_closed_meanwhile_is_no_obstacle(void **state)
{
    (void)state;
    pid_t process = start(opens_and_closes);
    enum sweep_way way = SWEEP_BRANCH;
    for (unsigned i = 0; i < LOOKS && way == SWEEP_BRANCH; i++)
        way = look_at(process);
    end(process);
    assert_int_equal(way, SWEEP_BRANCH);
}

static void only_what_we_hand_on_is_inherited(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], SHARED), SHARED);
    pid_t process = start(stands_still);
    enum sweep_way handed_on = look_at(process);
    fcntl(SHARED, F_SETFD, FD_CLOEXEC);
    enum sweep_way kept = look_at(process);
    close(SHARED);
    enum sweep_way its_own = look_at(process);
    end(process);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(handed_on, SWEEP_BRANCH);
    assert_int_equal(kept, SWEEP_SHARES);
    assert_int_equal(its_own, SWEEP_SHARES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_closed_meanwhile_is_no_obstacle),
        cmocka_unit_test(only_what_we_hand_on_is_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
