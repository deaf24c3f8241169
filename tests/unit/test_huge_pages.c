/* test_huge_pages.c - which pages own mappings have, and the room behind those that grow: with a
 * pool of huge pages of our own, and every wish of the heap to the system noted. */
#include "tests/unit/unit.h"

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/growth.h"
#include "allocators/huge.h"
#include "allocators/unit.h"

enum { MIB = 1024 * 1024, PAGE = 4096, POOL_PAGE = 2 * MIB };

static const uint64_t DECAY_NS = 3600000000000;

/* -- the system ------------------------------------------------------------------------------- */

static struct {
    size_t pool_bytes; /* what the pool still has */
    unsigned pool_calls;
    char *pool_start; /* the last mapping of the pool */
    size_t pool_mapped;
    unsigned uneven_purges; /* of parts of a pool's page */
    unsigned wishes, huge_wishes;
    char *wished_start;
    size_t wished_bytes;
    unsigned remaps;
    bool refuses_remaps;
} sys;

#define WRAPPED(result, name, ...)                                                                 \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

static bool is_of_pool(const char *start)
{
    return sys.pool_start != NULL && (size_t)(start - sys.pool_start) < sys.pool_mapped;
}

void *__wrap_os_map_pool(size_t bytes, size_t page_bytes);
void *__wrap_os_map_pool(size_t bytes, size_t page_bytes)
{
    sys.pool_calls++;
    assert_int_equal(bytes % page_bytes, 0);
    if (bytes > sys.pool_bytes)
        return NULL;
    sys.pool_bytes -= bytes;
    char *start = os_map(bytes + page_bytes);
    sys.pool_start = (char *)round_up((uintptr_t)start, page_bytes);
    sys.pool_mapped = bytes;
    return sys.pool_start;
}

WRAPPED(int, os_purge, void *start, size_t bytes)
{
    if (is_of_pool(start))
        sys.uneven_purges += ((uintptr_t)start | bytes) % POOL_PAGE != 0;
    return __real_os_purge(start, bytes);
}

/* The system does not extend what is of a pool. */
WRAPPED(void *, os_remap, void *start, size_t old_bytes, size_t new_bytes)
{
    sys.remaps++;
    if (sys.refuses_remaps)
        return NULL;
    if (is_of_pool(start) && (new_bytes > old_bytes || new_bytes % POOL_PAGE != 0))
        return NULL;
    return __real_os_remap(start, old_bytes, new_bytes);
}

void __wrap_os_set_huge(void *start, size_t bytes, bool huge);
void __wrap_os_set_huge(void *start, size_t bytes, bool huge)
{
    sys.wishes++;
    sys.huge_wishes += huge;
    sys.wished_start = start;
    sys.wished_bytes = bytes;
}

static void start(enum conf_thp thp, enum conf_hugetlb hugetlb, size_t pool_bytes)
{
    huge_purge();
    memset(&sys, 0, sizeof(sys));
    sys.pool_bytes = pool_bytes;
    huge_init(DECAY_NS, thp, hugetlb);
}

/* -- pools ------------------------------------------------------------------------------------ */

static void blocks_come_from_the_pool_while_it_has_pages(void **state)
{
    (void)state;
    start(CONF_THP_OFF, CONF_HUGETLB_2M, 100 * MIB);
    char *pooled = huge_alloc(64 * MIB, 1, false);
    assert_ptr_equal(pooled, sys.pool_start);
    char *other = huge_alloc(64 * MIB, 1, true);
    assert_non_null(other);
    assert_false(is_of_pool(other));
    assert_int_equal(sys.pool_calls, 2);
    assert_int_equal(sys.wishes, 1); /* transparent ones are no matter of pools */
    memset(pooled, 1, 64 * MIB);
    memset(other, 1, 64 * MIB);
    assert_true(huge_free(pooled) && huge_free(other));
}

static void a_pool_is_not_asked_for_pages_of_which_more_than_an_eighth_is_wasted(void **state)
{
    (void)state;
    start(CONF_THP_OFF, CONF_HUGETLB_1G, (size_t)4 << 30);
    assert_true(huge_free(huge_alloc(64 * MIB, 1, false)));
    assert_true(huge_free(huge_alloc(800 * MIB, 1, false)));
    assert_int_equal(sys.pool_calls, 0);
    char *p = huge_alloc(1000 * (size_t)MIB, 1, false);
    assert_ptr_equal(p, sys.pool_start);
    assert_int_equal(sys.pool_mapped, 1024 * (size_t)MIB);
    assert_int_equal(huge_usable(p), 1000 * (size_t)MIB);
    assert_true(huge_free(p));
}

static void without_the_option_there_is_no_pool(void **state)
{
    (void)state;
    start(CONF_THP_OFF, CONF_HUGETLB_OFF, 100 * MIB);
    assert_true(huge_free(huge_alloc(64 * MIB, 1, false)));
    assert_int_equal(sys.pool_calls, 0);
}

