/* test_heap.c - the heap as a whole: every size, owners, resizing, zeroing, numbers that add up. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "allocators/huge.h"
#include "allocators/large.h"

static const size_t some_sizes[] = {0,     1,      16,      17,       1024,     1025,     32768,
                                    32769, 100000, 1 << 20, 33554432, 33554433, 50000000, 5000};
enum { SOME_SIZES = sizeof(some_sizes) / sizeof(some_sizes[0]) };

static void every_size_is_usable_to_its_last_byte(void **state)
{
    (void)state;
    for (int i = 0; i < SOME_SIZES; i++) {
        char *p = heap_alloc(some_sizes[i]);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        size_t usable = heap_usable(p);
        assert_true(usable >= some_sizes[i]);
        memset(p, 0x5a, usable);
        assert_int_equal(heap_usable(p), usable);
        heap_free(p);
    }
    heap_audit();
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    assert_null(heap_alloc(SIZE_MAX));
    assert_null(heap_alloc((size_t)PTRDIFF_MAX + 1));
    assert_null(heap_alloc(PTRDIFF_MAX));
    assert_null(heap_alloc_aligned((size_t)1 << 62, 1));
    assert_null(heap_alloc_aligned(4096, PTRDIFF_MAX));
    void *p = heap_alloc(10);
    assert_null(heap_realloc(p, SIZE_MAX));
    heap_free(p);
    heap_audit();
}

static void zeroed_blocks_are_zero_although_dirt_is_recycled(void **state)
{
    (void)state;
    for (int i = 0; i < SOME_SIZES; i++) {
        void *dirt = heap_alloc(some_sizes[i]);
        memset(dirt, 0xff, heap_usable(dirt));
        heap_free(dirt);
        char *p = heap_alloc_zeroed(some_sizes[i]);
        assert_non_null(p);
        assert_int_equal(p[0], 0);
        assert_memory_equal(p, p + 1, heap_usable(p) - 1); /* each byte as the one before it */
        heap_free(p);
    }
}

static void every_alignment_is_kept(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= (size_t)1 << 28; alignment *= 2) {
        for (int i = 0; i < SOME_SIZES; i++) {
            if (some_sizes[i] > 200000)
                continue;
            char *p = heap_alloc_aligned(alignment, some_sizes[i]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % alignment, 0);
            p[0] = 1;
            assert_true(heap_usable(p) >= some_sizes[i]);
            heap_free(p);
        }
    }
    heap_audit();
}

static void an_address_is_told_apart_by_itself(void **state)
{
    (void)state;
    char local;
    char *object = heap_alloc(100), *large = heap_alloc(300000), *own = heap_alloc(50000000);
    assert_int_equal(heap_owner_of(NULL), HEAP_FOREIGN);
    assert_int_equal(heap_owner_of(&local), HEAP_FOREIGN);
    assert_int_equal(heap_owner_of((void *)UINTPTR_MAX), HEAP_FOREIGN);
    assert_int_equal(heap_owner_of(object), HEAP_OBJECT);
    assert_int_equal(heap_owner_of(large), HEAP_LARGE);
    assert_int_equal(heap_owner_of(large + 16), HEAP_INTERIOR);
    assert_int_equal(heap_owner_of(large + 20000), HEAP_INTERIOR);
    assert_int_equal(heap_owner_of(own), HEAP_HUGE);
    assert_int_equal(heap_owner_of(own + 40000000), HEAP_INTERIOR);
    heap_free(object);
    heap_free(large);
    heap_free(own);
    assert_int_equal(heap_owner_of(large), HEAP_FREE);
    assert_int_equal(heap_owner_of(own), HEAP_FREE); /* kept warm */
    huge_purge();
    assert_int_equal(heap_owner_of(own), HEAP_FOREIGN);
}

/* A period that no page, unit or size of a class is a multiple of; the rest repeats it. */
enum { PERIOD = 4099 };

static void fill(char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes && i < PERIOD; i++)
        p[i] = (char)(i * 31 + (i >> 8));
    for (size_t done = PERIOD; done < bytes; done *= 2)
        memcpy(p + done, p, done < bytes - done ? done : bytes - done);
}

