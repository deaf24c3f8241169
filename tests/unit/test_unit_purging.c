/* test_unit_purging.c - what is being given back to the system is out of the heap for that time:
 * who needs it waits, and is not told that there is no memory.
 *
 * The purge stands still until somebody waits: whoever finds no run and does not wait fails here.
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <semaphore.h>

#include "allocators/unit.h"

static sem_t stands_still, goes_on;
static _Atomic bool stands; /* the next purge is to */

int __real_os_purge(void *address, size_t bytes);
int __wrap_os_purge(void *address, size_t bytes);
int __wrap_os_purge(void *address, size_t bytes)
{
    if (stands) {
        stands = false;
        sem_post(&stands_still);
        sem_wait(&goes_on);
    }
    return __real_os_purge(address, bytes);
}

void __real_os_yield(void);
void __wrap_os_yield(void);
void __wrap_os_yield(void)
{
    sem_post(&goes_on); /* somebody waits */
    __real_os_yield();
}

static void *purge(void *unused)
{
    unit_purge();
    return unused;
}

/* The longest run there is room for. */
static size_t take_all(uint32_t *first)
{
    size_t units = space_units_max();
    while ((*first = unit_alloc(units, 1, NULL)) == UNIT_NONE)
        units--;
    return units;
}

static void who_needs_what_is_being_purged_waits_for_it(void **state)
{
    (void)state;
    uint32_t first;
    size_t units = take_all(&first);
    unit_free(first, units);
    sem_init(&stands_still, 0, 0);
    sem_init(&goes_on, 0, 0);
    stands = true;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, purge, NULL), 0);
    sem_wait(&stands_still);
    uint32_t again = unit_alloc(units, 1, NULL);
    sem_post(&goes_on);
    pthread_join(thread, NULL);
    assert_int_equal(again, first);
    unit_free(first, units);
    unit_audit();
}

static void what_is_not_there_is_not_waited_for(void **state)
{
    (void)state;
    uint32_t first;
    size_t units = take_all(&first);
    assert_int_equal(unit_alloc(units, 1, NULL), UNIT_NONE);
    unit_free(first, units);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_needs_what_is_being_purged_waits_for_it),
        cmocka_unit_test(what_is_not_there_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