static void the_rest_of_the_last_page_is_room(void **state)
{
    (void)state;
    start(CONF_THP_OFF, CONF_HUGETLB_2M, 100 * MIB);
    char *p = huge_alloc(33 * MIB, 1, false);
    assert_int_equal(huge_usable(p), 33 * MIB);
    assert_true(huge_grow(p, 34 * MIB));
    assert_false(huge_grow(p, 34 * MIB + 1));
    assert_true(huge_free(p));
}

static void pages_of_a_pool_are_given_back_whole(void **state)
{
    (void)state;
    start(CONF_THP_OFF, CONF_HUGETLB_2M, 60 * MIB);
    char *p = huge_alloc(60 * MIB, 1, false);
    memset(p, 1, 60 * MIB);
    assert_true(huge_free(p));
    assert_ptr_equal(huge_alloc(41 * MIB + PAGE, 1, false), p); /* warm */
    assert_int_equal(sys.uneven_purges, 0);
    assert_int_equal(p[42 * MIB - 1], 1); /* in a page that is needed */
    assert_int_equal(p[42 * MIB], 0);
    assert_ptr_equal(huge_realloc(p, 33 * MIB), p);
    assert_int_equal(huge_usable(p), 33 * MIB);
    assert_true(os_is_mapped(p + 33 * MIB, MIB));
    assert_true(huge_free(p));
}

static void what_the_system_cannot_extend_is_copied(void **state)
{
    (void)state;
    start(CONF_THP_OFF, CONF_HUGETLB_2M, 40 * MIB);
    char *p = heap_alloc(40 * MIB);
    assert_ptr_equal(p, sys.pool_start);
    memset(p, 'c', 40 * MIB);
    char *moved = heap_realloc(p, 50 * MIB);
    assert_non_null(moved);
    assert_ptr_not_equal(moved, p);
    assert_int_equal(moved[0], 'c');
    assert_int_equal(moved[40 * MIB - 1], 'c');
    assert_int_equal(heap_usable(moved), 50 * MIB);
    heap_free(moved);
}

/* -- transparent huge pages ------------------------------------------------------------------- */

static void automatic_ones_are_for_what_must_be_written_first(void **state)
{
    (void)state;
    start(CONF_THP_AUTO, CONF_HUGETLB_OFF, 0);
    char *zeroed = huge_alloc(40 * MIB, 1, true);
    assert_int_equal(sys.wishes, 0);
    char *p = huge_alloc(40 * MIB + 1, 1, false);
    assert_int_equal(sys.huge_wishes, 1);
    assert_ptr_equal(sys.wished_start, p);
    assert_int_equal(sys.wished_bytes, 40 * MIB + PAGE); /* so no huge page holds more */
    assert_true(huge_free(p) && huge_free(zeroed));
}

static void on_and_off_are_for_all(void **state)
{
    (void)state;
    start(CONF_THP_ON, CONF_HUGETLB_OFF, 0);
    assert_true(huge_free(huge_alloc(40 * MIB, 1, true)));
    assert_int_equal(sys.huge_wishes, 1);
    start(CONF_THP_OFF, CONF_HUGETLB_OFF, 0);
    assert_true(huge_free(huge_alloc(40 * MIB, 1, false)));
    assert_int_equal(sys.wishes, 1);
    assert_int_equal(sys.huge_wishes, 0);
}

static void small_heaps_have_none_but_by_wish(void **state)
{
    (void)state;
    start(CONF_THP_AUTO, CONF_HUGETLB_OFF, 0);
    space_choose_pages(CONF_THP_AUTO);
    assert_int_equal(sys.huge_wishes, 0);
    assert_int_equal(sys.wished_bytes, 64 * MIB);
    space_choose_pages(CONF_THP_ON);
    assert_int_equal(sys.huge_wishes, 1);
    assert_int_equal(sys.wished_bytes, space_units_max() * UNIT_BYTES);
}

/* -- growing blocks --------------------------------------------------------------------------- */

static size_t resident;

static void read_resident(const struct os_mapping *mapping, void *p)
{
    if (mapping->start <= (uintptr_t)p && (uintptr_t)p < mapping->end)
        resident = mapping->resident_bytes;
}

static void the_room_of_a_growing_block_is_address_space_only(void **state)
{
    (void)state;
    start(CONF_THP_OFF, CONF_HUGETLB_OFF, 0);
    struct huge_stats before, stats;
    huge_read_stats(&before);
    char *p = huge_alloc_growing(300 * MIB);
    os_visit_mappings(read_resident, p); /* with what the system joins to it */
    size_t untouched = resident;
    memset(p, 1, MIB);
    os_visit_mappings(read_resident, p);
    assert_int_equal(resident - untouched, MIB);
    huge_read_stats(&stats);
    assert_int_equal(stats.bytes - before.bytes, 300 * MIB);
    assert_true(huge_grow(p, 600 * MIB));
    assert_false(huge_grow(p, 600 * MIB + 1));
    assert_int_equal(huge_usable(p), 600 * MIB);
    p = huge_realloc(p, 601 * MIB); /* and room again */
    assert_int_equal(p[MIB - 1], 1);
    assert_ptr_equal(huge_realloc(p, 1200 * MIB), p);
    assert_ptr_equal(huge_realloc(p, 100 * MIB), p);
    assert_false(huge_grow(p, 100 * MIB + 1)); /* a block that shrinks keeps none */
    assert_true(huge_free(p));
}

