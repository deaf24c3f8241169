/* test_slab_tick.c - pages of free objects go back to the system, and sparse slabs run empty. */
#define _GNU_SOURCE
#include "tests/unit/death.h"

#include <sys/mman.h>

#include "allocators/pool.h"

enum { OBJECTS = 256 * 40, PAGE = 4096 };

/* Objects of 64 bytes, 64 to a page, 256 to a slab of one unit. */
static unsigned class_64;
static void *objects[OBJECTS];
static uint64_t now_ns; /* the time as the tests tell it: each one starts a day later */

static int setup(void **state)
{
    (void)state;
    start_small_heap();
    class_64 = size_class_of(64);
    return 0;
}

static int next_day(void **state)
{
    (void)state;
    now_ns += UINT64_C(86400) * 1000000000;
    slab_set_pace(CONF_PACE_ON, CONF_PACE_ON);
    return 0;
}

/* One whole look at everything, late enough to count. */
static size_t pass(void)
{
    now_ns += UINT64_C(1000000000);
    return slab_tick(now_ns, SIZE_MAX / 2);
}

static void take_all(unsigned count)
{
    for (unsigned taken = 0; taken < count;)
        taken += slab_take(class_64, objects + taken, count - taken);
    for (unsigned i = 0; i < count; i++)
        memset(objects[i], (int)i, 64);
}

/* Gives all but every `keep`th, which are moved to the front. How many stay. */
static unsigned thin(unsigned count, unsigned keep)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < count; i++) {
        if (i % keep == 0)
            objects[kept++] = objects[i];
        else
            slab_give(class_64, &objects[i], 1);
    }
    return kept;
}

static bool is_resident(const void *p)
{
    unsigned char resident = 0;
    void *page = (void *)((uintptr_t)p & ~(uintptr_t)(PAGE - 1));
    assert_int_equal(mincore(page, PAGE, &resident), 0);
    return (resident & 1) != 0;
}

static struct slab_stats stats_of(unsigned class)
{
    struct slab_stats stats;
    slab_read_stats(class, &stats);
    return stats;
}

static void give_all(unsigned count)
{
    slab_give(class_64, objects, count);
    slab_purge();
    slab_audit();
    assert_int_equal(stats_of(class_64).slabs, 0);
}

/* -- purging ---------------------------------------------------------------------------------- */

static void free_pages_of_a_used_slab_go_back_at_the_second_look(void **state)
{
    (void)state;
    slab_set_pace(CONF_PACE_ON, CONF_PACE_OFF);
    take_all(256 * 4);
    unsigned kept = thin(256 * 4, 256);
    size_t free_bytes = stats_of(class_64).free_bytes;
    assert_int_equal(pass(), 0);
    assert_true(is_resident((char *)objects[1] + PAGE));
    assert_int_equal(pass(), 4 * 3 * PAGE);
    for (unsigned i = 0; i < kept; i++) {
        assert_int_equal(*(unsigned char *)objects[i], 0); /* number 256 * i, as it was written */
        assert_true(is_resident(objects[i]));
        for (int page = 1; page < 4; page++)
            assert_false(is_resident((char *)objects[i] + page * PAGE));
    }
    assert_int_equal(stats_of(class_64).free_bytes, free_bytes - 4 * 3 * PAGE);
    assert_int_equal(pass(), 0); /* not again and again */
    slab_audit();
    give_all(kept);
}

static void a_page_that_was_used_between_two_looks_stays(void **state)
{
    (void)state;
    slab_set_pace(CONF_PACE_ON, CONF_PACE_OFF);
    take_all(256);
    char *base = objects[0];
    unsigned kept = thin(256, 128); /* the first of pages 0 and 2 */
    assert_int_equal(pass(), 0);
    void *more[64];
    assert_int_equal(slab_take(class_64, more, 64), 64); /* the rest of page 0, one of page 1 */
    assert_ptr_equal(more[63], base + PAGE);
    slab_give(class_64, more, 64);
    assert_int_equal(pass(), PAGE);
    assert_true(is_resident(base + PAGE));
    assert_false(is_resident(base + 3 * PAGE));
    assert_int_equal(pass(), PAGE);
    assert_false(is_resident(base + PAGE));
    give_all(kept);
}

