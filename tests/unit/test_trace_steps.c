/* test_trace_steps.c - a signal handler forks in the middle of an event, at each instruction of it
 * that signals are not put off in: the parent goes on, and then the child, where the lane reads as
 * zeros. The child comes to its end, and nothing of it is in the parent's trace. */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "tracer/plain.h"

enum { TRAP_FLAG = 0x100, BEHIND = 4, STRIDE = 29 /* of some thousand instructions */ };

/* Of the process that is traced. */
static struct {
    volatile size_t steps; /* instructions of this event so far; */
    volatile size_t at;    /* the one behind which the handler forks */
    volatile pid_t child;
    volatile bool is_child;
    int gate[2]; /* a pipe: the child waits for a byte */
} stepping;

static void on_trap(int number, siginfo_t *info, void *context_)
{
    ucontext_t *context = context_;
    (void)number;
    (void)info;
    if (++stepping.steps < stepping.at)
        return;
    context->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    raise(SIGUSR1); /* now, or when it is let through again */
}

static void on_signal(int number)
{
    (void)number;
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child != 0) {
        stepping.child = child;
        return;
    }
    char byte;
    stepping.is_child = true;
    if (read(stepping.gate[0], &byte, 1) != 1)
        _exit(7);
}

/* Behind the 128 bytes that functions may use without saying so. */
#define SET_FLAGS(change)                                                                          \
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"                                                 \
                     "pushfq\n\t" change "\n\t"                                                    \
                     "popfq\n\t"                                                                   \
                     "leaq 128(%%rsp), %%rsp" ::                                                   \
                         : "memory", "cc")

/* The shadow is shared with the child, which has no business there. */
static void note(struct shadow *shadow, const struct decoded_event *event)
{
    uint64_t told = atomic_load(&shadow->told);
    atomic_store(&shadow->tid, (uint64_t)syscall(SYS_gettid));
    shadow->event[told] = *event;
    atomic_store(&shadow->told, told + 1);
}

/* What kind of event is stepped. */
static enum decoded_kind kind;
static bool is_plain_now, has_new_stack, needs_block;

static void fill_block(void)
{
    struct lane *lane = thread_self.lane;
    lane->limit = lane->at;
    atomic_store(&lane->fast, NULL);
}

static struct decoded_event event_of(uint64_t number)
{
    uint64_t address = 0x7f0000000000 + number % 977 * 8192 + number % 7 * 16;
    struct decoded_event event = {.kind = kind, .address = address};
    event.size = kind != DECODED_FREE ? number % 3000 : 0;
    event.old = kind == DECODED_REALLOC ? address + 48 : 0;
    return event;
}

static void tell_plainly(struct plain_turn turn, void *p, const struct decoded_event *event,
                         const struct tracer_caller *caller)
{
    uint32_t stack;
    if (event->kind == DECODED_FREE && plain_is_on())
        plain_free_near(turn, p);
    else if (event->kind == DECODED_FREE)
        plain_free(turn, p);
    else if (plain_is_on())
        plain_alloc(turn, p, event->size, 0);
    else if (plain_find_stack(turn, caller, &stack))
        plain_alloc_with(turn, p, event->size, 0, stack);
    else {
        plain_end(turn);
        tracer_alloc(p, event->size, 0, 0, caller);
        return;
    }
    plain_end(turn);
}

/* As the door does. */
__attribute__((noinline)) static void tell(const struct decoded_event *event, uint64_t number)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    struct tracer_caller caller = {.ip = frame[1], .sp = (uintptr_t)(frame + 2), .bp = frame[0]};
    void *p = (void *)(uintptr_t)event->address;
    caller.ip += has_new_stack ? number % 512 : 0;
    struct plain_turn turn = {NULL, NULL};
    if (is_plain_now && event->kind != DECODED_REALLOC)
        turn = plain_begin();
    if (turn.lane != NULL)
        tell_plainly(turn, p, event, &caller);
    else if (event->kind == DECODED_FREE)
        tracer_free(p);
    else if (event->kind == DECODED_REALLOC)
        tracer_realloc((void *)(uintptr_t)event->old, p, event->size, &caller);
    else
        tracer_alloc(p, event->size, 0, 0, &caller);
}

