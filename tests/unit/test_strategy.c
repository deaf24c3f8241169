/* test_strategy.c - a heap that is not lazy, and one that does not pool. */
#include "allocators/base/os.h"
#include "allocators/strategy.h"
#include "tests/unit/unit.h"

enum { MIB = 1024 * 1024, BLOCKS = 2000 };

static void *blocks[BLOCKS];

static uint64_t resident(void)
{
    uint64_t rss, rss_anon = 0;
    os_resident(&rss, &rss_anon);
    return rss_anon;
}

/* What a zeroed block of 24 MiB costs before it is used. */
static uint64_t cost_of_zeroed_block(void)
{
    heap_compact();
    uint64_t before = resident();
    char *p = heap_alloc_zeroed(24 * MIB);
    assert_non_null(p);
    uint64_t after = resident();
    for (size_t i = 0; i < 24 * MIB; i += 512)
        assert_int_equal(p[i], 0);
    heap_free(p);
    return after > before ? after - before : 0;
}

static void an_eager_heap_takes_all_pages_at_once(void **state)
{
    (void)state;
    size_t uncleared = strategy.uncleared_bytes;
    assert_true(cost_of_zeroed_block() < 4 * MIB);
    assert_int_equal(strategy.uncleared_bytes, uncleared + 24 * MIB);
    strategy_set(false, true);
    assert_true(cost_of_zeroed_block() > 20 * MIB);
    strategy_set(true, true);
    assert_true(cost_of_zeroed_block() < 4 * MIB);
}

/* Bytes that the heap keeps of freed blocks of one size. */
static size_t kept_after_free(size_t bytes)
{
    struct heap_stats stats;
    heap_compact();
    for (size_t i = 0; i < BLOCKS; i++)
        assert_non_null(blocks[i] = heap_alloc(bytes));
    for (size_t i = 0; i < BLOCKS; i++)
        heap_free(blocks[i]);
    heap_read_stats(&stats);
    return stats.cached_bytes;
}

static void a_heap_without_pools_keeps_a_few_objects(void **state)
{
    (void)state;
    assert_true(kept_after_free(256) > 30000);
    strategy_set(true, false);
    heap_compact();
    assert_true(kept_after_free(256) < 10000);
    strategy_set(true, true);
    assert_true(kept_after_free(256) > 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_eager_heap_takes_all_pages_at_once),
        cmocka_unit_test(a_heap_without_pools_keeps_a_few_objects),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, audit_small_heap);
}
