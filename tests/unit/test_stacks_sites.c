/* test_stacks_sites.c - a call site is not believed to be called as it was the last time, though
 * the program stands at the same place of the stack in it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <alloca.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/stack_run.h"

enum { PAGE = 4096, ROUNDS = 3000 / TEST_DIVISOR };

static uintptr_t place; /* of leaf's frame, the last time */

/* Keeps a frame pointer, so its caller's is in its frame. */
__attribute__((noinline)) static int leaf(int bytes)
{
    volatile char *room = alloca((size_t)bytes);
    room[0] = 1;
    place = (uintptr_t)__builtin_frame_address(0);
    probe();
    return room[0];
}

/* Leaves the child when leaf's frame was not where it is expected: nothing would be tested. */
static void expect_place(uintptr_t expected)
{
#if !defined(__SANITIZE_ADDRESS__) /* which puts room of its own around what alloca gives */
    if (place != expected)
        _exit(5);
#else
    (void)expected;
#endif
}

/* -- who called ------------------------------------------------------------------------------- */

#define MIDDLE(n)                                                                                  \
    __attribute__((noinline)) static int middle_##n(int bytes)                                     \
    {                                                                                              \
        return leaf(bytes) + (n);                                                                  \
    }
MIDDLE(1)
MIDDLE(2)
MIDDLE(3)

typedef int middle(int bytes);
static middle *const volatile middles[] = {middle_1, middle_2, middle_3};

static void call_by_turns(struct trace_run *run)
{
    (void)run;
    uintptr_t first = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (next_random(&run_random) % 8 == 0)
            probe();
        middles[next_random(&run_random) % 3](32);
        first = first != 0 ? first : place;
        expect_place(first);
    }
    tracer_stop(TRACE_END_EXIT);
}

static void another_caller_is_seen_by_its_return_address(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(call_by_turns, 256, ROUNDS);
    decoder_free(&decoded);
}

/* -- whose frame ------------------------------------------------------------------------------ */

enum { UNITS = 40 };

/* Does not clear what it takes: older return addresses stay there. */
__attribute__((noinline)) static int shift(size_t units)
{
    volatile char *room = alloca(16 * units);
    room[0] = 1;
    return leaf(32) + room[0];
}

#define PAD(n)                                                                                     \
    __attribute__((noinline)) static int pad_##n(size_t units)                                     \
    {                                                                                              \
        volatile char *room = alloca(16 * units);                                                  \
        room[0] = (n);                                                                             \
        return shift(UNITS - units) + room[0];                                                     \
    }
PAD(1)
PAD(2)

typedef int pad(size_t units);
static pad *const volatile pads[] = {pad_1, pad_2};

/* Of all calls the return address into shift is the same, and lies at the same place. */
static void shift_frames(struct trace_run *run)
{
    (void)run;
    uintptr_t first = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t n = next_random(&run_random);
        pads[n % 2](4 + n / 2 % 3 * 8);
        first = first != 0 ? first : place;
        expect_place(first);
    }
    tracer_stop(TRACE_END_EXIT);
}

static void another_frame_of_the_caller_is_seen_by_its_frame_pointer(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(shift_frames, 256, ROUNDS);
    decoder_free(&decoded);
}

/* -- a frame pointer that did not matter ------------------------------------------------------- */

static volatile int calls, ends; /* what is counted behind a call keeps it from being a jump */

__attribute__((noinline)) static void bare(void)
{
    probe();
    ends++;
}

/* It and the next leave the frame pointer alone: their callers' is found by what leaf has saved. */
__attribute__((noinline)) static void carry(void)
{
    leaf(32);
    if ((calls & 1) != 0)
        leaf(32);
    if ((calls & 2) != 0)
        bare();
    ends++;
}

__attribute__((noinline)) static void pass_on(void)
{
    carry();
    ends++;
}

__attribute__((noinline)) static void call_without(void)
{
    volatile char room[1200];
    room[0] = 1;
    pass_on();
    ends += room[0];
}

__attribute__((noinline)) static void call_with(size_t bytes)
{
    volatile char *room = alloca(bytes);
    room[0] = 1;
    pass_on();
    ends += room[0];
}

#define CALL_LOWER(n)                                                                              \
    __attribute__((noinline)) static void call_lower_##n(size_t units, size_t bytes)               \
    {                                                                                              \
        volatile char *room = alloca(16 * units);                                                  \
        room[0] = (n);                                                                             \
        call_with(bytes - 16 * units);                                                             \
        ends += room[0];                                                                           \
    }
