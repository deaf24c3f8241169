/* test_usage.c - what of the heap counts against a limit, of a heap of the test's own. */
#include "preload/usage.h"

#include "preload/budget_slot.h"
#include "preload/door.h"
#include "preload/mapped.h"
#include "preload/residency.h"
#include "tests/unit/unit.h"

enum { MIB = 1024 * 1024 };

static struct budget_slot slot;
struct budget_slot *budget_slot = &slot;
static size_t taken_bytes;

static unsigned publications;

bool budget_is_attached(void)
{
    return true;
}

void residency_publish(uint64_t now_ns, uint64_t rss_anon)
{
    publications += now_ns != 0 && rss_anon == 50 * MIB;
}

bool budget_is_for_family(void)
{
    return false;
}

uint64_t budget_used_by_others(void)
{
    return 0;
}

size_t mapped_bytes(void)
{
    return 10 * MIB;
}

size_t door_taken_bytes(void)
{
    return taken_bytes;
}

bool door_read_stats(struct heap_stats *stats)
{
    *stats = (struct heap_stats){.live_bytes = 100 * MIB, .cached_bytes = 2 * MIB};
    return true;
}

bool door_come_in(void)
{
    return true;
}

void door_go_out(void)
{
}

static void what_is_swapped_out_does_not_count(void **state)
{
    (void)state;
    struct usage usage;
    const struct os_sizes sizes = {.rss_anon = 50 * MIB};
    usage_read(&usage, &sizes, 0);
    assert_int_equal(usage.heap, 102 * MIB);
    assert_int_equal(usage.used, 112 * MIB);
    usage_read(&usage, &sizes, 40 * MIB);
    assert_int_equal(usage.heap, 62 * MIB);
    assert_int_equal(usage.used, 72 * MIB);
    assert_int_equal(usage.live, 100 * MIB);
}

static void an_estimate_goes_on_from_what_was_read(void **state)
{
    (void)state;
    struct usage usage;
    const struct os_sizes sizes = {.rss_anon = 50 * MIB};
    usage_read(&usage, &sizes, 40 * MIB);
    taken_bytes += 8 * MIB;
    usage_estimate(&usage, &sizes, 30 * MIB);
    assert_int_equal(usage.heap, 80 * MIB);
    assert_int_equal(usage.used, 90 * MIB);
}

static void what_is_resident_counts_in_any_case(void **state)
{
    (void)state;
    struct usage usage;
    const struct os_sizes sizes = {.rss_anon = 50 * MIB};
    usage_read(&usage, &sizes, 200 * MIB);
    assert_int_equal(usage.heap, 0);
    assert_int_equal(usage.used, 50 * MIB);
}

static void what_is_there_is_published_with_rss_anon_of_the_moment(void **state)
{
    (void)state;
    struct usage usage;
    const struct os_sizes sizes = {.rss_anon = 50 * MIB};
    usage_read(&usage, &sizes, 0);
    usage_publish(&usage, 0);
    assert_int_equal(publications, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_swapped_out_does_not_count),
        cmocka_unit_test(an_estimate_goes_on_from_what_was_read),
        cmocka_unit_test(what_is_resident_counts_in_any_case),
        cmocka_unit_test(what_is_there_is_published_with_rss_anon_of_the_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
