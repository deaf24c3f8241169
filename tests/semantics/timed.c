/* timed.c - under libmpress-timed.so one call in 64 that the thread's magazines serve is timed, of
 * every kind, in every thread, whatever the rhythm of the program is. */
#include <pthread.h>

#include "preload/mpress.h"
#include "tests/semantics/page.h"

enum { CALLS = 200000, ONE_IN = 64, THREADS = 4, SLOW_NS = 60 };

void *_Znwm(size_t bytes) __attribute__((weak));
void _ZdlPv(void *p) __attribute__((weak));

static uint64_t count_from(const struct budget_histogram *histogram, uint64_t ns)
{
    uint64_t sum = 0;
    for (unsigned i = budget_bucket(ns); i < BUDGET_BUCKETS; i++)
        sum += histogram->counts[i];
    return sum;
}

/* Distances of 1 to 127 have a variance of 1344: of 200,000 calls 3,125 are timed, +-32. */
static bool is_one_in_64(uint64_t timed, uint64_t calls)
{
    uint64_t wanted = calls / ONE_IN, slack = wanted / 10;
    if (timed > wanted - slack && timed < wanted + slack)
        return true;
    check_say("%s%s%ld were timed\n", "", "", (long)timed);
    return false;
}

/* Runs that helper; what it told. */
static const struct budget_slot *run(const char *helper)
{
    if (mpress_version == NULL)
        SKIP("the library's own");
    struct budget_page *page = make_page(UINT64_C(1) << 40, 0, 0);
    CHECK(helper_succeeds(helper));
    remove_page();
    CHECK(page->slots[0].process_id != 0);
    return &page->slots[0];
}

/* -- each kind -------------------------------------------------------------------------------- */

static void call_malloc(void)
{
    for (size_t i = 0; i < CALLS; i++)
        free(malloc(hidden_size(16 + i % 1000)));
}

static void call_calloc(void)
{
    for (size_t i = 0; i < CALLS; i++)
        free(calloc(1 + i % 10, hidden_size(16)));
}

static void call_malloc_for_medium_blocks(void)
{
    for (size_t i = 0; i < CALLS; i++)
        free(malloc(hidden_size(100000)));
}

static void call_new(void)
{
    for (size_t i = 0; i < CALLS; i++)
        _ZdlPv(_Znwm(hidden_size(16 + i % 1000)));
}

static void *call_in_thread(void *unused)
{
    call_malloc();
    return unused;
}

static void call_malloc_in_threads(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, call_in_thread, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void one_call_in_64_of_each_kind_is_timed(void)
{
    static const char *const kinds[] = {".call_malloc", ".call_calloc",
                                        ".call_malloc_for_medium_blocks", ".call_new"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct budget_slot *slot = run(kinds[i]);
        CHECK(is_one_in_64(count_from(&slot->fast, 0), CALLS));
        CHECK(is_one_in_64(count_from(&slot->freed, 0), CALLS));
    }
}

static void one_call_in_64_of_all_threads_is_timed(void)
{
    const struct budget_slot *slot = run(".call_malloc_in_threads");
    CHECK(is_one_in_64(count_from(&slot->fast, 0), THREADS * CALLS));
    CHECK(is_one_in_64(count_from(&slot->freed, 0), THREADS * CALLS));
}

/* -- which ------------------------------------------------------------------------------------ */

/* One in 64 of these takes long: clearing 32 KB does, taking 16 bytes does not. */
static void clear_every_64th_time(void)
{
    for (size_t i = 0; i < CALLS; i++)
        free(i % ONE_IN == 0 ? calloc(1, hidden_size(32000)) : malloc(hidden_size(16)));
}

static void a_rhythm_of_64_calls_is_not_met(void)
{
    const struct budget_slot *slot = run(".clear_every_64th_time");
    uint64_t timed = count_from(&slot->fast, 0), slow = count_from(&slot->fast, SLOW_NS);
    CHECK(is_one_in_64(timed, CALLS));
    CHECK(slow > timed / ONE_IN / 3 && slow < timed / ONE_IN * 5);
}

/* Each comes to the door: it is no fast one, whatever it took. */
static void map_each(void)
{
    for (size_t i = 0; i < 2000; i++)
        free(malloc(hidden_size(40 << 20)));
}

static void slow_calls_are_told_apart(void)
{
    const struct budget_slot *slot = run(".map_each");
    CHECK(slot->slow_calls >= 2000);
    CHECK(count_from(&slot->fast, 0) < 10 && count_from(&slot->freed, 0) < 10);
}

CHECK_MAIN(CASE(one_call_in_64_of_each_kind_is_timed), CASE(one_call_in_64_of_all_threads_is_timed),
           CASE(a_rhythm_of_64_calls_is_not_met), CASE(slow_calls_are_told_apart),
           HELPER(call_malloc), HELPER(call_calloc), HELPER(call_malloc_for_medium_blocks),
           HELPER(call_new), HELPER(call_malloc_in_threads), HELPER(clear_every_64th_time),
           HELPER(map_each))
