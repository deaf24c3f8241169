/* test_stacks.c - every call stack in the trace equals a full walk by libunwind at the same place,
 * over random call trees, at any limit, in many threads. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/stack_run.h"

enum { PROBES = 20000 / TEST_DIVISOR };

static void grow_trees(struct trace_run *run)
{
    (void)run;
    grow_budget = PROBES;
    while (probes_left(grow_budget) > 0)
        grow(40, &run_random);
    tracer_stop(TRACE_END_EXIT);
}

static void random_call_trees_are_walked_exactly(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(grow_trees, 256, PROBES);
    assert_true(decoded.node_count > PROBES / 20);
    decoder_free(&decoded);
}

static void a_limit_keeps_the_innermost_frames(void **state)
{
    (void)state;
    for (unsigned depth = 1; depth <= 32; depth = depth * 3 + 1) {
        struct decoded decoded = compare_stacks(grow_trees, depth, PROBES);
        decoder_free(&decoded);
    }
}

static int by_content(const void *a_, const void *b_)
{
    const struct decoded_node *a = a_, *b = b_;
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    if (a->ip != b->ip)
        return a->ip < b->ip ? -1 : 1;
    return (int)a->is_exact - (int)b->is_exact;
}

/* Each ip under each parent. */
static void a_node_is_written_once(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(grow_trees, 256, PROBES);
    struct decoded_node *nodes = decoded.nodes + 1;
    qsort(nodes, decoded.node_count, sizeof(*nodes), by_content);
    for (size_t i = 1; i < decoded.node_count; i++)
        assert_true(by_content(&nodes[i - 1], &nodes[i]) < 0);
    decoder_free(&decoded);
}

__attribute__((noinline)) static int dive(int depth)
{
    if (depth % 16 == 0)
        probe();
    int sum = depth > 0 ? dive(depth - 1) : 0;
    if (depth % 16 == 0)
        probe();
    return sum + depth;
}

static void dive_deep(struct trace_run *run)
{
    (void)run;
    dive(1500);
    dive(200);
    tracer_stop(TRACE_END_EXIT);
}

static void recursion_deeper_than_the_limit_is_cut_outside(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(dive_deep, 128, 200);
    decoder_free(&decoded);
}

/* -- threads ---------------------------------------------------------------------------------- */

static void *grow_in_thread(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    while (probes_left(grow_budget) > 100)
        grow(25, &random);
    tracer_thread_exit();
    return NULL;
}

static void grow_in_threads(struct trace_run *run)
{
    (void)run;
    grow_budget = PROBES;
    pthread_t threads[8];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 1 << 20);
    for (uintptr_t i = 0; i < 8; i++)
        if (pthread_create(&threads[i], &attributes, grow_in_thread, (void *)(i * 7919 + 1)) != 0)
            _exit(4);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    tracer_stop(TRACE_END_EXIT);
}

static void threads_share_one_tree(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(grow_in_threads, 256, PROBES / 4 * 3);
    decoder_free(&decoded);
}

/* Learning needs more stack than there is: it brings its own. */
static void *probe_on_little_stack(void *argument)
{
    (void)argument;
    probe();
    tracer_thread_exit();
    return NULL;
}

static void probe_in_small_threads(struct trace_run *run)
{
    (void)run;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384 + 16384);
    for (size_t i = 0; i < 20; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, probe_on_little_stack, NULL) != 0)
            _exit(4);
        pthread_join(thread, NULL);
    }
    tracer_stop(TRACE_END_EXIT);
}

static void small_stacks_suffice(void **state)
{
    (void)state;
    struct decoded decoded = compare_stacks(probe_in_small_threads, 256, 20);
    decoder_free(&decoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_call_trees_are_walked_exactly),
        cmocka_unit_test(a_limit_keeps_the_innermost_frames),
        cmocka_unit_test(a_node_is_written_once),
        cmocka_unit_test(recursion_deeper_than_the_limit_is_cut_outside),
        cmocka_unit_test(threads_share_one_tree),
        cmocka_unit_test(small_stacks_suffice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
