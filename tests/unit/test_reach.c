/* test_reach.c - which blocks a program can still get at: graphs of blocks whose classes are known,
 * and random ones against a plain reference. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "allocators/heap.h"
#include "allocators/large.h"
#include "allocators/mixed.h"
#include "allocators/pool.h"
#include "allocators/reach.h"
#include "allocators/txn.h"

enum { ROOTS = 64, BLOCKS = 3000, MOST_EDGES = 6 };

/* The only roots of these tests. What points to blocks besides is mmapped, and not scanned. */
static void *roots[ROOTS];

/* -- results ---------------------------------------------------------------------------------- */

struct result {
    void *p;
    size_t bytes;
    enum reach_kind kind;
};

static struct result *results; /* BLOCKS of them; sorted by nothing */
static size_t result_count;

static void take_result(void *p, size_t bytes, enum reach_kind kind, void *context)
{
    assert_null(context);
    assert_true(result_count < BLOCKS);
    results[result_count++] = (struct result){p, bytes, kind};
}

static void classify(void)
{
    result_count = 0;
    assert_int_equal(reach_begin(), 0);
    reach_scan(roots, roots + ROOTS);
    reach_finish();
    reach_visit(take_result, NULL);
    reach_end();
}

/* REACH_KINDS: it is no block. */
static enum reach_kind kind_of(const void *p)
{
    for (size_t i = 0; i < result_count; i++) {
        if (results[i].p == p)
            return results[i].kind;
    }
    return REACH_KINDS;
}

static void *make(size_t bytes)
{
    void *p = heap_alloc(bytes);
    assert_non_null(p);
    memset(p, 0, heap_usable(p)); /* what lies behind the bytes asked for is read too */
    return p;
}

static int begin(void **state)
{
    memset(roots, 0, sizeof(roots));
    return setup_small_heap(state);
}

/* -- known graphs ----------------------------------------------------------------------------- */

static const size_t sizes[] = {16, 100, 1000, 5000, 32768, 40000, 200000, 1 << 20, 40 << 20};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void a_block_of_any_size_is_found_by_its_first_byte(void **state)
{
    (void)state;
    void *p[SIZES];
    for (size_t i = 0; i < SIZES; i++)
        roots[i] = p[i] = make(sizes[i]);
    classify();
    for (size_t i = 0; i < SIZES; i++)
        assert_int_equal(kind_of(p[i]), REACH_START);
    roots[3] = NULL;
    classify();
    for (size_t i = 0; i < SIZES; i++)
        assert_int_equal(kind_of(p[i]), i == 3 ? REACH_LOST : REACH_START);
    for (size_t i = 0; i < SIZES; i++)
        heap_free(p[i]);
}

static void a_pointer_into_a_block_of_any_size_finds_it_too(void **state)
{
    (void)state;
    void *p[SIZES];
    for (size_t i = 0; i < SIZES; i++) {
        p[i] = make(sizes[i]);
        roots[i] = (char *)p[i] + sizes[i] - 1;
    }
    void *next = make(48);
    *(void **)p[4] = next;
    classify();
    for (size_t i = 0; i < SIZES; i++)
        assert_int_equal(kind_of(p[i]), REACH_INSIDE);
    assert_int_equal(kind_of(next), REACH_INSIDE); /* only by way of one of those */
    roots[SIZES] = next;
    classify();
    assert_int_equal(kind_of(next), REACH_START);
    heap_free(next);
    for (size_t i = 0; i < SIZES; i++)
        heap_free(p[i]);
}

static void what_only_a_lost_block_leads_to_is_lost_with_it(void **state)
{
    (void)state;
    void **head = make(32), **middle = make(64 << 10), **tail = make(48 << 20);
    *head = middle;
    middle[5000] = tail;
    classify();
    assert_int_equal(kind_of(head), REACH_LOST);
    assert_int_equal(kind_of(middle), REACH_BY_LOST);
    assert_int_equal(kind_of(tail), REACH_BY_LOST);
    roots[0] = middle;
    classify();
    assert_int_equal(kind_of(head), REACH_LOST);
    assert_int_equal(kind_of(middle), REACH_START);
    assert_int_equal(kind_of(tail), REACH_START);
    heap_free(head), heap_free(middle), heap_free(tail);
}

static void of_a_circle_one_block_is_lost_and_the_others_with_it(void **state)
{
    (void)state;
    void **ring[5];
    for (int i = 0; i < 5; i++)
        ring[i] = make(80);
    for (int i = 0; i < 5; i++)
        *ring[i] = ring[(i + 1) % 5];
    void **self = make(2000);
    self[7] = self;
    classify();
    unsigned lost = 0;
    for (int i = 0; i < 5; i++) {
        assert_true(kind_of(ring[i]) == REACH_LOST || kind_of(ring[i]) == REACH_BY_LOST);
        lost += kind_of(ring[i]) == REACH_LOST;
    }
    assert_int_equal(lost, 1);
    assert_int_equal(kind_of(self), REACH_LOST);
    for (int i = 0; i < 5; i++)
        heap_free(ring[i]);
    heap_free(self);
}

