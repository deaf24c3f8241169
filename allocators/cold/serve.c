/* serve.c - the thread that takes units out of the heap, packs them, and puts them back (back.c).
 *
 * Taking tells what is cold: reads and writes both come back, and cost who does it 20 us or so the
 * first time. A unit that came back is left alone for two seconds, then four, up to a minute.
 *
 * What is staged is a queue. By age, its head is packed after a second; by need, when room is
 * lacking, as fast as can be, while so many are taken behind it that what is in use is touched, and
 * comes back, before it gets to the head. */
#include "allocators/cold/serve.h"

#include <errno.h>
#include <limits.h>

#include "allocators/base/bits.h"
#include "allocators/base/lock.h"
#include "allocators/base/os_fault.h"
#include "allocators/cold/codec.h"
#include "allocators/cold/need.h"
#include "allocators/cold/store.h"

#define MS UINT64_C(1000000)

enum {
    PACKED_MAX = UNIT_BYTES / 4 * 3, /* else it stays: a page is to be saved at least */
    STAGED_MS = 1000,
    NEED_STAGED_MS = 50, /* by need; 0 in dire need */
    BEAT_MS = 20,
    NEED_BEAT_MS = 4,
    LONG_BEAT_MS = 250, /* when all is packed */
    BEAT_UNITS = 32,    /* taken in a beat: 25 MiB a second, */
    REST_UNITS = 64,    /* and watched no more */
    NEED_UNITS = 4,     /* taken for one that is packed by need, while too few are staged */
    BEAT_LOOKS = 4096,
    ISLANDS_MAX = 8192, /* mappings that taking splits off; a process may have 65,530 */
};

/* For packing, in a beat: 15 % of a processor, some 15 MiB a second. By need, between two looks at
 * all else, no end; in dire need. */
static const uint64_t PACK_NS = 3 * MS, NEED_NS = 5 * MS, DIRE_NS = 40 * MS,
                      DIRE_PAUSE_NS = 250 * MS;

struct staged {
    uint32_t unit, slot;
    uint32_t since_ms;
};

static struct {
    size_t cursor;        /* unit to be looked at next */
    uint32_t first, last; /* of the queue: staged[first % COLD_SLOTS].. */
    struct staged staged[COLD_SLOTS];
    uint64_t beat_ns;
    bool is_dire;         /* so much room is lacking that who touches what is packed waits */
    uint64_t dire_due_ns; /* not before: it was in vain */
    size_t in_vain;       /* units looked at one after another of which none was taken */
} work_list;

static struct need need;
static char packed[PACKED_MAX];

static uint32_t now_ms(void)
{
    return (uint32_t)(os_time_coarse_ns() / MS);
}

static void push_staged(size_t number, uint32_t slot)
{
    work_list.staged[work_list.last++ % COLD_SLOTS] =
        (struct staged){(uint32_t)number, slot, now_ms()};
}

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
    push_staged(number, slot);
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
            unit->at = serve_now() + (REST << BACK_SOON_MAX);
        }
        serve_set_state(unit, is_moved ? COLD_STAGED : COLD_RESIDENT);
    }
    atomic_store(&cold.is_taking, 0);
    return may_take;
}

/* By need one part in so many of its rest is enough. In dire need, when who touches what is packed
 * waits, such a part of the shortest rest, however often it came back: else all that is in use
 * might rest, and he wait in vain. Both are longer than three that one instruction touches can be
 * kept waiting, else it might never get all that it needs at once. What was given up (see back.c)
 * and what is not worth it are left alone for as long as ever. */
static bool has_rested(const struct cold_unit *unit, uint32_t now)
{
    uint32_t rest = (uint32_t)REST << unit->bytes;
    if (unit->bytes <= BACK_SOON_MAX && work_list.is_dire)
        now += rest - REST / NEED_PART;
    else if (unit->bytes <= BACK_SOON_MAX && serve_lacks_room())
        now += rest - rest / NEED_PART;
    return unit->at == 0 || (int32_t)(now - unit->at) >= 0;
}

