/* test_compression.c - who waits for memory to be packed, and for how long: by a clock and with a
 * packing thread of the test's own. */
#include "preload/compression.h"

#include "allocators/base/os_fault.h"
#include "allocators/cold/cold.h"
#include "preload/actions.h"
#include "preload/budget_slot.h"
#include "tests/unit/unit.h"

enum { MIB = 1024 * 1024, LIMIT = 64 * MIB, STEP = LIMIT / 256 };
#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

static struct {
    uint64_t now_ns, saved;
} fake;

bool actions_may(enum action action)
{
    (void)action;
    return true;
}

bool budget_allows(enum budget_strategy strategy)
{
    (void)strategy;
    return true;
}

bool budget_swaps(void)
{
    return false;
}

size_t __wrap_cold_saved_bytes(void);
size_t __wrap_cold_saved_bytes(void)
{
    return fake.saved;
}

bool __wrap_cold_is_on(void);
bool __wrap_cold_is_on(void)
{
    return true;
}

bool __wrap_cold_makes_room(void);
bool __wrap_cold_makes_room(void)
{
    return true;
}

void __wrap_cold_set_room(int64_t bytes, int64_t slack);
void __wrap_cold_set_room(int64_t bytes, int64_t slack)
{
    (void)bytes;
    (void)slack;
}

/* All of the limit is used. */
static const struct watch_limit kept = {.limit = {.hard = LIMIT}, .used = LIMIT};

static int begin(void **state)
{
    (void)state;
    fake.now_ns += 1000 * SECOND;
    fake.saved = 20 * MIB;
    compression_fork_child();
    compression_follow(&kept, MIB);
    return 0;
}

/* What packing comes to in the next hundredth of a second. */
typedef void course(unsigned tick);

static void nothing(unsigned tick)
{
    (void)tick;
}

static void ever_more(unsigned tick)
{
    (void)tick;
    fake.saved += STEP + 1;
}

/* As much as is packed is touched, and comes back. */
static void to_and_fro(unsigned tick)
{
    fake.saved = tick % 4 < 2 ? fake.saved + 2 * STEP : fake.saved - 2 * STEP;
}

/* A request that asks until it is told not to wait. ns that it waited. */
static uint64_t request(course *packs)
{
    struct compression_wait wait = {0};
    uint64_t begun = fake.now_ns;
    for (unsigned tick = 0; tick < 10000 && compression_helps(&kept, fake.now_ns, &wait); tick++) {
        fake.now_ns += 10 * MS;
        packs(tick);
    }
    return fake.now_ns - begun;
}

static void no_request_waits_longer_than_a_second(void **state)
{
    (void)state;
    assert_int_equal(request(ever_more), SECOND);
    begin(NULL);
    assert_int_equal(request(to_and_fro), SECOND);
    begin(NULL);
    assert_int_equal(request(nothing), SECOND / 2);
}

/* A program of which as much comes back as is packed stands still for a second, then for one of
 * three, of five, ... */
static void waiting_in_vain_becomes_rare(void **state)
{
    (void)state;
    uint64_t waited = 0, begun = fake.now_ns;
    while (fake.now_ns < begun + 60 * SECOND) {
        waited += request(to_and_fro);
        fake.now_ns += 10 * MS;
    }
    assert_true(waited >= 4 * SECOND);
    assert_true(waited <= 7 * SECOND);
}

static void where_waiting_was_of_use_the_next_one_waits_at_once(void **state)
{
    (void)state;
    assert_int_equal(request(nothing), SECOND / 2);
    assert_int_equal(request(ever_more), 0);
    fake.now_ns += SECOND;
    assert_int_equal(request(ever_more), SECOND);
    assert_int_equal(request(ever_more), SECOND);
}

/* The wait is the request's own: it began long after room began to lack. */
static void long_want_of_room_is_no_reason_not_to_wait(void **state)
{
    (void)state;
    for (int look = 0; look < 100; look++) {
        fake.now_ns += 100 * MS;
        compression_follow(&kept, 0);
    }
    assert_int_equal(request(ever_more), SECOND);
}

/* Most of what was packed comes back at once, as with a fork, and is packed again. */
static void progress_counts_from_what_came_back(void **state)
{
    (void)state;
    struct compression_wait wait = {0};
    assert_true(compression_helps(&kept, fake.now_ns, &wait));
    fake.saved = 0;
    for (unsigned tick = 0; tick < 90; tick++) {
        fake.now_ns += 10 * MS;
        fake.saved += tick % 20 == 0 ? 2 * STEP : 0;
        assert_true(compression_helps(&kept, fake.now_ns, &wait));
    }
    assert_true(fake.saved < 20 * MIB);
}

static void who_has_room_does_not_wait(void **state)
{
    (void)state;
    const struct watch_limit far = {.limit = {.hard = LIMIT}, .used = LIMIT / 2};
    compression_follow(&far, MIB);
    assert_int_equal(request(ever_more), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_request_waits_longer_than_a_second, begin),
        cmocka_unit_test_setup(waiting_in_vain_becomes_rare, begin),
        cmocka_unit_test_setup(where_waiting_was_of_use_the_next_one_waits_at_once, begin),
        cmocka_unit_test_setup(long_want_of_room_is_no_reason_not_to_wait, begin),
        cmocka_unit_test_setup(progress_counts_from_what_came_back, begin),
        cmocka_unit_test_setup(who_has_room_does_not_wait, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
