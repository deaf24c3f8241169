/* test_scenario_backstop.c - RLIMIT_DATA behind a budget: how much, of which processes, and that it
 * is raised again. On children that do nothing. */
#define _GNU_SOURCE /* environ, prlimit */
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/scenario/backstop.h"
#include "tools/target.h"

#define MIB UINT64_C(1048576)
enum { CHILDREN = 2 };

static struct backstop backstop;
static struct victim victim;
static pid_t ended; /* just before its file is looked into; 0: nobody */

enum target_verdict __real_target_find(const char *, char[TARGET_PATH_BYTES],
                                       char[TARGET_WHY_BYTES]);
enum target_verdict __wrap_target_find(const char *, char[TARGET_PATH_BYTES],
                                       char[TARGET_WHY_BYTES]);
enum target_verdict __wrap_target_find(const char *name, char path[TARGET_PATH_BYTES],
                                       char why[TARGET_WHY_BYTES])
{
    siginfo_t info;
    if (ended != 0) {
        kill(ended, SIGKILL);
        waitid(P_PID, (id_t)ended, &info, WEXITED | WNOWAIT);
    }
    return __real_target_find(name, path, why);
}

/* Another program: this one may be sanitized, and then counts as one without the library. */
static pid_t start_child(void)
{
    char *const arguments[] = {"sleep", "1000", NULL};
    pid_t child;
    assert_int_equal(posix_spawnp(&child, "sleep", NULL, NULL, arguments, environ), 0);
    return child;
}

/* Two of them, of which one has mapped 20 MiB and the other 200, as anybody may have seen. */
static int begin(void **state)
{
    (void)state;
    backstop = (struct backstop){.head_room = 0};
    victim_begin(&victim, start_child());
    victim.pid[1] = start_child();
    victim.pids = CHILDREN;
    victim.data[0] = 20 * MIB;
    victim.data[1] = 200 * MIB;
    backstop_find(&backstop, &victim);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < CHILDREN; i++) {
        kill(victim.pid[i], SIGKILL);
        waitpid(victim.pid[i], NULL, 0);
    }
    return 0;
}

static uint64_t limit_of(size_t child)
{
    struct rlimit limit;
    assert_int_equal(prlimit(victim.pid[child], RLIMIT_DATA, NULL, &limit), 0);
    return limit.rlim_cur;
}

static void each_may_map_what_the_budget_leaves_and_the_head_room(void **state)
{
    (void)state;
    backstop_set(&backstop, &victim, 100 * MIB, 60 * MIB);
    assert_int_equal(limit_of(0), (20 + 40 + 80) * MIB);
    assert_int_equal(limit_of(1), (200 + 40 + 80) * MIB);
    backstop_set(&backstop, &victim, 100 * MIB, 130 * MIB);
    assert_int_equal(limit_of(0), (20 - 30 + 80) * MIB);
    backstop_set(&backstop, &victim, 100 * MIB, 250 * MIB);
    assert_int_equal(limit_of(1), (200 - 150 + 80) * MIB); /* below what it has: it keeps that */
    assert_int_equal(limit_of(0), 1);                      /* not 0, which limits nothing */
}

/* What it takes the budget has less: so it ends at the budget and the head-room. */
static void what_is_mapped_and_touched_step_by_step_is_bounded(void **state)
{
    (void)state;
    uint64_t data = 2 * MIB, used = MIB, room = backstop_head_room(64 * MIB, true, 0);
    while (data + MIB / 4 <= backstop_limit(data, 64 * MIB, used, room)) {
        data += MIB / 4;
        used += MIB / 4;
    }
    assert_true(used <= (64 + 16) * MIB && used > (64 + 15) * MIB);
    assert_int_equal(backstop_head_room(1600 * MIB, true, 0), 200 * MIB);
    assert_int_equal(backstop_head_room(160 * MIB, false, 0), 80 * MIB);
}

/* Threads begin all at once, and their stacks are mapped whole; those that are there are. */
static void stacks_of_threads_that_may_begin_are_head_room(void **state)
{
    (void)state;
    struct rlimit stack;
    getrlimit(RLIMIT_STACK, &stack);
    const struct rlimit one = {4 * MIB, stack.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_STACK, &one), 0);
    backstop.threads = 30;
    backstop.process[0].threads = 10;
    backstop.process[1].threads = 30;
    backstop_set(&backstop, &victim, 100 * MIB, 60 * MIB);
    assert_int_equal(setrlimit(RLIMIT_STACK, &stack), 0);
    assert_int_equal(limit_of(0), (20 + 40 + 80 + 20 * 4) * MIB);
    assert_int_equal(limit_of(1), (200 + 40 + 80) * MIB);
}

static void without_a_budget_limits_are_what_they_were(void **state)
{
    (void)state;
    uint64_t before = limit_of(0);
    backstop_set(&backstop, &victim, 0, 60 * MIB);
    assert_int_equal(limit_of(0), before);
    backstop_set(&backstop, &victim, 100 * MIB, 60 * MIB);
    assert_true(limit_of(0) != before);
    backstop_set(&backstop, &victim, 0, 60 * MIB);
    assert_int_equal(limit_of(0), before);
    assert_int_equal(limit_of(1), before);
}

