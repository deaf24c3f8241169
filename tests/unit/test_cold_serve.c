/* test_cold_serve.c - what the packing thread does and how often, in a system of the test's own:
 * time goes by when it works or waits, and what happens is what the test says. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "allocators/base/os_fault.h"
#include "allocators/cold/codec.h"
#include "allocators/cold/need.h"
#include "allocators/cold/serve.h"

enum { MIB = 1024 * 1024, HEAP_BYTES = 8 * MIB, HEAP_UNITS = HEAP_BYTES / UNIT_BYTES };
enum { LIMIT = HEAP_BYTES, SLACK = LIMIT / 40, STORE_BYTES = 16 * MIB };
#define US UINT64_C(1000)
#define MS (1000 * US)
#define SECOND (1000 * MS)

/* What the thread's calls take, about. */
static const uint64_t READ_NS = 2 * US, TAKE_NS = 30 * US, PACK_NS = 190 * US;

static struct {
    char *block;
    uint64_t now_ns, end_ns; /* then the thread is to end */
    uint64_t busy_ns;        /* that it did not wait */
    size_t packed_bytes;     /* of a unit; 0: it cannot be packed */
    unsigned reads, packs;
    unsigned script_at; /* after so many packs the next read tells of `script` */
    struct os_fault_event script[OS_FAULT_EVENTS];
    unsigned events;
    unsigned packs_at_child, packs_at_touch; /* when a child, and who touched, were answered */
    unsigned starts;                         /* of threads */
} sim;

static void spend(uint64_t ns)
{
    sim.now_ns += ns;
    sim.busy_ns += ns;
}

uint64_t __wrap_os_time_ns(void);
uint64_t __wrap_os_time_ns(void)
{
    return sim.now_ns;
}

uint64_t __wrap_os_time_coarse_ns(void);
uint64_t __wrap_os_time_coarse_ns(void)
{
    return sim.now_ns;
}

void __wrap_os_sleep(uint64_t ns);
void __wrap_os_sleep(uint64_t ns)
{
    sim.now_ns += ns;
}

int __wrap_os_thread_start(void (*run)(void), _Atomic uint32_t *alive, void **memory);
int __wrap_os_thread_start(void (*run)(void), _Atomic uint32_t *alive, void **memory)
{
    (void)run;
    (void)alive;
    (void)memory;
    sim.starts++;
    return EPERM;
}

bool __wrap_codec_load(void);
bool __wrap_codec_load(void)
{
    return true;
}

size_t __wrap_codec_pack(const void *from, size_t bytes, void *to, size_t room);
size_t __wrap_codec_pack(const void *from, size_t bytes, void *to, size_t room)
{
    assert_true(bytes == UNIT_BYTES && sim.packed_bytes <= room);
    memcpy(to, from, sim.packed_bytes);
    spend(PACK_NS);
    sim.packs++;
    return sim.packed_bytes;
}

bool __wrap_codec_unpack(const void *from, size_t packed, void *to, size_t bytes);
bool __wrap_codec_unpack(const void *from, size_t packed, void *to, size_t bytes)
{
    (void)bytes;
    memcpy(to, from, packed);
    return true;
}

int __wrap_os_fault_check(void);
int __wrap_os_fault_check(void)
{
    return 0;
}

int __wrap_os_fault_open(void *own, size_t own_bytes, void *bell);
int __wrap_os_fault_open(void *own, size_t own_bytes, void *bell)
{
    (void)own;
    (void)own_bytes;
    (void)bell;
    return 0;
}

void __wrap_os_fault_close(void);
void __wrap_os_fault_close(void)
{
}

void __wrap_os_fault_ring(void *bell);
void __wrap_os_fault_ring(void *bell)
{
    (void)bell;
}

unsigned __wrap_os_fault_read(struct os_fault_event events[OS_FAULT_EVENTS], int ms);
unsigned __wrap_os_fault_read(struct os_fault_event events[OS_FAULT_EVENTS], int ms)
{
    sim.reads++;
    spend(READ_NS);
    if (sim.now_ns >= sim.end_ns || ms == OS_FAULT_FOREVER) {
        atomic_store(&cold.is_to_end, 1);
        return 0;
    }
    unsigned count = sim.packs >= sim.script_at ? sim.events : 0;
    memcpy(events, sim.script, count * sizeof(*events));
    sim.events -= count;
    sim.now_ns += count == 0 ? (uint64_t)ms * MS : 0;
    return count;
}

