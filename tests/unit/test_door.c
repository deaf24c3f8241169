/* test_door.c - a signal handler comes between two steps of the door.
 *
 * The door is part of this file, with an exchange of ours: a handler that comes right before it
 * finds what it would find between those two instructions. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

static bool exchange(_Atomic uint32_t *count, uint32_t *expected, uint32_t desired);
#undef atomic_compare_exchange_strong
#define atomic_compare_exchange_strong exchange
#include "preload/door.c" // NOLINT

#include "tests/unit/unit.h"

static const char mark = 1;
const volatile char *init_fork_mark = &mark;

void init_notice_fork(void)
{
}

/* -- what the door frees ---------------------------------------------------------------------- */

enum { BLOCKS_MAX = 32 };
static void *freed[BLOCKS_MAX];
static unsigned freed_count;

void __real_route_free(void *p);
void __wrap_route_free(void *p);
void __wrap_route_free(void *p)
{
    freed[freed_count++] = p;
    __real_route_free(p);
}

/* -- the handler ------------------------------------------------------------------------------ */

static void *handlers[BLOCKS_MAX]; /* what it frees, one at each exchange */
static unsigned handlers_count;

static bool exchange(_Atomic uint32_t *count, uint32_t *expected, uint32_t desired)
{
    if (handlers_count > 0)
        door_free(handlers[--handlers_count]);
    return __atomic_compare_exchange_n(count, expected, desired, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static void check_each_was_freed_once(void *const *blocks, unsigned count)
{
    assert_int_equal(freed_count, count);
    for (unsigned i = 0; i < count; i++) {
        unsigned times = 0;
        for (unsigned j = 0; j < freed_count; j++)
            times += freed[j] == blocks[i];
        assert_int_equal(times, 1);
    }
    freed_count = 0;
}

/* -- the tests -------------------------------------------------------------------------------- */

static void what_a_handler_frees_is_freed_on_the_way_out(void **state)
{
    (void)state;
    void *blocks[] = {heap_alloc(100), heap_alloc(200)};
    assert_true(door_come_in());
    assert_false(door_come_in()); /* for a handler it is closed */
    door_free(blocks[0]);
    door_free(blocks[1]);
    assert_int_equal(freed_count, 0);
    door_go_out();
    check_each_was_freed_once(blocks, 2);
}

static void a_handler_may_free_while_the_deferred_ones_are_done(void **state)
{
    (void)state;
    void *blocks[6];
    for (unsigned i = 0; i < 6; i++)
        blocks[i] = heap_alloc(100 * (i + 1));
    handlers_count = 0;
    for (unsigned i = 2; i < 6; i++)
        handlers[handlers_count++] = blocks[i];
    assert_true(door_come_in());
    door_free(blocks[0]);
    door_free(blocks[1]);
    door_go_out();
    assert_int_equal(handlers_count, 0);
    check_each_was_freed_once(blocks, 6);
    assert_true(door_come_in());
    door_go_out();
    assert_int_equal(freed_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_handler_frees_is_freed_on_the_way_out),
        cmocka_unit_test(a_handler_may_free_while_the_deferred_ones_are_done),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
