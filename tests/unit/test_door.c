/* test_door.c - a signal handler comes between two steps of the door.
 *
 * The door is part of this file, with an exchange of ours: a handler that comes right before it
 * finds what it would find between those two instructions. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

static bool exchange(_Atomic uint32_t *count, uint32_t *expected, uint32_t desired);
#undef atomic_compare_exchange_strong
#define atomic_compare_exchange_strong exchange
#include "allocators/base/os.h"
#include "preload/branching.h"
#include "preload/budget_slot.h"
#include "preload/control_serve.h"
#include "preload/door.c" // NOLINT

#include "tests/unit/unit.h"

static struct init_mark mark = {true, true};
struct init_mark *init_mark = &mark;
static _Atomic bool is_asked;
static _Atomic uintptr_t noticed; /* with this caller */
static _Atomic unsigned served;
static _Atomic bool is_switching;

/* Serves as control.c does: one thread at a time. */
bool branching_refuses(uint64_t number, size_t bytes, uintptr_t ip)
{
    (void)number, (void)bytes, (void)ip;
    return false;
}

void init_notice(uintptr_t caller)
{
    noticed = caller;
    if (caller == 0 || atomic_exchange(&is_switching, true))
        return;
    served += atomic_exchange(&is_asked, false);
    atomic_store_explicit(&mark.is_quiet, true, memory_order_relaxed);
    door_settle();
    is_switching = false;
}

bool control_is_asked(void)
{
    return is_asked;
}

static struct budget_slot slot;
struct budget_slot *budget_slot = &slot;

/* Nobody watches. */
struct watch_state watch_state;
void watch_begin(struct watch_call *call)
{
    call->start_ns = 0;
}

void watch_end(const struct watch_call *call, size_t bytes)
{
    (void)call, (void)bytes;
}

static unsigned makes_room; /* so often for a request */

bool watch_makes_room(size_t bytes, bool is_block, unsigned tries)
{
    (void)bytes, (void)is_block;
    return tries < makes_room;
}

/* -- samples and memory that is short --------------------------------------------------------- */

static unsigned refusals, takes, recorded;
static bool is_tracing, all_are_samples;

bool __real_tracer_is_on(void);
bool __wrap_tracer_is_on(void);
bool __wrap_tracer_is_on(void)
{
    return is_tracing || __real_tracer_is_on();
}

bool __wrap_tracer_takes(size_t bytes);
bool __wrap_tracer_takes(size_t bytes)
{
    (void)bytes;
    takes++;
    return all_are_samples;
}

void __wrap_tracer_alloc(const void *p, size_t asked, size_t alignment, unsigned bits,
                         const struct tracer_caller *caller);
void __wrap_tracer_alloc(const void *p, size_t asked, size_t alignment, unsigned bits,
                         const struct tracer_caller *caller)
{
    (void)p, (void)asked, (void)alignment, (void)bits, (void)caller;
    recorded++;
}

void *__real_heap_alloc_apart(size_t alignment, size_t bytes, bool *zeroed);
void *__wrap_heap_alloc_apart(size_t alignment, size_t bytes, bool *zeroed);
void *__wrap_heap_alloc_apart(size_t alignment, size_t bytes, bool *zeroed)
{
    return refusals > 0 ? NULL : __real_heap_alloc_apart(alignment, bytes, zeroed);
}

static bool refuses(void)
{
    if (refusals == 0) /* as where there are several threads */
        return false;
    refusals--;
    return true;
}

void *__real_heap_alloc(size_t bytes);
void *__wrap_heap_alloc(size_t bytes);
void *__wrap_heap_alloc(size_t bytes)
{
    return refuses() ? NULL : __real_heap_alloc(bytes);
}

