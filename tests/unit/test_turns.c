/* test_turns.c - what threads waited for a processor is no part of their work's time. */
#define _GNU_SOURCE
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tools/scenario/process.h"
#include "tools/scenario/victim.h"

enum { SPINNERS = 3 };

static void expect(double wall, double ran, double waited, double wanted)
{
    const struct turns_sum sum = {ran, waited};
    assert_true(fabs(turns_unhindered(wall, &sum) - wanted) < 1e-9);
}

static void one_thread_without_its_waits(void **state)
{
    (void)state;
    expect(3, 1, 0, 3); /* it slept */
    expect(3, 1, 1.5, 1.5);
    expect(3, 2, 1, 2);
}

static void several_at_once_are_hindered_by_the_share_that_they_wait(void **state)
{
    (void)state;
    expect(3, 3, 3, 1.5); /* two on one processor */
    expect(3, 6, 0, 3);   /* two on two */
    expect(2, 4, 12, 0.5);
}

static pid_t spin(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (;;)
        ;
}

/* Three on one processor, that each would have had for itself. */
static void what_is_seen_of_processes_is_what_they_would_have_needed(void **state)
{
    (void)state;
    static struct victim victim;
    pid_t pid[SPINNERS];
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one); /* they inherit it */
    for (int i = 0; i < SPINNERS; i++)
        pid[i] = spin();
    victim_begin(&victim, getpid());
    usleep(200000);
    victim_find(&victim);
    turns_begin(&victim.turns);
    double began = process_now();
    struct turns_sum sum = turns_add_up(&victim.turns);
    assert_true(sum.ran == 0 && sum.waited == 0);
    usleep(600000);
    victim_find(&victim);
    double wall = process_now() - began;
    sum = turns_add_up(&victim.turns);
    for (int i = 0; i < SPINNERS; i++) {
        kill(pid[i], SIGKILL);
        waitpid(pid[i], NULL, 0);
    }
    assert_int_equal(victim.turns.threads, SPINNERS + 1);
    assert_true(sum.waited > 1.5 * wall); /* two of them at any time */
    assert_true(turns_unhindered(wall, &sum) < 0.5 * wall);
    victim_find(&victim); /* they are gone, and what they had stays */
    assert_true(turns_add_up(&victim.turns).waited >= sum.waited);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_without_its_waits),
        cmocka_unit_test(several_at_once_are_hindered_by_the_share_that_they_wait),
        cmocka_unit_test(what_is_seen_of_processes_is_what_they_would_have_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