static bool is_to_be_taken(size_t number, uint32_t now)
{
    const struct cold_unit *unit = &cold.table[number];
    bool is_lone = !serve_is_out(number - 1) && !serve_is_out(number + 1);
    return atomic_load_explicit(&unit->state, memory_order_relaxed) == COLD_RESIDENT &&
           cold_is_used(number) && has_rested(unit, now) &&
           !(is_lone && serve.islands >= ISLANDS_MAX);
}

/* Those that were touched meanwhile are in the queue until they get to its head. */
static bool has_place(void)
{
    return serve.slots > 0 && work_list.last - work_list.first < COLD_SLOTS;
}

static void take_some(unsigned most)
{
    size_t end = atomic_load_explicit(&space.units, memory_order_relaxed) - 1;
    uint32_t now = serve_now();
    unsigned taken = 0;
    for (unsigned looks = 0; looks < BEAT_LOOKS && taken < most && has_place(); looks++) {
        if (++work_list.cursor >= end)
            work_list.cursor = UNIT_FIRST;
        if (!is_to_be_taken(work_list.cursor, now))
            continue;
        if (!work_list.is_dire)
            back_attend(0);
        else if (!back_attend_others())
            break;
        if (!take(work_list.cursor))
            break;
        taken++;
    }
    work_list.in_vain = taken == 0 ? work_list.in_vain + BEAT_LOOKS : 0;
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
    serve_note_room(unit, 1);
    serve_note_store();
    return true;
}

/* It cannot be packed, for the n-th time since it was last touched while it was out: it is left
 * alone for four times as long as the last time. */
static void settle_unpackable(size_t number)
{
    unsigned before = cold.table[number].bytes;
    unsigned times = before < BACK_UNPACKABLE ? BACK_UNPACKABLE : before + 1;
    times = times < BACK_UNPACKABLE_MAX ? times : BACK_UNPACKABLE_MAX;
    serve_add(&cold.counts.unpackable, 1);
    back_settle(number, times, (uint32_t)REST << (BACK_SOON_MAX + 2 * (times - BACK_UNPACKABLE)));
}

/* Zeros need no store: it is enough that the unit is watched no more. */
static void pack(size_t number, uint32_t slot)
{
    struct cold_unit *unit = &cold.table[number];
    unit->pages &= (uint8_t)pages_not_zero(serve_slot_at(slot));
    if (unit->pages == 0) {
        serve_add(&cold.counts.zeros, 1);
        back_settle(number, BACK_ZERO, REST << BACK_SOON_MAX);
    } else if (!store_unit(unit, slot)) {
        if (back_give(number))
            settle_unpackable(number);
        else
            push_staged(number, slot);
    }
}

/* What nobody touched since it was taken, longest ago and for so long. False: there is none. */
static bool pack_oldest(uint32_t least_ms)
{
    uint32_t now = now_ms();
    while (work_list.first != work_list.last) {
        const struct staged at = work_list.staged[work_list.first % COLD_SLOTS];
        const struct cold_unit *unit = &cold.table[at.unit];
        bool is_staged = cold_state(unit) == COLD_STAGED && unit->at == at.slot;
        if (is_staged && now - at.since_ms < least_ms)
            return false;
        work_list.first++;
        if (is_staged) {
            pack(at.unit, at.slot);
            return true;
        }
    }
    return false;
}

static void pack_some(void)
{
    uint64_t until = os_time_ns() + PACK_NS;
    do {
        back_attend(0);
    } while (pack_oldest(STAGED_MS) && os_time_ns() < until);
}

/* A quarter of the heap is staged while room is lacking: of what is packed the thread knows then
 * that nobody touched it while that quarter was taken. */
static bool stage_more(void)
{
    uint64_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    if (atomic_load_explicit(&cold.counts.staged, memory_order_relaxed) >= units / 4 ||
        !has_place())
        return false;
    take_some(NEED_UNITS);
    return work_list.in_vain == 0;
}

/* Where nothing is gained packing by need begins half-way between dire need and the limit, or ends
 * until the room is another one. */