static void freed_blocks_are_none_and_lead_nowhere(void **state)
{
    (void)state;
    void *left = make(64);
    for (size_t i = 0; i < SIZES; i++) {
        void **p = make(sizes[i]);
        roots[i] = p;
        *p = left;
        heap_free(p);
    }
    classify();
    assert_int_equal(kind_of(left), REACH_LOST);
    assert_int_equal(result_count, 1);
    heap_free(left);
}

static void an_address_is_no_pointer_unless_it_is_a_word(void **state)
{
    (void)state;
    void *p = make(64);
    memcpy((char *)roots + 3, &p, sizeof(p));
    classify();
    assert_int_equal(kind_of(p), REACH_LOST);
    heap_free(p);
}

static void blocks_of_mixed_zones_are_blocks(void **state)
{
    (void)state;
    enum { BYTES = 208, OBJECTS = UNIT_BYTES / BYTES, GIVEN = 50 };
    void *p[OBJECTS];
    unsigned class = size_class_of(BYTES);
    assert_int_equal(slab_take(class, p, OBJECTS), OBJECTS);
    void **first = p[0], *last = p[OBJECTS - 1];
    memset(first, 0, BYTES);
    memset(last, 0, BYTES);
    struct slab *slab = slab_of(first);
    slab_give(class, p + 1, GIVEN);
    lock_take(&pools[class].lock);
    pool_release(&pools[class], slab);
    mixed_adopt(slab->first, class, slab->free_bits, 0);
    lock_drop(&pools[class].lock);
    roots[0] = first;
    *first = (char *)last + BYTES - 1;
    classify();
    assert_int_equal(kind_of(first), REACH_START);
    assert_int_equal(kind_of(last), REACH_INSIDE);
    assert_int_equal(kind_of(p[OBJECTS - 2]), REACH_LOST);
    assert_int_equal(kind_of(p[1]), REACH_KINDS);
    mixed_give(class, p, 1, false);
    mixed_give(class, p + 1 + GIVEN, OBJECTS - 1 - GIVEN, false);
}

static void what_cannot_be_read_is_left_out(void **state)
{
    (void)state;
    char *p = make(1 << 20);
    char *page = (char *)(((uintptr_t)p + 3 * 4096) & ~(uintptr_t)4095);
    void *hidden = make(64), *before = make(64), *behind = make(64);
    roots[0] = p;
    *(void **)(page - 8) = before;
    *(void **)page = hidden;
    *(void **)(page + 4096) = behind;
    assert_int_equal(mprotect(page, 4096, PROT_NONE), 0);
    result_count = 0;
    assert_int_equal(reach_begin(), 0);
    assert_true(reach_forbid((uintptr_t)page, (uintptr_t)page + 4096));
    reach_scan(roots, roots + ROOTS);
    reach_finish();
    reach_visit(take_result, NULL);
    reach_end();
    assert_int_equal(kind_of(before), REACH_START);
    assert_int_equal(kind_of(behind), REACH_START);
    assert_int_equal(kind_of(hidden), REACH_LOST);
    assert_int_equal(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
    heap_free(p), heap_free(hidden), heap_free(before), heap_free(behind);
}

/* -- random graphs against a reference -------------------------------------------------------- */

struct node {
    char *p; /* NULL: freed */
    size_t bytes;
    unsigned edges;
    unsigned to[MOST_EDGES];
    bool is_inside[MOST_EDGES]; /* the edge is a pointer into the block */
    enum reach_kind kind;
};

static struct node *nodes;
static unsigned root_to[ROOTS];
static bool root_is_inside[ROOTS];

static void follow(unsigned n, enum reach_kind kind, unsigned leader)
{
    for (unsigned e = 0; e < nodes[n].edges; e++) {
        struct node *to = &nodes[nodes[n].to[e]];
        bool pass = kind == REACH_START ? to->kind != REACH_START && !nodes[n].is_inside[e]
                                        : to->kind == REACH_LOST && nodes[n].to[e] != leader;
        if (kind == REACH_START && nodes[n].is_inside[e] && to->kind == REACH_LOST)
            to->kind = REACH_INSIDE;
        if (!pass)
            continue;
        to->kind = kind;
        follow(nodes[n].to[e], kind, leader);
    }
}

static void take_roots(void)
{
    for (unsigned i = 0; i < ROOTS; i++) {
        struct node *to = &nodes[root_to[i]];
        if (roots[i] == NULL || to->kind == REACH_START)
            continue;
        if (root_is_inside[i]) {
            to->kind = REACH_INSIDE;
            continue;
        }
        to->kind = REACH_START;
        follow(root_to[i], REACH_START, UINT32_MAX);
    }
}

/* By address, as the heap does it. */
static int by_address(const void *a, const void *b)
{
    const struct node *one = &nodes[*(const unsigned *)a], *other = &nodes[*(const unsigned *)b];
    bool one_is_huge = one->bytes > LARGE_MAX, other_is_huge = other->bytes > LARGE_MAX;
    if (one_is_huge != other_is_huge)
        return one_is_huge ? 1 : -1;
    return one->p < other->p ? -1 : 1;
}

static void classify_by_reference(unsigned *order, unsigned count)
{
    take_roots();
    bool was_inside[BLOCKS];
    for (unsigned i = 0; i < count; i++)
        was_inside[order[i]] = nodes[order[i]].kind == REACH_INSIDE;
    for (unsigned i = 0; i < count; i++) {
        if (was_inside[order[i]])
            follow(order[i], REACH_INSIDE, UINT32_MAX);
    }
    qsort(order, count, sizeof(order[0]), by_address);
    for (unsigned i = 0; i < count; i++) {
        if (nodes[order[i]].kind == REACH_LOST)
            follow(order[i], REACH_BY_LOST, order[i]);
    }
}

static void make_node(struct node *node, uint64_t *random)
{
    size_t bytes = 64 + random_next(random) % 512;
    if (random_next(random) % 20 == 0)
        bytes = 64 + random_next(random) % 100000;
    if (random_next(random) % 500 == 0)
        bytes = ((size_t)33 << 20) + random_next(random) % 100000;
    *node = (struct node){.p = make(bytes), .bytes = bytes};
}

static void *point_to(const struct node *node, bool *is_inside, uint64_t *random)
{
    size_t offset = random_next(random) % 8 == 0 ? random_next(random) % node->bytes : 0;
    *is_inside = offset != 0;
    return node->p + offset;
}

static void link_node(struct node *node, const unsigned *order, unsigned count, uint64_t *random)
{
    for (node->edges = 0; node->edges < random_next(random) % MOST_EDGES;) {
        unsigned to = order[random_next(random) % count], e = node->edges++;
        node->to[e] = to;
        ((void **)node->p)[e] = point_to(&nodes[to], &node->is_inside[e], random);
    }
}

static void check_graph(uint64_t *random)
{
    unsigned order[BLOCKS], count = 0;
    for (unsigned i = 0; i < BLOCKS; i++)
        make_node(&nodes[i], random);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (random_next(random) % 3 == 0) {
            heap_free(nodes[i].p);
            nodes[i].p = NULL;
        } else {
            order[count++] = i;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (random_next(random) % 4 == 0) /* else it points nowhere */
            link_node(&nodes[order[i]], order, count, random);
    }
    for (unsigned i = 0; i < ROOTS; i++) {
        root_to[i] = order[random_next(random) % count];
        roots[i] = point_to(&nodes[root_to[i]], &root_is_inside[i], random);
    }
    classify_by_reference(order, count);
    classify();
    assert_int_equal(result_count, count);
    unsigned kinds[REACH_KINDS] = {0};
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(kind_of(nodes[order[i]].p), nodes[order[i]].kind);
        kinds[nodes[order[i]].kind]++;
    }
    for (unsigned kind = 0; kind < REACH_KINDS; kind++)
        assert_int_not_equal(kinds[kind], 0); /* else nothing was tested */
    for (unsigned i = 0; i < count; i++)
        heap_free(nodes[order[i]].p);
}