static void a_slab_that_is_more_than_half_full_keeps_its_pages(void **state)
{
    (void)state;
    slab_set_pace(CONF_PACE_ON, CONF_PACE_OFF);
    take_all(256);
    slab_give(class_64, objects + 64, 64);
    assert_int_equal(pass() + pass() + pass(), 0);
    assert_int_equal(slab_purge(), PAGE); /* unless all is asked for */
    assert_false(is_resident(objects[64]));
    slab_audit();
    slab_give(class_64, objects + 128, 128);
    give_all(64);
}

static void objects_of_resident_pages_are_taken_before_purged_ones(void **state)
{
    (void)state;
    take_all(256);
    char *base = objects[0];
    slab_give(class_64, objects, 192); /* pages 0 to 2 */
    assert_int_equal(slab_purge(), 3 * PAGE);
    slab_give(class_64, objects + 200, 10);
    void *more[12];
    assert_int_equal(slab_take(class_64, more, 12), 12);
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(more[i], objects[200 + i]);
    assert_ptr_equal(more[10], base);
    assert_ptr_equal(more[11], base + 64);
    slab_audit();
    assert_int_equal(*(unsigned char *)more[11], 0); /* it reads as zero */
    slab_give(class_64, more, 12);
    slab_give(class_64, objects + 192, 8);
    slab_give(class_64, objects + 210, 46);
    give_all(0);
}

static void objects_across_pages_hold_both(void **state)
{
    (void)state;
    unsigned class = size_class_of(1536), count = 20;
    void *blocks[20];
    for (unsigned taken = 0; taken < count;)
        taken += slab_take(class, blocks + taken, count - taken);
    for (unsigned i = 0; i < count; i++)
        memset(blocks[i], (int)i + 1, 1536);
    for (unsigned i = 0; i < count; i++) {
        if (i % 5 != 2) /* number 2 lies on the first two pages */
            slab_give(class, &blocks[i], 1);
    }
    assert_true(slab_purge() > 0);
    slab_audit();
    for (unsigned i = 2; i < count; i += 5) {
        for (unsigned at = 0; at < 1536; at++)
            assert_int_equal(((unsigned char *)blocks[i])[at], i + 1);
        slab_give(class, &blocks[i], 1);
    }
    slab_purge();
    assert_int_equal(stats_of(class).slabs, 0);
}

static void a_slab_that_is_away_hands_out_nothing(void **state)
{
    (void)state;
    take_all(256);
    struct pool *pool = &pools[class_64];
    struct slab *slab = slab_of(objects[0]);
    slab_give(class_64, objects, 100);
    lock_take(&pool->lock);
    pool_send_away(pool, slab);
    lock_drop(&pool->lock);
    void *more = NULL;
    assert_int_equal(slab_take(class_64, &more, 1), 1);
    assert_ptr_not_equal(slab_of(more), slab); /* nobody takes from it */
    slab_give(class_64, objects + 100, 156);   /* what comes back is welcome */
    pass();                                    /* and nobody else looks at it */
    pass();
    assert_int_equal(slab->idle, 0);
    assert_true(slab->is_away);
    slab_audit();
    lock_take(&pool->lock);
    bool is_surplus = pool_bring_home(pool, slab);
    lock_drop(&pool->lock);
    assert_false(is_surplus);
    assert_int_equal(slab->free, 256);
    slab_audit();
    slab_give(class_64, &more, 1);
    give_all(0);
}

/* -- draining --------------------------------------------------------------------------------- */

