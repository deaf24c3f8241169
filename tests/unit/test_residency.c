/* test_residency.c - what of heap and mappings is there, by pages that the test touches itself. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "preload/residency.h"

#include <string.h>
#include <sys/mman.h>

#include "allocators/base/os.h"
#include "allocators/heap.h"
#include "preload/budget_slot.h"
#include "preload/mapped.h"
#include "tests/unit/unit.h"

enum { MIB = 1024 * 1024 };

static struct budget_slot slot;
struct budget_slot *budget_slot = &slot;

static char *map(size_t bytes)
{
    char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(start != MAP_FAILED);
    mapped_add((uintptr_t)start, bytes);
    return start;
}

static void unmap(char *start, size_t bytes)
{
    munmap(start, bytes);
    mapped_remove((uintptr_t)start, bytes);
}

static void what_was_mapped_is_there_when_it_is_touched(void **state)
{
    (void)state;
    struct residency none, some, gone;
    residency_read(&none);
    char *start = map(64 * MIB);
    memset(start + 8 * MIB, 1, 4 * MIB);
    residency_read(&some);
    assert_int_equal(some.mapped - none.mapped, 4 * MIB);
    assert_int_equal(mapped_bytes(), 64 * MIB);
    unmap(start, 64 * MIB);
    residency_read(&gone);
    assert_int_equal(gone.mapped, none.mapped);
}

/* One that another thread unmaps meanwhile, as here one that nobody said was unmapped. */
static void a_range_that_is_gone_counts_nothing(void **state)
{
    (void)state;
    struct residency none, after;
    residency_read(&none);
    char *gone = map(2 * MIB), *there = map(2 * MIB);
    memset(gone, 1, 2 * MIB);
    memset(there, 1, 2 * MIB);
    munmap(gone, 2 * MIB);
    residency_read(&after);
    assert_int_equal(after.mapped - none.mapped, 2 * MIB);
    mapped_remove((uintptr_t)gone, 2 * MIB);
    unmap(there, 2 * MIB);
}

static void a_block_is_there_when_it_is_touched(void **state)
{
    (void)state;
    struct residency none, untouched, touched;
    residency_read(&none);
    char *run = heap_alloc(20 * MIB), *huge = heap_alloc(100 * MIB);
    residency_read(&untouched);
    assert_true(untouched.heap - none.heap < MIB);
    memset(run, 1, 20 * MIB);
    memset(huge, 1, 10 * MIB);
    residency_read(&touched);
    assert_true(touched.heap - untouched.heap >= 30 * MIB);
    assert_true(touched.heap - untouched.heap < 33 * MIB); /* in huge pages, maybe */
    heap_free(run);
    heap_free(huge);
}

static void it_is_published_as_seldom_as_it_is_dear(void **state)
{
    (void)state;
    char *start = map(16 * MIB);
    memset(start, 1, 16 * MIB);
    uint64_t now = os_time_ns();
    residency_publish(now, 20 * MIB);
    assert_int_equal(slot.mapped_resident, 16 * MIB);
    assert_int_equal(slot.resident_anon, 20 * MIB);
    residency_publish(now + 1, 30 * MIB);
    assert_int_equal(slot.resident_anon, 20 * MIB);
    residency_publish(UINT64_MAX / 2, 30 * MIB);
    assert_int_equal(slot.resident_anon, 30 * MIB);
    unmap(start, 16 * MIB);
}

/* Else each of a family of short ones looks through all of the heap that its parent had. */
static void a_child_reads_as_seldom_as_its_parent(void **state)
{
    (void)state;
    const uint64_t long_ns = UINT64_C(1000000000000);
    struct budget_slot of_child = {.heap_resident = 0};
    char *start = map(16 * MIB);
    memset(start, 1, 16 * MIB);
    residency_fork_child();
    residency_publish(os_time_ns() + long_ns, 20 * MIB);
    assert_int_equal(slot.resident_anon, 20 * MIB);
    uint64_t now = os_time_ns();
    budget_slot = &of_child;
    residency_fork_child();
    assert_int_equal(of_child.mapped_resident, 16 * MIB);
    assert_int_equal(of_child.heap_resident, slot.heap_resident);
    residency_publish(now, 30 * MIB);
    assert_int_equal(of_child.resident_anon, 20 * MIB);
    residency_publish(now + long_ns, 30 * MIB);
    assert_int_equal(of_child.resident_anon, 30 * MIB);
    budget_slot = &slot;
    unmap(start, 16 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_mapped_is_there_when_it_is_touched),
        cmocka_unit_test(a_range_that_is_gone_counts_nothing),
        cmocka_unit_test(a_block_is_there_when_it_is_touched),
        cmocka_unit_test(it_is_published_as_seldom_as_it_is_dear),
        cmocka_unit_test(a_child_reads_as_seldom_as_its_parent),
    };
    mapped_start();
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