/* As a huge page brings it that the end of the block lies in. */
static void what_lies_behind_a_growing_block_goes_back(void **state)
{
    (void)state;
    start(CONF_THP_OFF, CONF_HUGETLB_OFF, 0);
    char *p = huge_alloc_growing(300 * MIB + 5 * PAGE);
    char *end = p + huge_usable(p);
    memset(end - 2 * PAGE, 1, 5 * PAGE);
    assert_int_equal(huge_purge_slack(), 3 * PAGE);
    assert_int_equal(huge_purge_slack(), 0);
    assert_int_equal(end[-1], 1);
    assert_int_equal(end[0], 0);
    assert_true(huge_free(p));
}

/* Takes the unit behind a block, so that it cannot grow there. UNIT_NONE: it is not free. */
static uint32_t wall_in(const char *p)
{
    uint32_t first = (uint32_t)space_unit_of(p);
    size_t units = large_units_for(heap_usable(p));
    return unit_extend(first, units, 1, NULL) ? first + (uint32_t)units : UNIT_NONE;
}

/* Steps of a tenth, walled in at each of them as long as it is in the reservation. */
static void a_block_that_grows_again_and_again_is_hardly_ever_moved(void **state)
{
    (void)state;
    start(CONF_THP_AUTO, CONF_HUGETLB_OFF, 0);
    uint32_t walls[100];
    unsigned steps = 0, walled = 0, moves = 0;
    char *p = heap_alloc(MIB);
    size_t bytes = MIB;
    while (bytes < 200 * MIB) {
        if (heap_owner_of(p) == HEAP_LARGE)
            walls[walled++] = wall_in(p);
        steps++;
        p[bytes - 1] = (char)steps;
        size_t more = bytes + bytes / 10;
        char *moved = heap_realloc(p, more);
        assert_non_null(moved);
        assert_int_equal(moved[bytes - 1], (char)steps);
        assert_int_equal(heap_usable(moved), round_up(more, PAGE));
        moves += moved != p && bytes > 5 * MIB;
        bytes = more;
        p = moved;
    }
    assert_int_equal(heap_owner_of(p), HEAP_HUGE);
    assert_true(steps > 50 && moves <= 6 && sys.remaps <= 6); /* once per doubling, at most */
    assert_true(sys.huge_wishes >= 1);
    heap_free(p);
    while (walled-- > 0) {
        if (walls[walled] != UNIT_NONE)
            unit_free(walls[walled], 1);
    }
    heap_audit();
}

static void a_block_that_grows_once_stays_in_the_reservation(void **state)
{
    (void)state;
    start(CONF_THP_AUTO, CONF_HUGETLB_OFF, 0);
    char *p = heap_alloc(8 * MIB);
    uint32_t wall = wall_in(p);
    p = heap_realloc(p, 10 * MIB);
    assert_int_equal(heap_owner_of(p), HEAP_LARGE);
    heap_free(p);
    if (wall != UNIT_NONE)
        unit_free(wall, 1);
}

/* What was taken of a limit for it is there for the next one. */
static void growth_that_the_system_refuses_is_given_back(void **state)
{
    (void)state;
    start(CONF_THP_OFF, CONF_HUGETLB_OFF, 0);
    const int64_t left = (int64_t)1 << 50;
    growth_allow(left);
    char *p = huge_alloc(64 * MIB, 1, false);
    sys.refuses_remaps = true;
    assert_null(huge_realloc(p, 128 * MIB));
    assert_null(huge_alloc_growing((size_t)1 << 47));
    assert_true(atomic_load(&growth.left) == left - 64 * MIB);
    growth_allow(GROWTH_ANY);
    assert_true(huge_free(p));
}

static int setup(void **state)
{
    (void)state;
    start_small_heap();
    heap_free(heap_alloc(1));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_from_the_pool_while_it_has_pages),
        cmocka_unit_test(a_pool_is_not_asked_for_pages_of_which_more_than_an_eighth_is_wasted),
        cmocka_unit_test(without_the_option_there_is_no_pool),
        cmocka_unit_test(the_rest_of_the_last_page_is_room),
        cmocka_unit_test(pages_of_a_pool_are_given_back_whole),
        cmocka_unit_test(what_the_system_cannot_extend_is_copied),
        cmocka_unit_test(automatic_ones_are_for_what_must_be_written_first),
        cmocka_unit_test(on_and_off_are_for_all),
        cmocka_unit_test(small_heaps_have_none_but_by_wish),
        cmocka_unit_test(the_room_of_a_growing_block_is_address_space_only),
        cmocka_unit_test(what_lies_behind_a_growing_block_goes_back),
        cmocka_unit_test(a_block_that_grows_again_and_again_is_hardly_ever_moved),
        cmocka_unit_test(a_block_that_grows_once_stays_in_the_reservation),
        cmocka_unit_test(growth_that_the_system_refuses_is_given_back),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