int __wrap_os_fault_watch(void *start, size_t bytes);
int __wrap_os_fault_watch(void *start, size_t bytes)
{
    (void)start;
    (void)bytes;
    return 0;
}

int __wrap_os_fault_unwatch(void *start, size_t bytes);
int __wrap_os_fault_unwatch(void *start, size_t bytes)
{
    (void)start;
    (void)bytes;
    return 0;
}

void __wrap_os_fault_wake(void *start, size_t bytes);
void __wrap_os_fault_wake(void *start, size_t bytes)
{
    (void)start;
    (void)bytes;
}

int __wrap_os_fault_take(void *own, void *from, size_t bytes);
int __wrap_os_fault_take(void *own, void *from, size_t bytes)
{
    memcpy(own, from, bytes);
    spend(TAKE_NS);
    return 0;
}

int __wrap_os_fault_put(void *to, void *own, size_t bytes);
int __wrap_os_fault_put(void *to, void *own, size_t bytes)
{
    (void)to;
    (void)own;
    (void)bytes;
    return 0;
}

int __wrap_os_fault_fill(int child, void *to, const void *from, size_t bytes);
int __wrap_os_fault_fill(int child, void *to, const void *from, size_t bytes)
{
    (void)to;
    (void)from;
    (void)bytes;
    if (child == OS_FAULT_PARENT && sim.packs_at_touch == 0)
        sim.packs_at_touch = sim.packs;
    return 0;
}

void __wrap_os_fault_leave_child(int child);
void __wrap_os_fault_leave_child(int child)
{
    (void)child;
    sim.packs_at_child = sim.packs;
}

void __wrap_os_fault_follow(int id);
void __wrap_os_fault_follow(int id)
{
    (void)id;
}

void __wrap_os_fault_roam(void);
void __wrap_os_fault_roam(void)
{
}

/* -- runs ------------------------------------------------------------------------------------- */

static int setup(void **state)
{
    start_small_heap();
    assert_null(cold_init(false));
    assert_true(store_init(STORE_BYTES));
    (void)state;
    sim.now_ns = 1000 * SECOND;
    sim.block = heap_alloc(HEAP_BYTES);
    assert_non_null(sim.block);
    memset(sim.block, 0x11, HEAP_BYTES);
    return 0;
}

/* All is in its place, long ago; so much room is lacking. */
static void begin(int64_t room, size_t packed_bytes)
{
    sim.now_ns += 100000 * SECOND;
    sim.packed_bytes = packed_bytes;
    sim.packs = sim.reads = sim.events = sim.packs_at_child = sim.packs_at_touch = 0;
    os_unmap(cold.slots, COLD_SLOTS * (size_t)UNIT_BYTES); /* as in the child of a fork */
    cold_fork_child();
    assert_true(store_init(STORE_BYTES));
    atomic_store(&cold.alive, 1);
    cold_set_room(room, SLACK);
}

static void serve_for(uint64_t ns)
{
    sim.end_ns = sim.now_ns + ns;
    sim.busy_ns = 0;
    atomic_store(&cold.is_to_end, 0);
    cold_serve();
    assert_int_equal(atomic_load(&cold.out), 0);
}

static size_t unit_of_block(size_t number)
{
    return space_unit_of(sim.block) + number;
}

/* -- tests ------------------------------------------------------------------------------------ */

/* So much came back that who touches what is packed waits; nobody else does. */
static void in_dire_need_all_but_touches_are_answered_at_once(void **state)
{
    (void)state;
    enum { AT = 50, SOON = 8 };
    begin(-20 * (int64_t)MIB, 4000);
    atomic_store(&cold.set_room, 0);
    assert_true(serve_is_dire());
    uintptr_t last = (uintptr_t)space_address(unit_of_block(HEAP_UNITS - 1));
    sim.script_at = AT;
    sim.script[sim.events++] =
        (struct os_fault_event){.kind = OS_FAULT_REMOVED, .start = last, .end = last + UNIT_BYTES};
    sim.script[sim.events++] = (struct os_fault_event){.kind = OS_FAULT_FORKED, .child = 3};
    sim.script[sim.events++] = (struct os_fault_event){
        .kind = OS_FAULT_TOUCHED, .start = (uintptr_t)space_address(unit_of_block(4)), .id = 1};
    serve_for(SECOND);
    assert_int_equal(cold.table[unit_of_block(HEAP_UNITS - 1)].bytes, BACK_GIVEN_UP);
    assert_true(sim.packs_at_child >= AT && sim.packs_at_child <= AT + SOON);
    assert_true(sim.packs_at_touch > AT + SOON);
    assert_true((sim.packs_at_touch - AT) * PACK_NS <= 50 * MS);
}