static void sparse_slabs_drain_and_run_empty(void **state)
{
    (void)state;
    take_all(OBJECTS);
    unsigned kept = thin(OBJECTS, 3);
    pass();
    struct pool *pool = &pools[class_64];
    assert_true(pool->draining >= 20 && pool->draining < 30);
    slab_audit();
    static void *rest[OBJECTS];
    unsigned draining = 0, open = 0;
    void *one = NULL;
    for (int i = 0; i < 1000; i++) { /* refills avoid them */
        assert_int_equal(slab_take(class_64, &one, 1), 1);
        assert_false(slab_of(one)->is_draining);
        slab_give(class_64, &one, 1);
    }
    for (unsigned i = 0; i < kept; i++) { /* frees reach them, by both roads */
        bool is_draining = *space_ctl(space_unit_of(objects[i])) == CTL_DRAIN;
        assert_int_equal(is_draining, slab_of(objects[i])->is_draining);
        assert_int_equal(heap_owner_of(objects[i]), HEAP_OBJECT);
        assert_int_equal(heap_usable(objects[i]), 64);
        if (is_draining && draining++ % 2 == 0)
            slab_free(objects[i]);
        else if (is_draining)
            slab_give(class_64, &objects[i], 1);
        else
            rest[open++] = objects[i];
    }
    assert_int_equal(pool->draining, 0);
    assert_true(pool->slabs < OBJECTS / 256 / 2);
    slab_audit();
    slab_give(class_64, rest, open);
    give_all(0);
}

static void a_class_that_needs_memory_stops_draining_first(void **state)
{
    (void)state;
    take_all(OBJECTS);
    unsigned kept = thin(OBJECTS, 3);
    pass();
    struct pool *pool = &pools[class_64];
    uint32_t slabs = pool->slabs;
    assert_true(pool->draining > 0);
    for (unsigned count = kept; count < OBJECTS;) {
        count += slab_take(class_64, objects + count, OBJECTS - count);
        assert_true(pool->slabs == slabs || pool->draining == 0);
        kept = count;
    }
    assert_int_equal(pool->draining, 0);
    assert_int_equal(pool->slabs, slabs);
    slab_audit();
    give_all(kept);
}

static void a_full_class_does_not_drain(void **state)
{
    (void)state;
    take_all(OBJECTS);
    for (unsigned i = 0; i < OBJECTS; i += 20)
        slab_give(class_64, &objects[i], 1);
    pass();
    assert_int_equal(pools[class_64].draining, 0);
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (i % 20 != 0)
            slab_give(class_64, &objects[i], 1);
    }
    give_all(0);
}

static void what_is_switched_off_does_nothing(void **state)
{
    (void)state;
    slab_set_pace(CONF_PACE_OFF, CONF_PACE_OFF);
    take_all(OBJECTS);
    unsigned kept = thin(OBJECTS, 256);
    assert_int_equal(pass() + pass() + pass(), 0);
    assert_int_equal(pools[class_64].draining, 0);
    assert_int_equal(slab_purge(), 0);
    slab_set_pace(CONF_PACE_ON, CONF_PACE_ON);
    give_all(kept);
}

/* -- misuse ----------------------------------------------------------------------------------- */

static void free_twice(void *p)
{
    heap_free(p);
    heap_free(p);
}

static void misuse_of_a_draining_slab_is_told_at_once(void **state)
{
    (void)state;
    take_all(OBJECTS);
    unsigned kept = thin(OBJECTS, 3);
    pass();
    unsigned at = 0;
    while (!slab_of(objects[at])->is_draining)
        at++;
    assert_dies(free_twice, objects[at], "double free");
    assert_dies(heap_free, (char *)objects[at] + 16, "inside a block");
    give_all(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(free_pages_of_a_used_slab_go_back_at_the_second_look, next_day),
        cmocka_unit_test_setup(a_page_that_was_used_between_two_looks_stays, next_day),
        cmocka_unit_test_setup(a_slab_that_is_more_than_half_full_keeps_its_pages, next_day),
        cmocka_unit_test_setup(objects_of_resident_pages_are_taken_before_purged_ones, next_day),
        cmocka_unit_test_setup(objects_across_pages_hold_both, next_day),
        cmocka_unit_test_setup(a_slab_that_is_away_hands_out_nothing, next_day),
        cmocka_unit_test_setup(sparse_slabs_drain_and_run_empty, next_day),
        cmocka_unit_test_setup(a_class_that_needs_memory_stops_draining_first, next_day),
        cmocka_unit_test_setup(a_full_class_does_not_drain, next_day),
        cmocka_unit_test_setup(what_is_switched_off_does_nothing, next_day),
        cmocka_unit_test_setup(misuse_of_a_draining_slab_is_told_at_once, next_day),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
