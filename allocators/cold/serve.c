/* serve.c - the thread that takes units out of the heap, packs them, and puts them back (back.c).
 *
 * Taking tells what is cold: reads and writes both come back, and cost who does it 20 us or so the
 * first time. A unit that came back is left alone for two seconds, then four, up to a minute. */
#include "allocators/cold/serve.h"

#include <errno.h>

#include "allocators/base/bits.h"
#include "allocators/base/lock.h"
#include "allocators/base/os_fault.h"
#include "allocators/cold/codec.h"
#include "allocators/cold/store.h"

#define MS UINT64_C(1000000)

enum {
    PACKED_MAX = UNIT_BYTES / 4 * 3, /* else it stays: a page is to be saved at least */
    STAGED_TENTHS = 10,
    BEAT_MS = 20,
    LONG_BEAT_MS = 250, /* when all is packed */
    BEAT_UNITS = 32,    /* taken in a beat: 25 MiB a second */
    BEAT_LOOKS = 4096,
    ISLANDS_MAX = 8192, /* mappings that taking splits off; a process may have 65,530 */
};

/* For packing, in a beat: 15 % of a processor, some 15 MiB a second. */
static const uint64_t PACK_NS = 3 * MS;

struct staged {
    uint32_t unit, slot;
    uint32_t since; /* tenth of a second */
};

static struct {
    size_t cursor;        /* unit to be looked at next */
    uint32_t first, last; /* of the queue: staged[first % COLD_SLOTS].. */
    struct staged staged[COLD_SLOTS];
    uint64_t beat_ns;
    size_t in_vain; /* units looked at one after another of which none was taken */
} work_list;

static char packed[PACKED_MAX];

/* -- out of the heap -------------------------------------------------------------------------- */

/* Pages that a child of a fork had too become this process's alone; none comes into being. */
static bool unshare(char *start)
{
    uint64_t present;
    bool is_done = os_read_present(start, UNIT_BYTES, &present);
    for (unsigned page = 0; page < UNIT_PAGES && is_done; page++) {
        if ((present >> page & 1) != 0)
            is_done = os_unshare_pages(start + page * PAGE_BYTES, PAGE_BYTES) == 0;
    }
    return is_done;
}

static void note_range(size_t number)
{
    serve.low = number < serve.low ? number : serve.low;
    serve.high = number >= serve.high ? number + 1 : serve.high;
}

/* A part of it may have been moved: that is put back first, again and again while a fork is at
 * it. */
static void undo(size_t number, char *slot)
{
    while (!back_put_staged(space_address(number), slot, ALL_PAGES))
        back_attend(1);
    back_unwatch(number);
}

/* It is watched first: from then on no madvise passes unseen. */
static int try_to_move(size_t number, char *slot)
{
    char *from = space_address(number);
    int error = os_fault_watch(from, UNIT_BYTES);
    if (error != 0)
        return error;
    error = os_fault_take(slot, from, UNIT_BYTES);
    if (error != 0)
        undo(number, slot);
    return error;
}

static bool move_out(size_t number, char *slot)
{
    serve.moving = slot;
    note_range(number);
    int error = try_to_move(number, slot);
    if (error == EBUSY && unshare(space_address(number)))
        error = try_to_move(number, slot);
    return error == 0;
}

static void note_taken(size_t number, uint32_t slot)
{
    struct cold_unit *unit = &cold.table[number];
    unit->pages = ALL_PAGES;
    unit->at = slot;
    work_list.staged[work_list.last++ % COLD_SLOTS] =
        (struct staged){(uint32_t)number, slot, serve_tenth()};
    serve.islands += 1 - (uint32_t)serve_is_out(number - 1) - (uint32_t)serve_is_out(number + 1);
    serve_add(&cold.counts.staged, 1);
    atomic_fetch_add(&cold.out, 1);
}

/* seq_cst: see cold_hold. False: no more now. */
static bool take(size_t number)
{
    struct cold_unit *unit = &cold.table[number];
    uint8_t resident = COLD_RESIDENT;
    atomic_store(&cold.is_taking, 1);
    bool may_take = atomic_load(&cold.holders) == 0;
    if (may_take && atomic_compare_exchange_strong(&unit->state, &resident, COLD_MOVING)) {
        uint32_t slot = serve.free_slots[--serve.slots];
        bool is_moved = move_out(number, serve_slot_at(slot));
        if (is_moved) {
            note_taken(number, slot);
        } else {
            back_free_slot(slot);
            unit->at = serve_tenth() + (REST_TENTHS << BACK_SOON_MAX);
        }
        serve_set_state(unit, is_moved ? COLD_STAGED : COLD_RESIDENT);
    }
    atomic_store(&cold.is_taking, 0);
    return may_take;
}

static bool is_to_be_taken(size_t number, uint32_t now)
{
    const struct cold_unit *unit = &cold.table[number];
    bool is_lone = !serve_is_out(number - 1) && !serve_is_out(number + 1);
    return atomic_load_explicit(&unit->state, memory_order_relaxed) == COLD_RESIDENT &&
           cold_is_used(number) && (int32_t)(now - unit->at) >= 0 &&
           !(is_lone && serve.islands >= ISLANDS_MAX);
}

static unsigned take_some(void)
{
    size_t end = atomic_load_explicit(&space.units, memory_order_relaxed) - 1;
    uint32_t now = serve_tenth();
    unsigned taken = 0;
    for (unsigned looks = 0; looks < BEAT_LOOKS && taken < BEAT_UNITS && serve.slots > 0; looks++) {
        if (++work_list.cursor >= end)
            work_list.cursor = UNIT_FIRST;
        if (!is_to_be_taken(work_list.cursor, now))
            continue;
        back_attend(0);
        if (!take(work_list.cursor))
            break;
        taken++;
    }
    return taken;
}