void *__real_route_alloc_instead(const void *p, size_t bytes);
void *__wrap_route_alloc_instead(const void *p, size_t bytes);
void *__wrap_route_alloc_instead(const void *p, size_t bytes)
{
    return refuses() ? NULL : __real_route_alloc_instead(p, bytes);
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
    return atomic_compare_exchange_strong_explicit(count, expected, desired, memory_order_seq_cst,
                                                   memory_order_seq_cst);
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

/* The hot path of entry.c. */
static void *allocate_as_malloc_does(size_t bytes)
{
    void *p = heap_alloc_fast(bytes);
    return p != NULL ? p : door_malloc(bytes);
}

static void *warm(size_t bytes)
{
    heap_free(heap_alloc(bytes));
    heap_free(heap_alloc(bytes));
    return heap_alloc_fast(bytes);
}

static void a_shut_door_is_noticed_by_the_next_allocation_and_settles(void **state)
{
    (void)state;
    heap_free(warm(64));
    served = 0;
    is_asked = true;
    door_shut();
    assert_true(door_is_shut());
    assert_null(heap_alloc_fast(64));
    heap_free(allocate_as_malloc_does(64));
    assert_int_equal(served, 1);
    assert_int_not_equal(noticed, 0);
    assert_false(door_is_shut());
    void *p = heap_alloc_fast(64);
    assert_non_null(p);
    heap_free(p);
}

static void nothing_is_served_where_the_program_did_not_call(void **state)
{
    (void)state;
    served = 0;
    is_asked = true;
    door_shut();
    assert_true(door_come_in());
    door_free(allocate_as_malloc_does(64)); /* a handler: it is inside */
    door_go_out();
    door_free(NULL);
    assert_int_equal(served, 0);
    heap_free(allocate_as_malloc_does(64));
    assert_int_equal(served, 1);
}

static void samples_do_not_pass_a_shut_door(void **state)
{
    (void)state;
    door_set_view(DOOR_SEES_SAMPLES);
    served = 0;
    is_asked = true;
    door_shut();
    heap_free(allocate_as_malloc_does(64));
    assert_int_equal(served, 1);
    assert_false(door_is_shut());
    assert_null(heap_alloc_fast(64)); /* samples are still taken */
    door_set_view(DOOR_SEES_LITTLE);
    assert_false(door_is_shut());
}

static void begin_samples(bool all)
{
    door_set_view(DOOR_SEES_SAMPLES);
    is_tracing = true;
    all_are_samples = all;
    makes_room = 3;
    refusals = 2;
    takes = recorded = 0;
}

static void end_samples(void)
{
    is_tracing = false;
    makes_room = 0;
    door_set_view(DOOR_SEES_LITTLE);
}

/* In a unit of its own, or above; no class has a stream for it. */
enum { MEDIUM_BYTES = 100000 };

static void what_waits_for_memory_is_drawn_once(void **state)
{
    (void)state;
    void *p = heap_alloc(100);
    begin_samples(false);
    p = door_realloc(p, MEDIUM_BYTES);
    assert_non_null(p);
    assert_int_equal(refusals, 0);
    assert_int_equal(takes, 1);
    end_samples();
    heap_free(p);
}

static void a_sample_that_waited_for_memory_is_recorded(void **state)
{
    (void)state;
    begin_samples(true);
    void *p = door_malloc(MEDIUM_BYTES);
    assert_non_null(p);
    assert_true(heap_is_apart(p));
    assert_int_equal(recorded, 1);
    refusals = 2;
    p = door_realloc(p, 2 * MEDIUM_BYTES);
    assert_non_null(p);
    assert_true(heap_is_apart(p));
    assert_int_equal(recorded, 2);
    assert_int_equal(takes, 2);
    end_samples();
    heap_free(p);
}

static void a_door_that_is_asked_for_while_it_opens_stays_shut(void **state)
{
    (void)state;
    is_asked = true;
    door_set_view(DOOR_SEES_ALL);
    door_set_view(DOOR_SEES_LITTLE);
    assert_true(door_is_shut());
    served = 0;
    heap_free(allocate_as_malloc_does(64));
    assert_int_equal(served, 1);
    assert_false(door_is_shut());
}

enum { THREADS = 8, REQUESTS = 50 };
static _Atomic bool is_over;

static void *allocate_until_over(void *unused)
{
    (void)unused;
    while (!is_over)
        heap_free(allocate_as_malloc_does(64));
    return NULL;
}

static void no_request_is_lost_among_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    is_over = false;
    served = 0;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_until_over, NULL), 0);
    for (unsigned i = 1; i <= REQUESTS; i++) {
        is_asked = true;
        door_shut();
        while (served != i)
            os_yield();
    }
    is_over = true;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(served, REQUESTS);
    heap_free(allocate_as_malloc_does(64)); /* the last one may have been served too early */
    assert_false(door_is_shut());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_handler_frees_is_freed_on_the_way_out),
        cmocka_unit_test(a_handler_may_free_while_the_deferred_ones_are_done),
        cmocka_unit_test(a_shut_door_is_noticed_by_the_next_allocation_and_settles),
        cmocka_unit_test(nothing_is_served_where_the_program_did_not_call),
        cmocka_unit_test(samples_do_not_pass_a_shut_door),
        cmocka_unit_test(what_waits_for_memory_is_drawn_once),
        cmocka_unit_test(a_sample_that_waited_for_memory_is_recorded),
        cmocka_unit_test(a_door_that_is_asked_for_while_it_opens_stays_shut),
        cmocka_unit_test(no_request_is_lost_among_threads),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