/* Forked by one that had little, and seen for the first time when all have enough again. */
static void what_was_born_with_little_is_given_more(void **state)
{
    (void)state;
    uint64_t before = limit_of(0);
    const struct rlimit low = {MIB, RLIM_INFINITY};
    assert_int_equal(prlimit(victim.pid[1], RLIMIT_DATA, &low, NULL), 0);
    backstop = (struct backstop){.head_room = 0};
    backstop_find(&backstop, &victim);
    backstop_set(&backstop, &victim, 0, 60 * MIB);
    assert_int_equal(limit_of(1), before);
}

static void it_begins_with_what_it_may_have(void **state)
{
    (void)state;
    struct rlimit old, now;
    getrlimit(RLIMIT_DATA, &old);
    backstop_prepare(&backstop, 0);
    getrlimit(RLIMIT_DATA, &now);
    assert_int_equal(now.rlim_cur, old.rlim_cur);
    backstop.threads = 0;
    backstop_prepare(&backstop, 100 * MIB);
    getrlimit(RLIMIT_DATA, &now);
    assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
    assert_int_equal(now.rlim_cur, 180 * MIB);
    backstop_note_room(&backstop, 1600 * MIB);
    backstop_note_room(&backstop, 100 * MIB);
    backstop_note_room(&backstop, 0);
    assert_int_equal(backstop.head_room, 200 * MIB);
}

/* Ours is never given more than we have. */
static void a_limit_of_ones_own_stays_the_most(void **state)
{
    (void)state;
    struct rlimit old, low;
    getrlimit(RLIMIT_DATA, &old);
    low = (struct rlimit){150 * MIB, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_DATA, &low), 0);
    backstop_set(&backstop, &victim, 100 * MIB, 60 * MIB);
    assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
    assert_int_equal(limit_of(0), 140 * MIB);
    assert_int_equal(limit_of(1), 150 * MIB);
}

static void who_has_ended_is_passed_over(void **state)
{
    (void)state;
    kill(victim.pid[0], SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)victim.pid[0], &info, WEXITED | WNOWAIT);
    victim.data[0] = 0;
    backstop_find(&backstop, &victim);
    backstop_set(&backstop, &victim, 100 * MIB, 60 * MIB);
    assert_int_equal(limit_of(1), 320 * MIB);
    assert_true(backstop.outside == 0 && backstop.unreached == 0);
}

/* And found outside, or not, as before. */
static void a_program_that_is_started_again_is_not_looked_into_again(void **state)
{
    (void)state;
    assert_int_equal(backstop.looked_into, 1);
    bool is_outside = backstop.process[0].is_outside;
    backstop.processes = 0; /* who comes now is new */
    backstop_find(&backstop, &victim);
    assert_int_equal(backstop.looked_into, 1);
    assert_true(backstop.process[0].is_outside == is_outside);
    backstop.known[0].is_outside = !is_outside;
    backstop.processes = 0;
    backstop_find(&backstop, &victim);
    assert_true(backstop.process[1].is_outside != is_outside);
}

/* Which file it is is asked again where as much code as before is not there, or somebody is found.
 */
static void who_executes_another_program_is_looked_at_again(void **state)
{
    (void)state;
    uint64_t program = backstop.process[0].program;
    backstop.process[0].program = program + 1;
    backstop_find(&backstop, &victim);
    assert_int_equal(backstop.process[0].program, program + 1);
    victim.code[0] += 3;
    backstop_find(&backstop, &victim);
    assert_int_equal(backstop.process[0].program, program);
    backstop.process[0].program = program + 1;
    victim.finds++;
    backstop_find(&backstop, &victim);
    assert_int_equal(backstop.process[0].program, program);
}

static void who_ends_while_he_is_looked_into_is_not_outside(void **state)
{
    (void)state;
    backstop = (struct backstop){.head_room = 0};
    ended = victim.pid[0];
    backstop_find(&backstop, &victim);
    ended = 0;
    assert_true(!backstop.process[0].is_outside && backstop.outside == 0);
    assert_int_equal(backstop.looked_into, 1); /* the other one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_may_map_what_the_budget_leaves_and_the_head_room,
                                        begin, end),
        cmocka_unit_test(what_is_mapped_and_touched_step_by_step_is_bounded),
        cmocka_unit_test_setup_teardown(stacks_of_threads_that_may_begin_are_head_room, begin, end),
        cmocka_unit_test_setup_teardown(without_a_budget_limits_are_what_they_were, begin, end),
        cmocka_unit_test_setup_teardown(what_was_born_with_little_is_given_more, begin, end),
        cmocka_unit_test(it_begins_with_what_it_may_have),
        cmocka_unit_test_setup_teardown(a_limit_of_ones_own_stays_the_most, begin, end),
        cmocka_unit_test_setup_teardown(who_has_ended_is_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(a_program_that_is_started_again_is_not_looked_into_again,
                                        begin, end),
        cmocka_unit_test_setup_teardown(who_executes_another_program_is_looked_at_again, begin,
                                        end),
        cmocka_unit_test_setup_teardown(who_ends_while_he_is_looked_into_is_not_outside, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
