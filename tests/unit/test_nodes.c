/* test_nodes.c - partly used slabs by node. The machine is wrapped: it has two nodes, and the tests
 * say on which they run. */
#include "tests/unit/unit.h"

#include "allocators/base/os.h"
#include "allocators/pool.h"
#include "allocators/unit.h"

unsigned __wrap_os_cpus(void);
unsigned __wrap_os_node(void);
unsigned __wrap_os_nodes(void);
unsigned __real_os_node(void);
unsigned __real_os_nodes(void);

enum { BYTES = 64, OBJECTS = UNIT_BYTES / BYTES };

static unsigned current_node;
static void *objects[2][OBJECTS]; /* of a slab of each node */

unsigned __wrap_os_cpus(void)
{
    return 8;
}

unsigned __wrap_os_node(void)
{
    return current_node;
}

unsigned __wrap_os_nodes(void)
{
    return 2;
}

static unsigned slab_class_of_test(void)
{
    return size_class_of(BYTES);
}

static const struct slab *take_one(unsigned node, void **p)
{
    current_node = node;
    assert_int_equal(slab_take(slab_class_of_test(), p, 1), 1);
    return slab_of(*p);
}

/* A slab of each node: that of node 0 is the emptier one. */
static void make_slabs(void)
{
    for (current_node = 0; current_node < 2; current_node++)
        assert_int_equal(slab_take(slab_class_of_test(), objects[current_node], OBJECTS), OBJECTS);
    for (unsigned node = 0; node < 2; node++) {
        slab_give(slab_class_of_test(), objects[node], node == 0 ? OBJECTS / 2 : 2);
        assert_int_equal(slab_of(objects[node][OBJECTS - 1])->node, node);
    }
    slab_audit();
}

static void end_slabs(void)
{
    slab_give(slab_class_of_test(), objects[0] + OBJECTS / 2, OBJECTS / 2);
    slab_give(slab_class_of_test(), objects[1] + 2, OBJECTS - 2);
    slab_audit();
    slab_purge();
    unit_audit();
}

static void each_node_refills_from_its_own_slabs(void **state)
{
    (void)state;
    void *p[2];
    make_slabs();
    for (unsigned node = 0; node < 2; node++)
        assert_ptr_equal(take_one(node, &p[node]), slab_of(objects[node][OBJECTS - 1]));
    slab_give(slab_class_of_test(), p, 2);
    end_slabs();
}

static void a_node_without_free_objects_takes_those_of_another(void **state)
{
    (void)state;
    void *p, *others;
    make_slabs();
    current_node = 1;
    assert_int_equal(slab_take(slab_class_of_test(), objects[1], 2), 2);
    assert_ptr_equal(take_one(1, &p), slab_of(objects[0][OBJECTS - 1]));
    slab_give(slab_class_of_test(), objects[1], 2);
    assert_ptr_equal(take_one(1, &others), slab_of(objects[1][OBJECTS - 1]));
    slab_give(slab_class_of_test(), &p, 1);
    slab_give(slab_class_of_test(), &others, 1);
    end_slabs();
}

static void a_class_that_a_fork_cut_has_its_nodes_again(void **state)
{
    (void)state;
    void *p[2];
    make_slabs();
    atomic_store(&pools[slab_class_of_test()].lock.word, 1);
    slab_fork_child();
    slab_audit();
    for (unsigned node = 0; node < 2; node++)
        assert_ptr_equal(take_one(node, &p[node]), slab_of(objects[node][OBJECTS - 1]));
    slab_give(slab_class_of_test(), p, 2);
    end_slabs();
}

static void the_machine_says_its_nodes(void **state)
{
    (void)state;
    assert_in_range(__real_os_nodes(), 1, 4096);
    assert_in_range(__real_os_node(), 0, __real_os_nodes() - 1);
}

static int setup(void **state)
{
    (void)state;
    start_small_heap();
    assert_int_equal(pool_nodes, 2);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_node_refills_from_its_own_slabs),
        cmocka_unit_test(a_node_without_free_objects_takes_those_of_another),
        cmocka_unit_test(a_class_that_a_fork_cut_has_its_nodes_again),
        cmocka_unit_test(the_machine_says_its_nodes),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
