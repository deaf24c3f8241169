/* test_victim.c - what the processes under pressure waited for. */
#define _GNU_SOURCE
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

static pid_t spin(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (;;)
        ;
}

static void stop(const pid_t *pid)
{
    for (int i = 0; i < SPINNERS; i++) {
        kill(pid[i], SIGKILL);
        waitpid(pid[i], NULL, 0);
    }
}

/* They wait for two thirds of the time each, twice the time in all. */
static void who_waits_at_the_same_time_does_not_wait_longer(void **state)
{
    (void)state;
    static struct victim victim;
    pid_t pid[SPINNERS];
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one); /* they inherit it: two always wait for the third */
    for (int i = 0; i < SPINNERS; i++)
        pid[i] = spin();
    victim_begin(&victim, getpid());
    usleep(100000);
    victim_begin_waits(&victim);
    double began = process_now();
    double at_once = victim_longest_wait(&victim);
    usleep(500000);
    double longest = victim_longest_wait(&victim), took = process_now() - began;
    stop(pid);
    assert_true(at_once < 0.1);
    assert_true(longest > 0.3 * took && longest < took);
    assert_true(victim_longest_wait(&victim) == longest); /* they are gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_at_the_same_time_does_not_wait_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