CALL_LOWER(1)
CALL_LOWER(2)

static void call_somehow(uint64_t n, size_t bytes, size_t lower_bytes)
{
    size_t units = 1 + n / 16 % 24;
    calls = (int)(n / 4 % 4);
    if (n % 4 == 0)
        call_without();
    else if (n % 4 == 1)
        call_with(bytes);
    else if (n % 4 == 2)
        call_lower_1(units, lower_bytes);
    else
        call_lower_2(units, lower_bytes);
}

/* Who is called by way of pass_on has callers that are found by the frame pointer, in turn with one
 * that is not. */
static void change_use(struct trace_run *run)
{
    (void)run;
    call_without();
    uintptr_t wanted = place;
    call_with(16);
    size_t bytes = 16 + place - wanted;
    call_lower_1(1, 32);
    size_t lower_bytes = 32 + place - wanted;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        call_somehow(next_random(&run_random) >> 8, bytes, lower_bytes);
        expect_place(wanted);
    }
    tracer_stop(TRACE_END_EXIT);
}

static void a_frame_pointer_that_matters_again_is_not_an_old_one(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(change_use, 256, ROUNDS);
    decoder_free(&decoded);
}

/* -- on which stack --------------------------------------------------------------------------- */

static ucontext_t home, routine;
static size_t dive_bytes;

__attribute__((noinline)) static int dive(size_t bytes)
{
    volatile char *room = alloca(bytes);
    room[0] = 1;
    return leaf(32) + room[0];
}

static void visit_long(void)
{
    probe();
    dive(dive_bytes);
    dive(dive_bytes);
}

static void visit_short(void)
{
    probe();
    middle_1(32);
    middle_1(32);
}

/* Where leaf stood on a stack at `base` that cannot be read any more. */
static uintptr_t run_on_stack(char *base, size_t bytes, void (*body)(void))
{
    mprotect(base, bytes, PROT_READ | PROT_WRITE);
    getcontext(&routine);
    routine.uc_stack = (stack_t){.ss_sp = base, .ss_size = bytes};
    routine.uc_link = &home;
    makecontext(&routine, body, 0);
    swapcontext(&home, &routine);
    mprotect(base, bytes, PROT_NONE);
    return place;
}

static void change_stacks(struct trace_run *run)
{
    (void)run;
    size_t bytes = (size_t)(16 * PAGE), most = 3 * bytes;
    char *base = mmap(NULL, most, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    dive_bytes = 16;
    uintptr_t wanted = run_on_stack(base, bytes, visit_short);
    dive_bytes += run_on_stack(base, most, visit_long) - wanted;
    for (int i = 0; i < 20; i++) {
        run_on_stack(base, most, visit_long);
        expect_place(wanted);
        run_on_stack(base, bytes, visit_short);
        expect_place(wanted);
    }
    tracer_stop(TRACE_END_EXIT);
}

static void frames_of_a_longer_stack_that_is_gone_are_not_read(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(change_stacks, 256, 100);
    decoder_free(&decoded);
}

/* -- what it is for --------------------------------------------------------------------------- */

__attribute__((noinline)) static int further(int bytes)
{
    int sum = middle_3(bytes);
    probe();
    return sum + 1;
}

static void call_as_ever(struct trace_run *run)
{
    (void)run;
    for (int i = 0; i < ROUNDS; i++) {
        middle_1(32);
        further(48);
        middle_2(64);
    }
    tracer_stop(TRACE_END_EXIT);
}

static void frames_of_known_call_sites_are_not_stepped(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(call_as_ever, 256, ROUNDS);
    struct trace_costs costs;
    const struct decoded_record *record = decoder_find(&decoded, TRACE_INFO_COSTS, 0);
    assert_non_null(record);
    assert_int_equal(record->bytes, sizeof(costs));
    memcpy(&costs, record->payload, sizeof(costs));
    assert_int_equal(costs.walks, 4 * ROUNDS);
    assert_true(costs.stepped < 100);
    decoder_free(&decoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_caller_is_seen_by_its_return_address),
        cmocka_unit_test(another_frame_of_the_caller_is_seen_by_its_frame_pointer),
        cmocka_unit_test(a_frame_pointer_that_matters_again_is_not_an_old_one),
        cmocka_unit_test(frames_of_a_longer_stack_that_is_gone_are_not_read),
        cmocka_unit_test(frames_of_known_call_sites_are_not_stepped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
