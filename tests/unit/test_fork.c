/* test_fork.c - structures that a fork cut in the middle of a change are rebuilt in the child.
 *
 * The cut is made by hand: the modules are part of this file, so that a lock can be left taken and
 * counts wrong as a vanished thread would leave them. */
#include "allocators/block_table.c" // NOLINT
#include "allocators/depot.c"       // NOLINT

#include "allocators/pool.h"
#include "tests/unit/unit.h"

static void leave_taken(struct lock *lock)
{
    atomic_store(&lock->word, 1);
}

static void a_class_is_recounted_from_its_bitmaps(void **state)
{
    (void)state;
    enum { COUNT = 700 };
    static void *objects[COUNT], *more[COUNT];
    unsigned class = size_class_of(200);
    for (unsigned taken = 0; taken < COUNT;)
        taken += slab_take(class, objects + taken, COUNT - taken);
    struct pool *pool = &pools[class];
    leave_taken(&pool->lock);
    slab_of(objects[3])->free = 0; /* a slab between its bits and its counts */
    slab_of(objects[3])->bucket = 5;
    pool->taken = 12345;
    pool->buckets[2] = 99;
    slab_fork_child();
    slab_audit();
    assert_int_equal(pool->taken, COUNT);
    for (unsigned taken = 0; taken < COUNT;)
        taken += slab_take(class, more + taken, COUNT - taken);
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < COUNT; k++)
            assert_ptr_not_equal(objects[i], more[k]);
    }
    slab_give(class, objects, COUNT);
    slab_give(class, more, COUNT);
    slab_audit();
}

static void a_class_that_was_not_cut_is_left_alone(void **state)
{
    (void)state;
    void *p = NULL;
    unsigned class = size_class_of(64);
    assert_int_equal(slab_take(class, &p, 1), 1);
    uint64_t held = slab_of(p)->held;
    slab_fork_child();
    assert_int_equal(slab_of(p)->held, held); /* a recount would say: all of it */
    slab_give(class, &p, 1);
}

/* Of slabs that got their last objects back when the fork cut, one stays. */
static void one_empty_slab_is_kept(void **state)
{
    (void)state;
    unsigned class = size_class_of(3000);
    struct pool *pool = &pools[class];
    void *objects[100];
    for (unsigned taken = 0; taken < 100;)
        taken += slab_take(class, objects + taken, 100 - taken);
    leave_taken(&pool->lock);
    for (int i = 0; i < 100; i++) {
        struct slab *slab = slab_of(objects[i]);
        bits_set(slab->free_bits, 0, slab_class(slab)->objects);
    }
    slab_fork_child();
    slab_audit();
    assert_int_equal(pool->slabs, 1);
    assert_int_equal(pool->taken, 0);
    for (unsigned taken = 0; taken < 100;)
        taken += slab_take(class, objects + taken, 100 - taken);
    slab_give(class, objects, 100);
    heap_audit();
}

static void set_draining(struct slab *slab, bool is_draining)
{
    struct pool *pool = &pools[slab->class];
    lock_take(&pool->lock);
    pool_set_draining(pool, slab, is_draining);
    lock_drop(&pool->lock);
}

static void a_slab_that_was_starting_to_drain_is_open_again(void **state)
{
    (void)state;
    void *objects[3];
    unsigned class = size_class_of(20000); /* slabs of several units */
    assert_int_equal(slab_take(class, objects, 3), 3);
    struct slab *slab = slab_of(objects[0]);
    set_draining(slab, true);
    slab_fork_child(); /* not cut: it goes on draining */
    slab_audit();
    assert_true(slab->is_draining);
    leave_taken(&pools[class].lock);
    *space_ctl(slab->first + 1) = slab->class; /* a label half written */
    slab_fork_child();
    slab_audit();
    assert_false(slab->is_draining);
    assert_int_equal(*space_ctl(slab->first), class);
    slab_give(class, objects, 3);
    slab_audit();
}

static void a_slab_that_was_away_comes_home(void **state)
{
    (void)state;
    void *objects[100];
    unsigned class = size_class_of(64);
    assert_int_equal(slab_take(class, objects, 100), 100);
    struct pool *pool = &pools[class];
    lock_take(&pool->lock);
    pool_send_away(pool, slab_of(objects[0]));
    lock_drop(&pool->lock);
    slab_give(class, objects + 50, 50);
    slab_fork_child();
    slab_audit();
    assert_int_equal(pool->away, 0);
    void *again = NULL;
    assert_int_equal(slab_take(class, &again, 1), 1);
    assert_ptr_equal(again, objects[50]);
    slab_give(class, objects, 51);
    slab_audit();
}

static void a_shelf_is_recounted_from_its_list(void **state)
{
    (void)state;
    unsigned class = size_class_of(32);
    depot_init(1);
    for (int i = 0; i < 3; i++) {
        struct magazine *magazine = magazine_get(class, 0);
        magazine->rounds = slab_take(class, magazine->slot + 1, magazine->capacity);
        assert_true(depot_put(magazine));
    }
    leave_taken(&shelves[0][class].lock);
    shelves[0][class].rounds = 1;
    shelves[0][class].count = 77;
    depot_fork_child();
    assert_int_equal(shelves[0][class].count, 3);
    assert_int_equal(depot_rounds(class), 3 * MAGAZINE_FIRST_ROUNDS);
    depot_drain();
    assert_int_equal(pools[class].taken, 0);
}

static void a_table_of_blocks_keeps_each_block_once(void **state)
{
    (void)state;
    struct block_table table = BLOCK_TABLE_INIT;
    for (uintptr_t i = 1; i <= 100; i++)
        assert_true(block_table_insert(&table, (void *)(i << 20), i, 2 * i));
    leave_taken(&table.lock);
    struct block_slots *slots = slots_of(&table);
    for (size_t i = 0; i < slots->count; i++) { /* a block that was being shifted: there twice */
        if (slots->at[i].address == 0 && slots->at[(i - 1) & (slots->count - 1)].address != 0) {
            const struct block *left = &slots->at[(i - 1) & (slots->count - 1)];
            set_block(&slots->at[i], left->address, left->bytes, left->room);
            break;
        }
    }
    table.used = 3;
    block_table_fork_child(&table);
    size_t blocks, bytes;
    block_table_read_totals(&table, &blocks, &bytes);
    assert_int_equal(blocks, 100);
    assert_int_equal(bytes, 5050);
    for (uintptr_t i = 1; i <= 100; i++) {
        size_t room;
        assert_int_equal(block_table_remove(&table, (void *)(i << 20), &room), i);
        assert_int_equal(room, 2 * i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_is_recounted_from_its_bitmaps),
        cmocka_unit_test(a_class_that_was_not_cut_is_left_alone),
        cmocka_unit_test(one_empty_slab_is_kept),
        cmocka_unit_test(a_slab_that_was_starting_to_drain_is_open_again),
        cmocka_unit_test(a_slab_that_was_away_comes_home),
        cmocka_unit_test(a_shelf_is_recounted_from_its_list),
        cmocka_unit_test(a_table_of_blocks_keeps_each_block_once),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
