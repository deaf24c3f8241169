/* test_lock.c - one holder at a time, nobody sleeps for ever, and a child learns what was held. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "allocators/base/lock.h"
#include "allocators/base/os.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct lock lock = LOCK_INIT(LOCK_RANK_UNIT);
static unsigned counter; /* under the lock */

static void *count(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        lock_take(&lock);
        unsigned seen = counter;
        if (i % 1000 == 0)
            os_yield(); /* let others wait, and sleep */
        counter = seen + 1;
        lock_drop(&lock);
    }
    return unused;
}

static void only_one_thread_holds_it_at_a_time(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(counter, THREADS * ROUNDS);
    assert_false(lock_is_held(&lock));
}

static void a_try_fails_while_it_is_held(void **state)
{
    (void)state;
    assert_true(lock_try(&lock));
    assert_false(lock_try(&lock));
    lock_drop(&lock);
    assert_true(lock_try(&lock));
    lock_drop(&lock);
}

static void a_reset_tells_whether_it_was_held(void **state)
{
    (void)state;
    assert_false(lock_reset(&lock));
    lock_take(&lock);
    assert_true(lock_reset(&lock));
    lock_forget_all();
    assert_false(lock_is_held(&lock));
    lock_take(&lock);
    lock_drop(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_one_thread_holds_it_at_a_time),
        cmocka_unit_test(a_try_fails_while_it_is_held),
        cmocka_unit_test(a_reset_tells_whether_it_was_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
