/* cold.c - the side of all other threads: switching on, holding, giving pages up. Takes no lock: a
 * signal handler may fork. */
#include "allocators/cold/cold.h"

#include <errno.h>

#include "allocators/base/os_fault.h"
#include "allocators/cold/codec.h"
#include "allocators/cold/store.h"
#include "allocators/cold/table.h"
#include "allocators/scavenge.h"
#include "allocators/space.h"

enum { PURGE = COLD_STATES }; /* one more in cold_unit.state */
static const uint64_t POLL_NS = 50 * 1000;
static const uint64_t RETRY_NS = UINT64_C(1000000000), FOR_EVER_NS = INT64_MAX;

struct cold cold = {.room = COLD_ROOM_ANY};
bool cold_has_table;

static struct {
    bool is_always;               /* constant */
    _Atomic uint64_t due_ns;      /* to be asked for again, */
    _Atomic uint64_t room_due_ns; /* for room */
    _Atomic bool is_starting;
    _Atomic uint32_t forbidders;
    void *thread_memory;
} own;

/* -- on --------------------------------------------------------------------------------------- */

static const char *map_memory(void)
{
    size_t slots = COLD_SLOTS * (size_t)UNIT_BYTES;
    cold.table = os_map_unpromised(space_units_max() * sizeof(*cold.table));
    cold.slots = os_map_unpromised(slots);
    cold.bell = os_map_unpromised(os_page_bytes());
    if (cold.table == NULL || cold.slots == NULL || cold.bell == NULL)
        return "there is no address space for it";
    os_set_huge(cold.slots, slots, false);
    os_set_dumped(cold.slots, slots, false);
    os_set_unforked(cold.slots, slots);
    return NULL;
}

static const char *why_not(int error)
{
    return error == EPERM ? "userfaultfd is not granted in full (it takes CAP_SYS_PTRACE): system "
                            "calls would fail at packed memory, children of fork lose it"
                          : "the kernel has no userfaultfd that moves pages (Linux 6.8)";
}

const char *cold_init(bool always)
{
    const char *why = NULL;
    int error = os_fault_check();
    if (error != 0)
        why = why_not(error);
    else if (os_page_bytes() != UNIT_BYTES / 4)
        why = "pages are not of 4 KiB";
    else if (space_is_scarce())
        why = "address space is scarce";
    else if (!codec_load())
        why = "liblz4.so.1 is missing";
    else
        why = map_memory();
    cold_has_table = why == NULL;
    own.is_always = always;
    return why;
}

bool cold_is_on(void)
{
    return cold_has_table;
}

/* -- the thread ------------------------------------------------------------------------------- */

static bool has_thread(void)
{
    return atomic_load_explicit(&cold.alive, memory_order_acquire) != 0;
}

static int start_thread(void)
{
    atomic_store(&cold.status, COLD_NEW);
    atomic_store(&cold.is_to_end, 0);
    if (!store_init(space_units_max() / 4 * (size_t)UNIT_BYTES))
        return ENOMEM;
    int error = os_thread_start(cold_serve, &cold.alive, &own.thread_memory);
    while (error == 0 && atomic_load(&cold.status) == COLD_NEW)
        os_wait_for(&cold.status, COLD_NEW, POLL_NS);
    return error != 0 ? error : (int)atomic_load(&cold.status);
}

static bool is_forbidden(void)
{
    return atomic_load(&own.forbidders) != 0 || !scavenge_is_in_own_process();
}

/* seq_cst: a thread that forbids it meanwhile either is seen here, or waits for is_starting. */
static int have_thread(void)
{
    if (has_thread())
        return 0;
    if (atomic_exchange(&own.is_starting, true))
        return EAGAIN;
    int error = is_forbidden() ? EAGAIN : start_thread();
    atomic_store(&own.is_starting, false);
    return error;
}

int cold_work_for(uint64_t ns)
{
    if (!cold_has_table)
        return ENOTSUP;
    int error = have_thread();
    if (error != 0)
        return error;
    uint64_t before = atomic_exchange(&cold.until_ns, os_time_ns() + ns);
    if (before < os_time_ns()) /* it may sleep */
        os_fault_ring(cold.bell);
    return 0;
}

/* Who may not have one asks again after a while. */
static bool have_thread_for_room(void)
{
    uint64_t now = os_time_coarse_ns();
    if (has_thread())
        return true;
    if (now < atomic_load(&own.room_due_ns))
        return false;
    atomic_store(&own.room_due_ns, now + RETRY_NS);
    return have_thread() == 0;
}

void cold_set_room(int64_t bytes, int64_t slack)
{
    if (!cold_has_table)
        return;
    atomic_store_explicit(&cold.slack, slack, memory_order_relaxed);
    atomic_store_explicit(&cold.set_room, bytes, memory_order_relaxed);
    int64_t before = atomic_exchange(&cold.room, bytes);
    if (bytes < 0 && have_thread_for_room() && before >= 0) /* it may sleep */
        os_fault_ring(cold.bell);
}

