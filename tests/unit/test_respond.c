/* test_respond.c - how much cold memory a budget wants, while packing goes on in another thread. */
#include "preload/respond.h"

#include "allocators/base/os.h"
#include "allocators/cold/cold.h"
#include "preload/actions.h"
#include "preload/budget_slot.h"
#include "preload/door.h"
#include "preload/journal.h"
#include "preload/route.h"
#include "preload/usage.h"
#include "tests/unit/unit.h"

enum { MIB = 1024 * 1024, ALL = 20 * MIB, BUDGET = 12 * MIB, LEVEL = BUDGET - BUDGET / 50 };

static struct {
    size_t saved, step; /* of ALL; and what is packed behind each look at it */
    size_t enough;
    unsigned calls_to_work;
} fake;

/* -- the rest of the library ------------------------------------------------------------------ */

struct budget_slot *budget_slot;

bool budget_allows(enum budget_strategy strategy)
{
    return strategy == BUDGET_COMPRESSION;
}

bool budget_swaps(void)
{
    return true;
}

bool door_come_in(void)
{
    return true;
}

void door_go_out(void)
{
}

void route_squeeze(struct heap_squeezed *squeezed)
{
    (void)squeezed;
}

void usage_publish_cold(void)
{
}

void journal_action(enum action action, const struct respond_reason *reason, uint64_t gained,
                    uint64_t ns)
{
    (void)action, (void)reason, (void)gained, (void)ns;
}

void journal_squeezed(const struct heap_squeezed *squeezed)
{
    (void)squeezed;
}

void journal_note_refused(size_t bytes)
{
    (void)bytes;
}

/* -- memory that is packed meanwhile ---------------------------------------------------------- */

bool __wrap_os_resident(uint64_t *rss, uint64_t *rss_anon);
bool __wrap_os_resident(uint64_t *rss, uint64_t *rss_anon)
{
    *rss = *rss_anon = ALL - fake.saved;
    fake.saved += fake.step;
    return true;
}

size_t __wrap_cold_saved_bytes(void);
size_t __wrap_cold_saved_bytes(void)
{
    size_t saved = fake.saved;
    fake.saved += fake.step;
    return saved;
}

bool __wrap_os_has_swap(void);
bool __wrap_os_has_swap(void)
{
    return false;
}

void __wrap_cold_set_enough(size_t saved_bytes);
void __wrap_cold_set_enough(size_t saved_bytes)
{
    fake.enough = saved_bytes;
}

int __wrap_cold_work_for(uint64_t ns);
int __wrap_cold_work_for(uint64_t ns)
{
    (void)ns;
    fake.calls_to_work++;
    return 0;
}

/* -- tests ------------------------------------------------------------------------------------ */

static int begin(void **state)
{
    (void)state;
    fake.saved = fake.step = fake.enough = fake.calls_to_work = 0;
    return 0;
}

static void so_much_is_wanted_that_the_rest_is_the_level(void **state)
{
    (void)state;
    for (fake.saved = 0; fake.saved < ALL - LEVEL; fake.saved += MIB) {
        fake.calls_to_work = 0;
        respond_swap(BUDGET);
        assert_int_equal(fake.enough, ALL - LEVEL);
        assert_int_equal(fake.calls_to_work, 1);
    }
    fake.calls_to_work = 0;
    respond_swap(BUDGET);
    assert_int_equal(fake.enough, ALL - LEVEL);
    assert_int_equal(fake.calls_to_work, 0);
}

/* Else it would be wanted twice, and taken away for nothing. */
static void what_is_packed_between_two_looks_is_no_reason_for_more(void **state)
{
    (void)state;
    fake.step = 4 * MIB;
    respond_swap(BUDGET);
    assert_in_range(fake.enough, 1, ALL - LEVEL);
}

static void without_a_budget_nothing_is_enough(void **state)
{
    (void)state;
    fake.enough = 1;
    respond_swap(0);
    assert_int_equal(fake.enough, 0);
    assert_int_equal(fake.calls_to_work, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(so_much_is_wanted_that_the_rest_is_the_level, begin),
        cmocka_unit_test_setup(what_is_packed_between_two_looks_is_no_reason_for_more, begin),
        cmocka_unit_test_setup(without_a_budget_nothing_is_enough, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