static void follow_need(uint64_t now)
{
    uint64_t zeros = cold.counts.zeros, done = cold.counts.packs + zeros;
    uint64_t gained = cold_saved_bytes() + zeros * UNIT_BYTES;
    int64_t slack = atomic_load_explicit(&cold.slack, memory_order_relaxed);
    if (need_is_anew(&need, now)) {
        atomic_store_explicit(&cold.need_from, 0, memory_order_relaxed);
        atomic_store_explicit(&cold.is_in_vain, false, memory_order_relaxed);
    }
    if (!serve_lacks_room())
        return;
    enum need_verdict verdict = need_follow(&need, now, gained, done, (uint64_t)slack / 16);
    if (verdict == NEED_GO_ON)
        return;
    atomic_store_explicit(&cold.need_from, -slack / 2 * 3, memory_order_relaxed);
    atomic_store_explicit(&cold.vain_room, cold.room, memory_order_relaxed);
    atomic_store_explicit(&cold.is_in_vain, verdict == NEED_GIVE_UP, memory_order_relaxed);
}

static bool is_held(void)
{
    return atomic_load(&cold.holders) != 0 || atomic_load(&cold.is_to_end) != 0;
}

/* In dire need who touches what is packed is not served before there is room again, for some time:
 * he brings back more in that time than can be packed. */
static void make_room(uint64_t start)
{
    uint64_t packs = atomic_load_explicit(&cold.counts.packs, memory_order_relaxed);
    bool goes_on = true;
    bool may_be_dire = start >= work_list.dire_due_ns || serve_is_at_brink();
    uint64_t until = start + (may_be_dire && serve_is_dire() ? DIRE_NS : NEED_NS);
    back_rest(UINT_MAX); /* what kept them takes memory, too */
    while (goes_on && serve_lacks_room() && !is_held() && os_time_ns() < until) {
        work_list.is_dire = may_be_dire && serve_is_dire();
        if (!work_list.is_dire)
            back_attend(0);
        else if (!back_attend_others())
            break;
        goes_on = stage_more();
        goes_on |= pack_oldest(work_list.is_dire ? 0 : NEED_STAGED_MS);
        if (!goes_on && work_list.is_dire) {
            os_sleep(MS);
            goes_on = true;
        }
    }
    if (work_list.is_dire && cold.counts.packs == packs)
        work_list.dire_due_ns = until + DIRE_PAUSE_NS;
    work_list.is_dire = false;
}

/* -- the thread ------------------------------------------------------------------------------- */

static bool is_asleep(void)
{
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    return work_list.in_vain >= units && work_list.first == work_list.last;
}

static bool has_enough(void)
{
    uint64_t enough = atomic_load_explicit(&cold.enough, memory_order_relaxed);
    return enough != 0 && cold_saved_bytes() >= enough;
}

/* What was begun is done to its end: once around the heap. */
static bool has_work(uint64_t now)
{
    if (has_enough())
        return false;
    return now < atomic_load(&cold.until_ns) || !is_asleep();
}

static void beat(uint64_t now)
{
    work_list.beat_ns = now + BEAT_MS * MS;
    back_rest(REST_UNITS);
    if (!has_work(now) || serve_lacks_room())
        return;
    pack_some();
    take_some(BEAT_UNITS);
}

static void work(void)
{
    uint64_t start = os_time_ns();
    follow_need(start);
    if (serve_lacks_room())
        make_room(start);
    if (start >= work_list.beat_ns)
        beat(start);
    serve_add(&cold.counts.pack_ns, os_time_ns() - start);
}

static void begin(void)
{
    work_list.first = work_list.last = 0;
    work_list.in_vain = 0;
    serve.islands = 0;
    need = (struct need){0};
    back_begin();
    serve.low = SIZE_MAX;
    serve.high = 0;
    serve.slots = 0;
    for (uint32_t slot = COLD_SLOTS; slot > 0; slot--)
        serve.free_slots[serve.slots++] = (uint16_t)(slot - 1);
}

static int patience(uint64_t now)
{
    if (is_held() && atomic_load(&cold.out) != 0)
        return 0;
    if (serve_lacks_room())
        return is_asleep() ? BEAT_MS : NEED_BEAT_MS;
    if (back_has_watched())
        return BEAT_MS;
    if (!has_work(now))
        return atomic_load(&cold.room) < 0 ? LONG_BEAT_MS : OS_FAULT_FOREVER;
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
        if (is_held()) {
            back_give_all();
            need.tried_ns = 0;
        } else {
            work();
        }
    }
    os_fault_close();
}
