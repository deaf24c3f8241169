/* test_turns.c - what others kept a program's threads from is no part of their work's time. */
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

static struct turns turns;

static void expect(double value, double wanted)
{
    if (fabs(value - wanted) > 1e-9)
        fail_msg("%.9f, not %.9f", value, wanted);
}

static void begin(double now)
{
    turns = (struct turns){.threads = 0};
    turns_begin(&turns, now);
}

/* Threads number 1 to `threads`, that ran and waited so long by now. */
static void look(double now, int threads, double ran, double waited)
{
    for (pid_t id = 1; id <= threads; id++)
        turns_add(&turns, id, ran, waited);
    turns_end_look(&turns, now, 2);
}

static void one_thread_without_its_waits(void **state)
{
    (void)state;
    begin(10);
    look(13, 1, 1, 0); /* it slept */
    expect(turns_take_off(&turns, 3), 3);
    look(16, 1, 2, 1.5);
    expect(turns_take_off(&turns, 6), 4.5);
    turns_begin(&turns, 16);
    look(19, 1, 4, 2.5);
    expect(turns_take_off(&turns, 3), 2);
}

/* (While others have most of two processors.) */
static void threads_that_wait_at_the_same_time_are_held_up_once(void **state)
{
    (void)state;
    begin(0);
    look(0.1, 8, 0.01, 0.05);
    expect(turns_take_off(&turns, 0.1), 0.05);
    look(0.5, 8, 0.01, 0.05); /* they slept */
    expect(turns_take_off(&turns, 0.5), 0.45);
    look(0.6, 8, 0.01, 0.15); /* nobody ran */
    expect(turns_take_off(&turns, 0.6), 0.45);
}

static void one_behind_the_other_is_held_up_by_both(void **state)
{
    (void)state;
    begin(0);
    turns_add(&turns, 1, 0.06, 0.04);
    turns_end_look(&turns, 0.1, 2);
    turns_add(&turns, 2, 0.03, 0.07);
    turns_end_look(&turns, 0.2, 2);
    expect(turns_take_off(&turns, 0.2), 0.09);
}

static void threads_that_wait_for_each_other_are_held_up_by_nobody(void **state)
{
    (void)state;
    begin(0);
    look(0.4, 16, 0.05, 0.35); /* alone on two processors */
    expect(turns_take_off(&turns, 0.4), 0.4);
    begin(0);
    look(0.4, 16, 0.025, 0.375); /* others have one of them */
    expect(turns_take_off(&turns, 0.4), 0.2);
}

/* One waits; but the work takes no less without that. */
static void what_one_thread_runs_all_the_time_takes_that_time(void **state)
{
    (void)state;
    begin(0);
    turns_add(&turns, 1, 0.1, 0);
    turns_add(&turns, 2, 0, 0.09);
    turns_end_look(&turns, 0.1, 2);
    expect(turns_take_off(&turns, 0.1), 0.1);
}

/* Four looks, and it is the last that tells of one wait; in the first it ran before. */
static void a_wait_that_is_longer_than_a_look_is_taken_off_whole(void **state)
{
    (void)state;
    begin(0);
    look(0.1, 1, 0.05, 0);
    look(0.2, 1, 0.05, 0);
    look(0.3, 1, 0.05, 0);
    look(0.4, 1, 0.06, 0.33);
    expect(turns_take_off(&turns, 0.4), 0.11);
    look(0.5, 1, 0.06, 0.33); /* it sleeps */
    look(0.6, 1, 0.06, 0.43);
    expect(turns_take_off(&turns, 0.6), 0.21);
    turns_begin(&turns, 0.6); /* what was before the work began is none of it */
    look(0.7, 1, 0.06, 0.83);
    expect(turns_take_off(&turns, 0.1), 0);
}

static void a_sleep_does_not_make_room_for_a_wait_beside_work(void **state)
{
    (void)state;
    begin(0);
    look(0.1, 2, 0, 0);
    turns_add(&turns, 1, 0.1, 0);
    turns_add(&turns, 2, 0, 0.09);
    turns_end_look(&turns, 0.2, 2);
    expect(turns_take_off(&turns, 0.2), 0.2);
}

