/* test_scenario_guard.c - the guard of an experiment ends when it is told to. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/scenario/guard.h"
#include "tools/scenario/victim.h"

enum { PATIENCE = 20 }; /* seconds; then this program is ended */

static pid_t start_idler(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

/* As the helper of a mechanism that had to be started anew. */
static void a_child_that_was_forked_meanwhile_does_not_keep_it(void **state)
{
    (void)state;
    alarm(PATIENCE);
    guard_open();
    pid_t idler = start_idler();
    guard_close();
    alarm(0);
    assert_int_equal(kill(idler, 0), 0); /* it is none of a program's */
    kill(idler, SIGKILL);
    waitpid(idler, NULL, 0);
}

static void whose_session_it_knows_is_ended(void **state)
{
    (void)state;
    int status;
    alarm(PATIENCE);
    guard_open();
    pid_t known = fork();
    assert_true(known >= 0);
    if (known == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsid();
        for (;;)
            pause();
    }
    while (getsid(known) != known)
        usleep(1000);
    guard_note(known);
    pid_t idler = start_idler();
    guard_close();
    assert_int_equal(waitpid(known, &status, 0), known);
    alarm(0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    kill(idler, SIGKILL);
    waitpid(idler, NULL, 0);
}

/* The only child there is. */
static pid_t find_guard(void)
{
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    victim_read_file(path, text, sizeof text);
    return (pid_t)atoi(text);
}

/* How often it gave the processor away to wait. */
static long count_waits(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    victim_read_file(path, text, sizeof text);
    const char *at = strstr(text, "\nvoluntary_ctxt_switches:");
    assert_non_null(at);
    return atol(strchr(at, ':') + 1);
}

static void it_is_not_woken_for_a_run(void **state)
{
    (void)state;
    enum { RUNS = 20 };
    guard_open();
    pid_t pid = find_guard();
    while (count_waits(pid) == 0) /* until it waits at the socket */
        usleep(1000);
    long before = count_waits(pid);
    for (pid_t run = 1; run <= RUNS; run++) {
        guard_note(0x7ffffff0 - run);
        usleep(1000);
        guard_forget(0x7ffffff0 - run);
    }
    assert_true(count_waits(pid) - before < RUNS / 2);
    guard_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_that_was_forked_meanwhile_does_not_keep_it),
        cmocka_unit_test(whose_session_it_knows_is_ended),
        cmocka_unit_test(it_is_not_woken_for_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