/* -- packing ---------------------------------------------------------------------------------- */

static bool is_zero(const char *page)
{
    const uint64_t *words = (const uint64_t *)(const void *)page;
    for (size_t i = 0; i < PAGE_BYTES / sizeof(*words); i++) {
        if (words[i] != 0)
            return false;
    }
    return true;
}

static unsigned pages_not_zero(const char *from)
{
    unsigned pages = 0;
    for (unsigned page = 0; page < UNIT_PAGES; page++)
        pages |= (unsigned)!is_zero(from + page * PAGE_BYTES) << page;
    return pages;
}

/* The contents are in the store; the slot is free. False: they cannot be there. */
static bool store_unit(struct cold_unit *unit, uint32_t slot)
{
    size_t bytes = codec_pack(serve_slot_at(slot), UNIT_BYTES, packed, PACKED_MAX);
    uint32_t grain = bytes == 0 ? STORE_NONE : store_put(packed, bytes);
    if (grain == STORE_NONE)
        return false;
    unit->at = grain;
    unit->bytes = (uint16_t)bytes;
    serve_set_state(unit, COLD_PACKED);
    back_free_slot(slot);
    serve_add(&cold.counts.staged, UINT64_MAX);
    serve_add(&cold.counts.packed, 1);
    serve_add(&cold.counts.packs, 1);
    serve_add(&cold.counts.packed_pages, bits_of(unit->pages));
    atomic_store_explicit(&cold.counts.store_bytes, store_bytes(), memory_order_relaxed);
    return true;
}

/* Zeros need no store: it is enough that the unit is watched no more. */
static void pack(size_t number, uint32_t slot)
{
    struct cold_unit *unit = &cold.table[number];
    unit->pages &= (uint8_t)pages_not_zero(serve_slot_at(slot));
    if (unit->pages == 0) {
        serve_add(&cold.counts.zeros, 1);
        back_settle(number, 0, REST_TENTHS << BACK_SOON_MAX);
    } else if (!store_unit(unit, slot)) {
        serve_add(&cold.counts.unpackable, 1);
        if (back_give(number))
            back_settle(number, BACK_SOON_MAX, REST_TENTHS << BACK_SOON_MAX);
        else
            work_list.staged[work_list.last++ % COLD_SLOTS] =
                (struct staged){(uint32_t)number, slot, serve_tenth()};
    }
}

/* Those that nobody touched meanwhile. */
static void pack_some(void)
{
    uint32_t now = serve_tenth();
    uint64_t until = os_time_ns() + PACK_NS;
    while (work_list.first != work_list.last && os_time_ns() < until) {
        const struct staged at = work_list.staged[work_list.first % COLD_SLOTS];
        const struct cold_unit *unit = &cold.table[at.unit];
        if ((int32_t)(now - at.since) < STAGED_TENTHS)
            break;
        back_attend(0);
        work_list.first++;
        if (cold_state(unit) == COLD_STAGED && unit->at == at.slot)
            pack(at.unit, at.slot);
    }
}

/* -- the thread ------------------------------------------------------------------------------- */

static bool is_asleep(void)
{
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    return work_list.in_vain >= units && work_list.first == work_list.last;
}

/* What was begun is done to its end: once around the heap. */
static bool has_work(uint64_t now)
{
    return now < atomic_load(&cold.until_ns) || !is_asleep();
}

static void work(uint64_t now)
{
    if (now < work_list.beat_ns)
        return;
    work_list.beat_ns = now + BEAT_MS * MS;
    back_rest();
    if (!has_work(now))
        return;
    pack_some();
    work_list.in_vain = take_some() == 0 ? work_list.in_vain + BEAT_LOOKS : 0;
    serve_add(&cold.counts.pack_ns, os_time_ns() - now);
}

static void begin(void)
{
    work_list.first = work_list.last = 0;
    work_list.in_vain = 0;
    serve.islands = 0;
    back_begin();
    serve.low = SIZE_MAX;
    serve.high = 0;
    serve.slots = 0;
    for (uint32_t slot = COLD_SLOTS; slot > 0; slot--)
        serve.free_slots[serve.slots++] = (uint16_t)(slot - 1);
}

static bool is_held(void)
{
    return atomic_load(&cold.holders) != 0 || atomic_load(&cold.is_to_end) != 0;
}

static int patience(uint64_t now)
{
    if (is_held() && atomic_load(&cold.out) != 0)
        return 0;
    if (back_has_watched())
        return BEAT_MS;
    if (!has_work(now))
        return OS_FAULT_FOREVER;
    return is_asleep() ? LONG_BEAT_MS : BEAT_MS;
}

static int open(void)
{
    int error = os_fault_open(cold.slots, COLD_SLOTS * (size_t)UNIT_BYTES, cold.bell);
    atomic_store(&cold.status, (uint32_t)error);
    os_wake(&cold.status, 1);
    return error;
}

void cold_serve(void)
{
    lock_forget_all();
    atomic_store(&cold.thread_id, (uint32_t)os_thread_id());
    begin();
    if (open() != 0)
        return;
    while (atomic_load(&cold.is_to_end) == 0 || atomic_load(&cold.out) != 0) {
        back_attend(patience(os_time_ns()));
        uint64_t now = os_time_ns();
        if (is_held())
            back_give_all();
        else
            work(now);
    }
    os_fault_close();
}