static void no_work_takes_less_than_its_processors_need_for_it(void **state)
{
    (void)state;
    expect(turns_unhindered(3, 4, 2.5, 2), 2);
    expect(turns_unhindered(3, 40, 2.5, 2), 3); /* (what was counted in another way) */
    expect(turns_unhindered(3, 0, 4, 2), 0);
}

static void an_end_is_seen_as_late_as_we_had_to_wait(void **state)
{
    (void)state;
    struct turns_news news = {
        .age = 10, .busy = 0.02, .woken = 0.05, .lasted = 0.06, .patience = 0.025};
    expect(turns_find_late(&news), 0.05); /* it woke us after 10 ms */
    news.lasted = 0.08;
    expect(turns_find_late(&news), 0.025); /* the clock did */
    news.lasted = 0.05;
    expect(turns_find_late(&news), 0.06); /* it had ended already */
    news.age = 0.004;
    expect(turns_find_late(&news), 0.052); /* and began only when we had waited */
    news = (struct turns_news){.lasted = 0.01, .patience = 0.025};
    expect(turns_find_late(&news), 0);
}

/* Each piece of work brings threads of its own. */
static void a_service_may_start_threads_as_long_as_it_lives(void **state)
{
    (void)state;
    begin(0);
    pid_t id = 1;
    for (int i = 0; i < 400; i++) {
        double now = 0.1 * i;
        turns_begin(&turns, now);
        for (int thread = 0; thread < 4; thread++)
            turns_add(&turns, id++, 0.01, 0.04);
        turns_end_look(&turns, now + 0.1, 2);
        expect(turns_take_off(&turns, 0.1), 0.06);
        assert_int_equal(turns.threads, 4);
        assert_int_equal(turns.sum.threads_most, 4);
    }
}

static pid_t spin(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (;;)
        ;
}

static double find_wait(const struct turns *seen)
{
    double wait = 0;
    for (size_t i = 0; i < seen->threads; i++)
        wait += seen->thread[i].waited;
    return wait;
}

/* Three on one processor: each waits for the others, so that nobody else has held them up, as far
 * as they had it. */
static void what_is_seen_of_processes_is_what_others_took(void **state)
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
    double began = process_now(), waited = find_wait(&victim.turns);
    turns_begin(&victim.turns, began);
    expect(turns_take_off(&victim.turns, 0), 0);
    usleep(600000);
    victim_find(&victim);
    double wall = process_now() - began, ran = victim.turns.sum.ran;
    waited = find_wait(&victim.turns) - waited;
    for (int i = 0; i < SPINNERS; i++) {
        kill(pid[i], SIGKILL);
        waitpid(pid[i], NULL, 0);
    }
    assert_int_equal(victim.turns.threads, SPINNERS + 1);
    assert_int_equal(victim.turns.processors, 1);
    assert_true(waited > 1.5 * wall); /* two of them at any time */
    double took = turns_take_off(&victim.turns, wall);
    if (fabs(took - ran) > 0.1 * wall)
        fail_msg("%.3f s of %.3f, ran %.3f", took, wall, ran);
    victim_find(&victim); /* they are gone */
    assert_int_equal(victim.turns.threads, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_without_its_waits),
        cmocka_unit_test(threads_that_wait_at_the_same_time_are_held_up_once),
        cmocka_unit_test(one_behind_the_other_is_held_up_by_both),
        cmocka_unit_test(threads_that_wait_for_each_other_are_held_up_by_nobody),
        cmocka_unit_test(what_one_thread_runs_all_the_time_takes_that_time),
        cmocka_unit_test(a_wait_that_is_longer_than_a_look_is_taken_off_whole),
        cmocka_unit_test(a_sleep_does_not_make_room_for_a_wait_beside_work),
        cmocka_unit_test(no_work_takes_less_than_its_processors_need_for_it),
        cmocka_unit_test(an_end_is_seen_as_late_as_we_had_to_wait),
        cmocka_unit_test(a_service_may_start_threads_as_long_as_it_lives),
        cmocka_unit_test(what_is_seen_of_processes_is_what_others_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