/* What came back since room was set goes on to count against what it was then (serve_is_dire). */
void cold_correct_room(int64_t bytes)
{
    int64_t before = atomic_load_explicit(&cold.room, memory_order_relaxed);
    int64_t slack = atomic_load_explicit(&cold.slack, memory_order_relaxed);
    if (bytes > before + slack / 2 || bytes < before - slack / 2)
        cold_set_room(bytes, slack);
}

bool cold_lacks_room(void)
{
    return cold_has_table && atomic_load_explicit(&cold.room, memory_order_relaxed) < 0;
}

bool cold_makes_room(void)
{
    return cold_has_table && has_thread() && !cold_is_in_vain();
}

void cold_set_enough(size_t saved_bytes)
{
    uint64_t before = atomic_exchange(&cold.enough, saved_bytes);
    bool is_more = saved_bytes == 0 || saved_bytes > before;
    if (before != 0 && is_more && has_thread()) /* it may sleep */
        os_fault_ring(cold.bell);
}

void cold_go_on(uint64_t now)
{
    if (!own.is_always || now < atomic_load(&own.due_ns))
        return;
    atomic_store(&own.due_ns, now + RETRY_NS);
    if (!has_thread())
        (void)cold_work_for(FOR_EVER_NS);
}

/* -- holding ---------------------------------------------------------------------------------- */

static bool is_all_in_place(void)
{
    return atomic_load(&cold.is_taking) == 0 && atomic_load(&cold.out) == 0;
}

/* seq_cst: the thread announces that it takes one and then looks at the holders; so either it sees
 * this one, or is seen here. */
void cold_hold(void)
{
    if (!cold_has_table || !scavenge_is_in_own_process())
        return;
    atomic_fetch_add(&cold.holders, 1);
    while (has_thread() && !is_all_in_place()) {
        os_fault_ring(cold.bell);
        if (!is_all_in_place())
            os_sleep(POLL_NS);
    }
}

void cold_release(void)
{
    if (cold_has_table && scavenge_is_in_own_process())
        atomic_fetch_sub(&cold.holders, 1);
}

void cold_forbid(void)
{
    if (!cold_has_table)
        return;
    atomic_fetch_add(&own.forbidders, 1);
    while (atomic_load(&own.is_starting))
        os_sleep(POLL_NS);
    cold_hold();
    if (has_thread()) {
        atomic_store(&cold.is_to_end, 1);
        os_fault_ring(cold.bell);
        os_thread_join(&cold.alive, &cold.thread_id);
    }
    cold_release();
}

void cold_allow(void)
{
    if (cold_has_table)
        atomic_fetch_sub(&own.forbidders, 1);
}

/* A child that libc did not tell of was made whole by its parent's thread; what the table says of
 * it does not hold. */
void cold_fork_child(void)
{
    if (!cold_has_table)
        return;
    os_purge(cold.table, space_units_max() * sizeof(*cold.table));
    if (!os_map_again(cold.slots, COLD_SLOTS * (size_t)UNIT_BYTES, true))
        cold_has_table = false; /* one thread */
    os_set_unforked(cold.slots, COLD_SLOTS * (size_t)UNIT_BYTES);
    store_forget();
    cold = (struct cold){
        .table = cold.table, .slots = cold.slots, .bell = cold.bell, .room = COLD_ROOM_ANY};
    own.due_ns = own.room_due_ns = 0;
    own.is_starting = false;
    own.forbidders = 0;
}

/* -- giving pages up -------------------------------------------------------------------------- */

/* While a unit's count is not 0 it is not taken; and what was taken before, the system tells the
 * thread of before the pages go. */
int cold_purge_out(void *start, size_t bytes)
{
    struct cold_unit *first = &cold.table[space_unit_of(start)];
    struct cold_unit *last = &cold.table[space_unit_of((char *)start + bytes - 1)];
    for (struct cold_unit *unit = first; unit <= last; unit++) {
        atomic_fetch_add(&unit->state, PURGE);
        while (cold_state(unit) == COLD_MOVING)
            os_yield();
    }
    int error = os_purge(start, bytes);
    for (struct cold_unit *unit = first; unit <= last; unit++)
        atomic_fetch_sub(&unit->state, PURGE);
    return error;
}

/* -- numbers ---------------------------------------------------------------------------------- */

static uint64_t read(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

size_t cold_saved_bytes(void)
{
    uint64_t pages = read(&cold.counts.packed_pages) * os_page_bytes();
    uint64_t bytes = read(&cold.counts.store_bytes);
    return pages > bytes ? pages - bytes : 0;
}

void cold_read_stats(struct cold_stats *stats)
{
    const struct cold_counts *counts = &cold.counts;
    *stats = (struct cold_stats){
        .staged_units = read(&counts->staged),
        .packed_units = read(&counts->packed),
        .packed_bytes = read(&counts->store_bytes),
        .saved_bytes = cold_saved_bytes(),
        .packs = read(&counts->packs),
        .zeros = read(&counts->zeros),
        .unpackable = read(&counts->unpackable),
        .returns = read(&counts->returns),
        .unpacks = read(&counts->unpacks),
        .return_ns = read(&counts->return_ns),
        .pack_ns = read(&counts->pack_ns),
    };
}
