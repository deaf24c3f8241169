/* test_zeroed.c - calloc of objects from a page on: zero whatever lay there, and what was never
 * touched stays so. */
#define _GNU_SOURCE /* mkstemp, mincore */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "allocators/cache.h"
#include "allocators/depot.h"
#include "allocators/pool.h"

enum { PAGE = 4096, EXACT_BYTES = 5008, COUNT = 200 };

static char *blocks[COUNT];

/* A heap with a class that no multiple of a page fits. */
static int setup(void **state)
{
    (void)state;
    static const char text[] = "mpress-profile 1\nclass 5008\nend\n";
    static struct conf conf;
    char path[] = "/tmp/test_zeroed.XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(write(file, text, sizeof(text) - 1), sizeof(text) - 1);
    close(file);
    conf_init(&conf);
    conf.reserve = UINT64_C(1) << 32;
    conf.decay_ms = 3600000;
    snprintf(conf.profile, sizeof(conf.profile), "%s", path);
    assert_int_equal(heap_init(&conf), 0);
    unlink(path);
    assert_true(heap_has_profile());
    return 0;
}

static size_t resident_pages(const void *p, size_t bytes)
{
    unsigned char resident[16] = {0};
    uintptr_t from = (uintptr_t)p / PAGE, end = ((uintptr_t)p + bytes + PAGE - 1) / PAGE;
    size_t pages = 0;
    assert_true(end - from <= sizeof(resident));
    assert_int_equal(mincore((void *)(from * PAGE), (end - from) * PAGE, resident), 0);
    for (size_t page = 0; page < end - from; page++)
        pages += resident[page] & 1;
    return pages;
}

static bool is_zero(const char *p, size_t bytes)
{
    return p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0;
}

static char *zeroed(size_t bytes)
{
    char *p = heap_alloc_zeroed(bytes);
    assert_non_null(p);
    return p;
}

static void free_blocks(void)
{
    for (int i = 0; i < COUNT; i++)
        heap_free(blocks[i]);
    cache_flush();
    depot_drain();
}

/* Every second one is free again, but not known to its thread any more. */
static void make_holes(size_t bytes)
{
    for (int i = 0; i < COUNT; i++)
        blocks[i] = memset(zeroed(bytes), 0xa5, bytes);
    for (int i = 0; i < COUNT; i += 2)
        heap_free(blocks[i]);
    cache_flush();
    depot_drain();
}

static void fill_holes(size_t bytes)
{
    for (int i = 0; i < COUNT; i += 2)
        blocks[i] = zeroed(bytes);
}

static const size_t sizes[] = {4096, 4097, EXACT_BYTES, 6144, 8192, 9216, 16384, 20480, 32768};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void fresh_objects_are_not_touched(void **state)
{
    (void)state;
    for (int size = 0; size < SIZES; size++) {
        size_t resident = 0;
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = zeroed(sizes[size]);
            resident += resident_pages(blocks[i], sizes[size]);
        }
        assert_int_equal(resident, 0);
        slab_audit();
        free_blocks(); /* which keeps one slab of each class at most */
        heap_compact();
    }
}

static void what_was_used_before_is_cleared(void **state)
{
    (void)state;
    for (int size = 0; size < SIZES; size++) {
        make_holes(sizes[size]);
        fill_holes(sizes[size]);
        for (int i = 0; i < COUNT; i += 2)
            assert_true(is_zero(blocks[i], sizes[size]));
        free_blocks();
    }
    heap_audit();
}

static void a_slab_of_used_units_is_cleared(void **state)
{
    (void)state;
    for (int size = 0; size < SIZES; size++) {
        for (int i = 0; i < COUNT; i++)
            blocks[i] = memset(heap_alloc(1000), 0xa5, 1000);
        free_blocks();
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = zeroed(sizes[size]);
            assert_true(is_zero(blocks[i], sizes[size]));
        }
        free_blocks();
    }
    heap_audit();
}

/* Of a hole whose whole pages were purged, only the ends lie on pages of its neighbours. */
static void of_a_purged_object_only_the_shared_pages_are_touched(void **state)
{
    (void)state;
    for (int size = 0; size < SIZES; size++) {
        make_holes(sizes[size]);
        slab_purge();
        fill_holes(sizes[size]);
        for (int i = 0; i < COUNT; i += 2) {
            bool is_aligned = (uintptr_t)blocks[i] % PAGE == 0 && sizes[size] % PAGE == 0;
            assert_true(resident_pages(blocks[i], sizes[size]) <= (is_aligned ? 0 : 2));
            assert_true(is_zero(blocks[i], sizes[size]));
        }
        free_blocks();
    }
    heap_audit();
}

/* Blocks that malloc got first and calloc gets next, in any order, over purges and draining slabs.
 */
static void random_reuse_reads_as_zero(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252;
    uint64_t now_ns = 0;
    memset(blocks, 0, sizeof(blocks));
    for (int step = 0; step < 40000 / TEST_DIVISOR; step++) {
        char **block = &blocks[random_next(&random) % COUNT];
        size_t bytes = sizes[random_next(&random) % SIZES];
        if (*block != NULL) {
            heap_free(*block);
            *block = NULL;
        } else if (random_next(&random) % 2 != 0) {
            *block = memset(heap_alloc(bytes), 0xa5, bytes);
        } else {
            *block = zeroed(bytes);
            assert_true(is_zero(*block, bytes));
            memset(*block, 0x5a, bytes);
        }
        if (step % 50 == 0)
            cache_flush();
        if (step % 500 == 0)
            slab_tick(now_ns += UINT64_C(1000000000), SIZE_MAX / 2);
        if (step % 3000 == 0)
            heap_compact();
    }
    for (int i = 0; i < COUNT; i++)
        blocks[i] = blocks[i] != NULL ? blocks[i] : zeroed(PAGE);
    free_blocks();
    heap_audit();
}

static void a_class_that_a_fork_cut_forgets_what_is_fresh(void **state)
{
    (void)state;
    unsigned class = size_class_of(8192);
    make_holes(8192);
    for (int i = 0; i < COUNT; i += 2) { /* taken just now by the thread that vanished */
        struct slab *slab = slab_of(blocks[i]);
        slab->held = 0;
        slab->fresh = 0;
    }
    atomic_store(&pools[class].lock.word, 1);
    slab_fork_child();
    slab_audit();
    fill_holes(8192);
    for (int i = 0; i < COUNT; i += 2)
        assert_true(is_zero(blocks[i], 8192));
    free_blocks();
    heap_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_objects_are_not_touched),
        cmocka_unit_test(what_was_used_before_is_cleared),
        cmocka_unit_test(a_slab_of_used_units_is_cleared),
        cmocka_unit_test(of_a_purged_object_only_the_shared_pages_are_touched),
        cmocka_unit_test(random_reuse_reads_as_zero),
        cmocka_unit_test(a_class_that_a_fork_cut_forgets_what_is_fresh),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
