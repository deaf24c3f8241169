/* test_cache_cuts.c - a fork may cut the cache at any call of another module: what such a call
 * gives to others must be out of the caches already, or the child would find it twice.
 *
 * The cache is part of this file, with a function of ours in the place of magazine_put. */
#include "allocators/magazine.h"

static void put_looking_around(struct magazine *magazine);
#define magazine_put put_looking_around
#include "allocators/cache.c" // NOLINT
#undef magazine_put

#include "tests/unit/unit.h"

static unsigned puts_seen;

static void put_looking_around(struct magazine *magazine)
{
    const struct cache *cache = hand.cache;
    for (unsigned class = 0; cache != NULL && class < SIZE_CLASS_END; class ++) {
        assert_ptr_not_equal(cache->loaded[class], magazine);
        assert_ptr_not_equal(cache->previous[class], magazine);
    }
    puts_seen++;
    magazine_put(magazine);
}

/* Frees to the depot, takes from it, grows, flushes: all the ways of a magazine. */
static void a_magazine_is_let_go_of_before_it_is_given_away(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static void *objects[COUNT];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++)
            objects[i] = heap_alloc(128);
        for (int i = 0; i < COUNT; i++)
            heap_free(objects[i]);
    }
    heap_thread_exit();
    assert_true(puts_seen > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_magazine_is_let_go_of_before_it_is_given_away),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
