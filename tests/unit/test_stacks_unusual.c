/* test_stacks_unusual.c - stacks that signals, jumps and coroutines make are walked like others. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/stack_run.h"

/* -- signals ---------------------------------------------------------------------------------- */

static void on_signal(int number)
{
    (void)number;
    probe();
    branch_alloca(5, &run_random);
}

__attribute__((noinline)) static int raise_inside(int depth)
{
    if (depth == 0)
        return raise(SIGUSR1);
    probe();
    return raise_inside(depth - 1) + 1;
}

static void raise_signals(struct trace_run *run)
{
    (void)run;
    grow_budget = 20000;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 50; i++)
        raise_inside(i % 10);
    tracer_stop(TRACE_END_EXIT);
}

static size_t count_exact(const struct decoded *decoded)
{
    size_t count = 0;
    for (size_t i = 1; i <= decoded->node_count; i++)
        count += decoded->nodes[i].is_exact;
    return count;
}

static void a_signal_frame_leads_to_what_it_interrupted(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(raise_signals, 256, 100);
    assert_true(count_exact(&decoded) >= 1);
    decoder_free(&decoded);
}

static void raise_signals_aside(struct trace_run *run)
{
    static char stack[64 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    grow_budget = 20000;
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 50; i++)
        raise_inside(i % 10);
    (void)run;
    tracer_stop(TRACE_END_EXIT);
}

static void an_alternate_stack_is_left_where_it_was_entered(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(raise_signals_aside, 256, 100);
    decoder_free(&decoded);
}

/* -- jumps and coroutines --------------------------------------------------------------------- */

static jmp_buf landing;

__attribute__((noinline)) static int fall(int depth, uint64_t *random)
{
    volatile char room[200];
    room[depth] = 1;
    probe();
    if (depth == 0 && next_random(random) % 4 != 0)
        longjmp(landing, 1);
    if (depth == 0)
        return 0;
    int sum = fall(depth - 1, random);
    probe();
    return sum + room[depth];
}

__attribute__((noinline)) static void land(int depth)
{
    if (setjmp(landing) == 0)
        fall(depth, &run_random);
    probe();
}

static void jump_back(struct trace_run *run)
{
    (void)run;
    for (int i = 0; i < 200; i++)
        land((int)(next_random(&run_random) % 30));
    tracer_stop(TRACE_END_EXIT);
}

static void a_stack_that_was_jumped_out_of_is_forgotten(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(jump_back, 256, 1000);
    decoder_free(&decoded);
}

static ucontext_t home;
static ucontext_t routine[4];
static int routine_now;

__attribute__((noinline)) static int wander(int depth)
{
    probe();
    if (depth > 0 && next_random(&run_random) % 2 == 0) {
        int sum = wander(depth - 1);
        probe();
        return sum + 1;
    }
    int from = routine_now;
    routine_now = (int)(next_random(&run_random) % 4);
    if (routine_now != from)
        swapcontext(&routine[from], &routine[routine_now]);
    probe();
    return 0;
}

static void wander_about(void)
{
    while (probes_left(4000) > 0)
        wander(20);
    setcontext(&home);
}

static void make_routine(size_t i)
{
    static char stack[4][32 * 1024];
    getcontext(&routine[i]);
    routine[i].uc_stack = (stack_t){.ss_sp = stack[i], .ss_size = sizeof(stack[i])};
    makecontext(&routine[i], wander_about, 0);
}

static void run_coroutines(struct trace_run *run)
{
    (void)run;
    for (size_t i = 0; i < 4; i++)
        make_routine(i);
    swapcontext(&home, &routine[0]);
    probe();
    tracer_stop(TRACE_END_EXIT);
}

static void coroutines_have_stacks_of_their_own(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(run_coroutines, 256, 4000);
    decoder_free(&decoded);
}

/* The stack is unmapped between two events, and a shorter one takes its place. */
static void run_once_on_a_stack(size_t bytes)
{
    char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    getcontext(&routine[0]);
    routine[0].uc_stack = (stack_t){.ss_sp = stack, .ss_size = bytes};
    routine[0].uc_link = &home;
    makecontext(&routine[0], probe, 0);
    swapcontext(&home, &routine[0]);
    munmap(stack, bytes);
}

static void run_on_vanishing_stacks(struct trace_run *run)
{
    (void)run;
    for (size_t i = 0; i < 200; i++)
        run_once_on_a_stack((8 + i % 3 * 8) * 4096);
    tracer_stop(TRACE_END_EXIT);
}

static void unmapped_stacks_are_not_read(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(run_on_vanishing_stacks, 256, 200);
    decoder_free(&decoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_frame_leads_to_what_it_interrupted),
        cmocka_unit_test(an_alternate_stack_is_left_where_it_was_entered),
        cmocka_unit_test(a_stack_that_was_jumped_out_of_is_forgotten),
        cmocka_unit_test(coroutines_have_stacks_of_their_own),
        cmocka_unit_test(unmapped_stacks_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