static void tell_and_note(struct trace_run *run, uint64_t number)
{
    const struct decoded_event event = event_of(number);
    if (!stepping.is_child)
        note(&run->shadows[0], &event);
    tell(&event, number);
}

/* Steps an event until the child is forked; true: it was. */
static bool fork_inside(struct trace_run *run, uint64_t *number, size_t at)
{
    stepping.steps = 0;
    stepping.at = at;
    stepping.child = 0;
    const struct decoded_event event = event_of(*number);
    note(&run->shadows[0], &event);
    if (needs_block)
        fill_block();
    SET_FLAGS("orq $0x100, (%%rsp)");
    tell(&event, (*number)++);
    SET_FLAGS("andq $~0x100, (%%rsp)");
    for (uint64_t i = 0; i < BEHIND; i++)
        tell_and_note(run, (*number)++);
    if (stepping.is_child)
        _exit(0);
    if (stepping.child == 0)
        return false;
    int status;
    if (write(stepping.gate[1], "", 1) != 1 ||
        waitpid(stepping.child, &status, 0) != stepping.child || status != 0)
        _exit(20);
    return true;
}

static void fork_at_each_step(struct trace_run *run)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    uint64_t number = 0;
    sigaction(SIGTRAP, &action, NULL);
    signal(SIGUSR1, on_signal);
    if (pipe(stepping.gate) != 0)
        _exit(21);
    tell_and_note(run, number++); /* the lane and the first stack */
    size_t at = 1;
    while (fork_inside(run, &number, at))
        at += needs_block ? STRIDE : 1;
    run->shadows[63].event[0].count = at;
    tracer_stop(TRACE_END_EXIT);
}

static void check(const struct tracer_options *options, enum decoded_kind of, bool plainly,
                  bool new_stacks)
{
    struct trace_run run;
    struct decoded decoded;
    kind = of;
    is_plain_now = plainly;
    has_new_stack = new_stacks;
    run_init(&run, 1);
    assert_true(run_wait(run_start(&run, options, fork_at_each_step)));
    read_right(&decoded, run.path);
    must_match(&run, &decoded, RUN_WHOLE);
    print_message("%d instructions\n", (int)run.shadows[63].event[0].count);
    assert_true(run.shadows[63].event[0].count > 20);
    decoder_free(&decoded);
    run_fini(&run);
}

static const struct tracer_options with_stacks = {
    .address_shift = 4, .ordered_by_caller = true, .depth = 64};
static const struct tracer_options near_with_stacks = {
    .address_shift = 4, .ordered_by_caller = true, .depth = 64, .near_from = 0x7f0000000000};
static const struct tracer_options far = {
    .address_shift = 4, .ordered_by_caller = true, .near_from = 0x7e0000000000};

static void no_child_writes_what_is_plain(void **state)
{
    (void)state;
    check(&plain, DECODED_ALLOC, true, false);
    check(&plain, DECODED_FREE, true, false);
    check(&far, DECODED_ALLOC, true, false);
    check(&far, DECODED_FREE, true, false);
}

static void no_child_writes_births_with_a_stack(void **state)
{
    (void)state;
    check(&with_stacks, DECODED_ALLOC, true, false);
    check(&near_with_stacks, DECODED_ALLOC, true, false);
    check(&with_stacks, DECODED_ALLOC, false, false);
    check(&with_stacks, DECODED_ALLOC, false, true);
}

static void no_child_writes_deaths_and_moves(void **state)
{
    (void)state;
    check(&with_stacks, DECODED_FREE, true, false);
    check(&near_with_stacks, DECODED_FREE, true, false);
    check(&with_stacks, DECODED_FREE, false, false);
    check(&with_stacks, DECODED_REALLOC, false, false);
}

/* Some of them begin a new window, which is made of zeros. */
static void no_child_takes_a_block(void **state)
{
    (void)state;
    needs_block = true;
    check(&plain, DECODED_ALLOC, true, false);
    check(&with_stacks, DECODED_ALLOC, true, false);
    needs_block = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_child_writes_what_is_plain),
        cmocka_unit_test(no_child_writes_births_with_a_stack),
        cmocka_unit_test(no_child_writes_deaths_and_moves),
        cmocka_unit_test(no_child_takes_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