/* All of it came back so long ago, as often as counts. */
static void let_all_have_come_back(uint32_t hundredths)
{
    for (size_t i = 0; i < HEAP_UNITS; i++) {
        struct cold_unit *unit = &cold.table[unit_of_block(i)];
        unit->bytes = BACK_SOON_MAX;
        unit->at = serve_now() + (REST << BACK_SOON_MAX) - hundredths;
    }
}

/* Who touches what is packed would wait for nothing while all that is in use rests. */
static void in_dire_need_what_came_back_rests_for_a_sixth_of_a_second(void **state)
{
    (void)state;
    begin(-20 * (int64_t)MIB, 4000);
    let_all_have_come_back(4);
    serve_for(100 * MS);
    assert_int_equal(sim.packs, 0);
    begin(-20 * (int64_t)MIB, 4000);
    let_all_have_come_back(17);
    serve_for(100 * MS);
    assert_true(sim.packs > HEAP_UNITS / 4);
    begin(-SLACK / 2, 4000); /* not dire: five seconds */
    let_all_have_come_back(400);
    serve_for(SECOND);
    assert_int_equal(sim.packs, 0);
}

/* Of what is used nothing can be packed, however near the limit is: all of it is tried once in the
 * first minute, four times in the hour after it, and a need that was in vain as seldom. By
 * the thread's calls that is a hundredth of a processor, and then a thousandth. */
static void where_nothing_is_gained_the_thread_comes_to_rest(void **state)
{
    (void)state;
    static const int64_t rooms[] = {-SLACK / 2, -SLACK, -SLACK * 7 / 4, -SLACK * 4};
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i += TEST_DIVISOR) {
        begin(rooms[i], 0);
        serve_for(60 * SECOND);
        assert_int_equal(sim.packs, HEAP_UNITS);
        assert_true(sim.reads < 10000);
        assert_true(sim.busy_ns < 60 * SECOND / 100);
        begin(rooms[i], 0);
        serve_for(3600 * SECOND);
        assert_int_equal(sim.packs, 5 * HEAP_UNITS);
        assert_true(sim.reads < 60000);
        assert_true(sim.busy_ns < 3600 * SECOND / 1000);
    }
}

/* A program that thrashes on while packing rests. */
static void a_need_doubles_its_rest_only_after_it(void **state)
{
    (void)state;
    struct need need = {0};
    uint64_t now = 1000 * SECOND, begun = 0;
    unsigned verdicts = 0, rests = 0;
    for (; rests < 3; now += 100 * MS) {
        if (need_is_anew(&need, now))
            assert_true(rests == 0 || now - begun >= need.rest_ns);
        bool rested = need.again_ns == UINT64_MAX;
        verdicts += need_follow(&need, now, 0, 0, 1) == NEED_GIVE_UP;
        if (rested && need.again_ns != UINT64_MAX) {
            begun = now;
            assert_int_equal(need.rest_ns, (10 * SECOND) << rests);
            rests++;
        }
        assert_true(rests == 0 || need.rest_ns == (10 * SECOND) << (rests - 1));
    }
    assert_true(verdicts > 20);
    assert_true(now < 1040 * SECOND);
}

static void who_may_not_have_the_thread_asks_once_a_second(void **state)
{
    (void)state;
    begin(COLD_ROOM_ANY, 0);
    atomic_store(&cold.alive, 0);
    sim.starts = 0;
    for (int look = 0; look < 1000; look++) {
        cold_set_room(-1, SLACK);
        assert_false(cold_makes_room());
        sim.now_ns += 10 * MS;
    }
    assert_int_equal(sim.starts, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_dire_need_all_but_touches_are_answered_at_once),
        cmocka_unit_test(in_dire_need_what_came_back_rests_for_a_sixth_of_a_second),
        cmocka_unit_test(where_nothing_is_gained_the_thread_comes_to_rest),
        cmocka_unit_test(a_need_doubles_its_rest_only_after_it),
        cmocka_unit_test(who_may_not_have_the_thread_asks_once_a_second),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
