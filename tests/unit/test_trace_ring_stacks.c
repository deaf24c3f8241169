/* test_trace_ring_stacks.c - call stacks without number in a trace that keeps the newest: those of
 * the newest events are whole and right, older ones are cut or unknown, never another's. */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <pthread.h>

#include "tools/trace/trace.h"

enum {
    THREADS = 2,
    LEVELS = 16, /* of calls to the left or right: bits of a path */
    PATHS = 40000 / TEST_DIVISOR,
    BLOCK = TRACE_BLOCK_BYTES,
    LIMIT = 16 * BLOCK, /* 4 blocks are the stack lane's: 3 to 4 bytes a node */
};

static const struct tracer_options limited = {
    .address_shift = 4, .ordered_by_caller = true, .depth = 128, .most_bytes = LIMIT};

/* -- paths: the bits of a number as calls, and the number as the size of a block -------------- */

static int go(unsigned thread, unsigned path, unsigned level);

__attribute__((noinline)) static int go_left(unsigned thread, unsigned path, unsigned level)
{
    return go(thread, path, level) + 1;
}

__attribute__((noinline)) static int go_right(unsigned thread, unsigned path, unsigned level)
{
    return go(thread, path, level) + 2;
}

__attribute__((noinline)) static int go(unsigned thread, unsigned path, unsigned level)
{
    if (level > 0)
        return ((path >> (level - 1) & 1) == 0 ? go_left(thread, path, level - 1)
                                               : go_right(thread, path, level - 1)) +
               1;
    const uintptr_t *frame = __builtin_frame_address(0);
    struct tracer_caller caller = {.ip = frame[1], .sp = (uintptr_t)(frame + 2), .bp = frame[0]};
    void *block = (void *)(uintptr_t)((UINT64_C(1) + thread) << 40 | (uint64_t)path << 4);
    tracer_alloc(block, path + 1, 0, 0, &caller);
    return 1;
}

static void *walk_paths(void *number)
{
    unsigned thread = (unsigned)(uintptr_t)number;
    for (unsigned i = 0; i < PATHS; i++)
        go(thread, (i * 40503U + thread * 977U) % (1U << LEVELS), LEVELS);
    return NULL;
}

static void tell_paths(struct trace_run *run)
{
    pthread_t threads[THREADS];
    (void)run;
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, walk_paths, (void *)i) != 0)
            _exit(4);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    tracer_stop(TRACE_END_EXIT);
}

/* -- what the trace says ---------------------------------------------------------------------- */

/* The bit that a return address stands for, or 2: it is in neither function. The child has this
 * program's addresses. */
static unsigned bit_of(uint64_t ip)
{
    const uint64_t left = ip - (uintptr_t)go_left;
    const uint64_t right = ip - (uintptr_t)go_right;
    const uint64_t other = ip - (uintptr_t)go;
    if (other < left && other < right)
        return 2;
    uint64_t least = left < right ? left : right;
    return least < 4096 ? right < left : 2;
}

/* The path that a stack took, innermost bit first, and how many bits of it are there. */
static unsigned path_of(const struct trace *trace, uint32_t node, unsigned *levels)
{
    unsigned path = 0;
    *levels = 0;
    for (; node != 0; node = trace_node(trace, node).parent) {
        unsigned bit = bit_of(trace_node(trace, node).ip);
        if (bit < 2)
            path |= bit << (*levels)++;
    }
    return path;
}

struct found {
    unsigned events, whole, cut, unknown;
    unsigned newest_whole; /* events since the last one that was not */
};

static void check_stack(const struct trace *trace, const struct trace_event *event,
                        struct found *found)
{
    unsigned levels;
    unsigned path = path_of(trace, event->stack, &levels);
    unsigned mask = (1U << levels) - 1;
    assert_int_equal(path, (event->size - 1) & mask);
    found->events++;
    found->whole += levels == LEVELS;
    found->unknown += event->stack == 0;
    found->cut += levels < LEVELS && event->stack != 0;
    found->newest_whole = levels == LEVELS ? found->newest_whole + 1 : 0;
}

static struct found check_stacks(const struct trace *trace)
{
    struct found found = {0};
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event)) {
        if (event.kind == TRACE_EVENT_ALLOC)
            check_stack(trace, &event, &found);
    }
    trace_visit_destroy(visit);
    return found;
}

/* A tree begins with each second block of the lane's four: no node has a parent from before its
 * tree, which is written over first. */
static void check_trees(const struct decoded *decoded)
{
    uint64_t tree_of_block[2] = {0}; /* its first node, by sequence / 2 % 2 */
    uint64_t tree = 0;
    struct trace_block_header header;
    for (size_t at = TRACE_HEADER_BYTES; at < decoded->file_bytes; at += BLOCK) {
        memcpy(&header, decoded->file + at, sizeof(header));
        if (header.lane == TRACE_LANE_STACKS && header.sequence % 2 == 0)
            tree_of_block[header.sequence / 2 % 2] = header.events + 1;
    }
    for (size_t i = 1; i <= decoded->node_count; i++) {
        uint64_t id = decoded->nodes_older + i;
        if (id == tree_of_block[0] || id == tree_of_block[1])
            tree = id;
        uint64_t parent = decoded->nodes[i].parent;
        if (parent != 0 && parent < tree)
            fail_msg("node %zu of the tree from %zu on is a child of %zu", (size_t)id, (size_t)tree,
                     (size_t)parent);
    }
}

static void the_newest_stacks_are_whole_and_no_stack_is_anothers(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    struct trace_error error;
    run_init(&run, 7);
    assert_true(run_wait(run_start(&run, &limited, tell_paths)));
    read_right(&decoded, run.path);
    assert_in_range(decoded.file_bytes, 1, LIMIT);
    assert_in_range(decoded.stack_blocks, 1, 4);
    check_trees(&decoded);
    struct trace *trace = trace_open(run.path, &error);
    assert_non_null(trace);
    assert_null(trace_warning(trace, 0));
    struct found found = check_stacks(trace);
    assert_int_equal(trace_facts(trace)->end->nodes, decoded.nodes_older + decoded.node_count);
    if (TEST_DIVISOR == 1) {
        assert_true(decoded.nodes_older > 4 * decoded.node_count);
        assert_true(found.unknown > 0);
    }
    assert_true(found.newest_whole > 1000);
    trace_close(trace);
    decoder_free(&decoded);
    run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_stacks_are_whole_and_no_stack_is_anothers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