static bool is_filled(const char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes && i < PERIOD; i++) {
        if (p[i] != (char)(i * 31 + (i >> 8)))
            return false;
    }
    return bytes <= PERIOD || memcmp(p, p + PERIOD, bytes - PERIOD) == 0;
}

static void realloc_keeps_the_contents_from_every_size_to_every_size(void **state)
{
    (void)state;
    for (int from = 0; from < SOME_SIZES; from++) {
        for (int to = 1; to < SOME_SIZES; to++) {
            char *p = heap_alloc(some_sizes[from]);
            size_t kept = some_sizes[from] < some_sizes[to] ? some_sizes[from] : some_sizes[to];
            fill(p, some_sizes[from]);
            p = heap_realloc(p, some_sizes[to]);
            assert_non_null(p);
            assert_true(is_filled(p, kept));
            assert_true(heap_usable(p) >= some_sizes[to]);
            heap_free(p);
        }
    }
    heap_audit();
}

static void a_large_block_grows_where_it_stands(void **state)
{
    (void)state;
    char *p = heap_alloc(20 << 20);
    fill(p, 1 << 20);
    for (size_t bytes = 19 << 20; bytes >= 1 << 20; bytes -= 1 << 20)
        assert_ptr_equal(heap_realloc(p, bytes), p);
    for (size_t bytes = 1 << 20; bytes < 20 << 20; bytes += 1 << 20)
        assert_ptr_equal(heap_realloc(p, bytes), p); /* what it gave away lies free behind it */
    assert_true(is_filled(p, 1 << 20));
    assert_ptr_equal(heap_realloc(p, 100000), p);
    heap_free(p);
    heap_audit();
}

static void the_parts_of_the_heap_add_up(void **state)
{
    (void)state;
    struct heap_stats before, stats;
    heap_compact();
    heap_read_stats(&before);
    void *objects[1000];
    for (int i = 0; i < 1000; i++)
        objects[i] = heap_alloc(100);
    void *large = heap_alloc(200000), *own = heap_alloc(40000000);
    heap_read_stats(&stats);
    assert_int_equal(stats.live_objects - before.live_objects, 1002);
    assert_int_equal(stats.live_bytes - before.live_bytes, 1000 * 112 + 200704 + 40001536);
    assert_int_equal(stats.huge_bytes - before.huge_bytes, 40001536);
    for (int i = 0; i < 1000; i++)
        heap_free(objects[i]);
    heap_free(large);
    heap_free(own);
    heap_read_stats(&stats);
    assert_int_equal(stats.live_bytes, before.live_bytes);
    assert_true(stats.cached_bytes + stats.external_bytes + stats.dirty_bytes >= 100000);
    heap_compact();
    heap_read_stats(&stats);
    assert_int_equal(stats.cached_bytes, 0);
    assert_int_equal(stats.dirty_bytes, 0);
}

static void own_mappings_survive_a_full_table(void **state)
{
    (void)state;
    enum { COUNT = 700 };
    static void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        assert_non_null(blocks[i] = huge_alloc(4096, 4096, true));
    for (int i = 0; i < COUNT; i += 2)
        assert_true(huge_free(blocks[i]));
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(huge_usable(blocks[i]), i % 2 == 0 ? 0 : 4096);
    for (int i = 1; i < COUNT; i += 2)
        assert_true(huge_free(blocks[i]));
    assert_false(huge_free(blocks[1]));
    struct huge_stats stats;
    huge_read_stats(&stats);
    assert_int_equal(stats.blocks, 0);
    assert_int_equal(stats.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_usable_to_its_last_byte),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(zeroed_blocks_are_zero_although_dirt_is_recycled),
        cmocka_unit_test(every_alignment_is_kept),
        cmocka_unit_test(an_address_is_told_apart_by_itself),
        cmocka_unit_test(realloc_keeps_the_contents_from_every_size_to_every_size),
        cmocka_unit_test(a_large_block_grows_where_it_stands),
        cmocka_unit_test(the_parts_of_the_heap_add_up),
        cmocka_unit_test(own_mappings_survive_a_full_table),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