static void random_graphs_are_classified_as_by_a_plain_reference(void **state)
{
    (void)state;
    uint64_t random = 20261121;
    print_message("seed %llu\n", (unsigned long long)random);
    for (int i = 0; i < 6; i++)
        check_graph(&random);
    heap_audit();
}

static void chunks_that_wait_to_be_put_back_are_no_blocks(void **state)
{
    (void)state;
    void *p = NULL;
    assert_true(txn_prepare("large"));
    struct txn *txn = txn_begin(NULL, "large", 0);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(txn_alloc(txn, 1000, 0, &p), 0);
    txn_end(txn, TXN_ROLLED_BACK);
    assert_true(txn_chunk_waits());
    classify();
    assert_true(txn_chunk_waits());
    for (size_t i = 0; i < result_count; i++)
        assert_true((uintptr_t)p - (uintptr_t)results[i].p >= results[i].bytes);
    txn_chunk_put_back();
}

int main(void)
{
    results = mmap(NULL, BLOCKS * sizeof(results[0]), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    nodes = mmap(NULL, BLOCKS * sizeof(nodes[0]), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_block_of_any_size_is_found_by_its_first_byte, begin),
        cmocka_unit_test_setup(a_pointer_into_a_block_of_any_size_finds_it_too, begin),
        cmocka_unit_test_setup(what_only_a_lost_block_leads_to_is_lost_with_it, begin),
        cmocka_unit_test_setup(of_a_circle_one_block_is_lost_and_the_others_with_it, begin),
        cmocka_unit_test_setup(freed_blocks_are_none_and_lead_nowhere, begin),
        cmocka_unit_test_setup(an_address_is_no_pointer_unless_it_is_a_word, begin),
        cmocka_unit_test_setup(blocks_of_mixed_zones_are_blocks, begin),
        cmocka_unit_test_setup(chunks_that_wait_to_be_put_back_are_no_blocks, begin),
        cmocka_unit_test_setup(what_cannot_be_read_is_left_out, begin),
        cmocka_unit_test_setup(random_graphs_are_classified_as_by_a_plain_reference, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
