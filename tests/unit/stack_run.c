/* stack_run.c - see stack_run.h. */
#define _GNU_SOURCE
#define UNW_LOCAL_ONLY
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <alloca.h>
#include <libunwind.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/stack_run.h"

enum { WALK_FRAMES = 300, WALKS = 30000 };

/* One stack as libunwind saw it; walk number n belongs to the allocation of address 16 * (n + 1) */
struct seen {
    uint32_t count;
    uint64_t ip[WALK_FRAMES];
};

static struct {
    _Atomic uint32_t count;
    struct seen walk[WALKS];
} * seen; /* shared with the child */

static unsigned depth_wanted;
uint64_t run_random;

/* The caller's frames by libunwind, innermost first. */
__attribute__((noinline)) static void walk_fully(struct seen *walk)
{
    unw_context_t context;
    unw_cursor_t cursor;
    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    unw_step(&cursor); /* out of here */
    while (walk->count < depth_wanted && unw_step(&cursor) > 0) {
        unw_word_t ip;
        unw_get_reg(&cursor, UNW_REG_IP, &ip);
        if (ip == 0)
            break;
        walk->ip[walk->count++] = ip;
    }
}

/* What an entry point of the preload does. */
__attribute__((noinline)) void probe(void)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    uint32_t n = atomic_fetch_add(&seen->count, 1);
    if (n >= WALKS)
        _exit(9);
    walk_fully(&seen->walk[n]);
    struct tracer_caller caller = {.ip = frame[1], .sp = (uintptr_t)(frame + 2), .bp = frame[0]};
    tracer_alloc((void *)(16 * ((uintptr_t)n + 1)), n, 0, 0, &caller);
}

uint32_t probes_left(uint32_t budget)
{
    uint32_t count = atomic_load(&seen->count);
    return count < budget ? budget - count : 0;
}

/* -- frames of many shapes -------------------------------------------------------------------- */

typedef int branch(int depth, uint64_t *random);
static branch *pick_branch(uint64_t *random);
uint32_t grow_budget;

int grow(int depth, uint64_t *random)
{
    if (depth <= 0 || probes_left(grow_budget) == 0)
        return 0;
    if (next_random(random) % 3 == 0)
        probe();
    return pick_branch(random)(depth - 1, random);
}

__attribute__((noinline)) static int branch_frameless(int depth, uint64_t *random)
{
    int sum = grow(depth, random);
    return sum + grow(depth - 2, random) + 1;
}

__attribute__((noinline)) static int branch_wide(int depth, uint64_t *random)
{
    volatile char room[3000];
    room[next_random(random) % sizeof(room)] = 1;
    probe();
    return grow(depth, random) + room[5];
}

__attribute__((noinline)) int branch_alloca(int depth, uint64_t *random)
{
    volatile char *room = alloca(next_random(random) % 500 + 1);
    room[0] = (char)depth;
    int sum = grow(depth, random);
    probe();
    return sum + room[0];
}

__attribute__((noinline)) static int branch_registers(int depth, uint64_t *random)
{
    uint64_t a = next_random(random), b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13;
    int sum = grow(depth, random);
    probe();
    return sum + (int)((a + b * c + d * e + f) % 2);
}

__attribute__((noinline)) static int branch_many_arguments(int depth, uint64_t *random, ...)
{
    probe();
    return grow(depth, random) + 1;
}

__attribute__((noinline)) static int branch_pushes(int depth, uint64_t *random)
{
    int sum = branch_many_arguments(depth, random, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    return sum + branch_many_arguments(depth - 3, random, 1, 2, 3, 4, 5, 6, 7);
}

/* Realigns its stack: the CFA is a DWARF expression, or the frame pointer. */
__attribute__((noinline)) static int branch_aligned(int depth, uint64_t *random)
{
    volatile char room[64] __attribute__((aligned(64)));
    volatile char *more = alloca(next_random(random) % 100 + 1);
    room[1] = more[0] = 1;
    int sum = grow(depth, random);
    probe();
    return sum + room[1] + more[0];
}

__attribute__((noinline)) static int branch_recursive(int depth, uint64_t *random)
{
    if (depth % 7 == 0)
        return grow(depth, random);
    probe();
    return branch_recursive(depth - 1, random) + 1;
}

static int compare_and_probe(const void *a, const void *b)
{
    if (probes_left(grow_budget) > 0)
        probe();
    return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static int branch_callback(int depth, uint64_t *random)
{
    int numbers[6];
    for (int i = 0; i < 6; i++)
        numbers[i] = (int)(next_random(random) % 100);
    qsort(numbers, 6, sizeof(int), compare_and_probe);
    return grow(depth, random) + numbers[0];
}

static branch *pick_branch(uint64_t *random)
{
    static branch *const volatile branches[] = {
        branch_frameless, branch_wide,    branch_alloca,    branch_registers,
        branch_pushes,    branch_aligned, branch_recursive, branch_callback,
    };
    return branches[next_random(random) % (sizeof(branches) / sizeof(branches[0]))];
}

/* -- running and comparing -------------------------------------------------------------------- */

static void check_walk(const struct decoded *decoded, const struct decoded_event *event)
{
    uint64_t n = event->address / 16 - 1;
    const struct seen *walk = &seen->walk[n];
    uint64_t node = event->stack;
    for (uint32_t i = 0; i < walk->count; i++) {
        if (node == 0)
            fail_msg("stack %lu ends at frame %u of %u", (unsigned long)n, i, walk->count);
        if (decoded->nodes[node].ip != walk->ip[i])
            fail_msg("stack %lu, frame %u of %u: %#lx, libunwind says %#lx", (unsigned long)n, i,
                     walk->count, (unsigned long)decoded->nodes[node].ip,
                     (unsigned long)walk->ip[i]);
        node = decoded->nodes[node].parent;
    }
    if (node != 0)
        fail_msg("stack %lu goes on behind frame %u", (unsigned long)n, walk->count);
}

static void check_all(const struct decoded *decoded, uint32_t least)
{
    uint32_t checked = 0;
    for (size_t l = 0; l < decoded->lane_count; l++) {
        for (size_t i = 0; i < decoded->lanes[l].count; i++) {
            const struct decoded_event *event = &decoded->lanes[l].events[i];
            if (event->kind != DECODED_ALLOC)
                continue;
            check_walk(decoded, event);
            checked++;
        }
    }
    assert_int_equal(checked, atomic_load(&seen->count));
    assert_true(checked >= least);
}

struct decoded compare_stacks(void (*body)(struct trace_run *), unsigned depth, uint32_t least)
{
    struct trace_run run;
    struct decoded decoded;
    struct tracer_options options = {.address_shift = 4, .ordered_by_caller = true, .depth = depth};
    run_init(&run, 1);
    seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(seen, MAP_FAILED);
    depth_wanted = depth;
    walk_fully(&seen->walk[0]); /* libunwind sets itself up, which threads must not do at once */
    memset(&seen->walk[0], 0, sizeof(seen->walk[0]));
    run_random = 20261120;
    assert_true(run_wait(run_start(&run, &options, body)));
    bool is_right = decoder_read(&decoded, run.path);
    run_fini(&run);
    if (!is_right)
        fail_msg("%s", decoded.error);
    check_all(&decoded, least);
    munmap(seen, sizeof(*seen));
    return decoded;
}
