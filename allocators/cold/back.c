/* back.c - units come back into the heap: because somebody touched them, because all are to be
 * there; or never, because their pages are given up.
 *
 * Order with a fork that libc does not tell of (clone, _Fork): from the moment the kernel copies
 * the tables until the event is read, filling and moving back are refused with EAGAIN; so what is
 * out when the event is read was out when the child began, and it is made whole from that. Order
 * with madvise: the event comes before the pages go, and what is given up is left alone for three
 * seconds; the heap's own (cold_purge) are counted in the unit's state, too. */
#include <errno.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os_fault.h"
#include "allocators/cold/codec.h"
#include "allocators/cold/serve.h"
#include "allocators/cold/store.h"

enum { GIVEN_UP = 300, WATCHED_MAX = 1024 };
static const uint64_t FOLLOW_NS = 4 * 1000 * 1000;

struct serve serve;

/* What kept a unit that was out. */
struct keep {
    uint32_t number, at;
    uint16_t bytes; /* in the store; 0: `at` is a slot */
};

/* Those of units that are in their place as wholes, and still watched. To split and to join
 * mappings, and to give pages back, takes as long as all else that a touch costs: it is done at the
 * next beats. */
static struct {
    struct keep keeps[WATCHED_MAX];
    uint32_t first, last; /* keeps[first % WATCHED_MAX].. */
} watched;

/* A processor that has to be woken for it takes 60 us in a virtual machine; the one that the
 * toucher leaves is awake. Where that is, is asked for once in a while: it takes as long as a
 * fault. */
static struct {
    int id; /* a thread; 0: none */
    uint64_t asked_ns;
} followed;

/* Touches of what is packed that wait until there is room. */
enum { ASIDE_MAX = 128 };
static struct {
    unsigned count;
    struct os_fault_event events[ASIDE_MAX];
} aside;

static char unpacked[UNIT_BYTES] __attribute__((aligned(PAGE_BYTES)));
static char zeros[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));

/* -- back into the heap ----------------------------------------------------------------------- */

/* One page: moved, or copied where the program protected it. */
static bool put_page(char *to, char *from)
{
    int error = os_fault_put(to, from, PAGE_BYTES);
    if (error != 0 && error != EEXIST && error != EAGAIN)
        error = os_fault_fill(OS_FAULT_PARENT, to, from, PAGE_BYTES);
    return error == 0 || error == EEXIST;
}

bool back_put_staged(char *to, char *from, unsigned pages)
{
    if (pages == ALL_PAGES && os_fault_put(to, from, UNIT_BYTES) == 0)
        return true;
    for (unsigned page = 0; page < UNIT_PAGES; page++) {
        if ((pages >> page & 1) != 0 && !put_page(to + page * PAGE_BYTES, from + page * PAGE_BYTES))
            return false;
    }
    os_fault_wake(to, UNIT_BYTES);
    return true;
}

/* Copies of those pages, a stretch at a time. */
static bool fill(int child, char *to, const char *from, uint64_t pages)
{
    while (pages != 0) {
        uint64_t run = bits_lowest_run(pages);
        size_t at = (size_t)__builtin_ctzll(pages) * PAGE_BYTES;
        if (os_fault_fill(child, to + at, from + at, bits_of(run) * PAGE_BYTES) != 0)
            return false;
        pages &= ~run;
    }
    return true;
}

/* What a unit held that is out. */
static const char *contents(const struct cold_unit *unit)
{
    if (cold_state(unit) == COLD_STAGED)
        return serve_slot_at(unit->at);
    bool is_whole = codec_unpack(store_at(unit->at), unit->bytes, unpacked, UNIT_BYTES);
    if (!is_whole)
        fault_assert("what was packed is there", __FILE__, __LINE__);
    return unpacked;
}

static bool put(size_t number)
{
    struct cold_unit *unit = &cold.table[number];
    char *to = space_address(number);
    if (cold_state(unit) == COLD_STAGED)
        return back_put_staged(to, serve_slot_at(unit->at), unit->pages);
    return fill(OS_FAULT_PARENT, to, contents(unit), unit->pages);
}

void back_free_slot(uint32_t slot)
{
    os_purge(serve_slot_at(slot), UNIT_BYTES);
    serve.free_slots[serve.slots++] = (uint16_t)slot;
}

static void free_keep(const struct keep *keep)
{
    if (keep->bytes == 0) {
        back_free_slot(keep->at);
        return;
    }
    store_drop(keep->at, keep->bytes);
    serve_note_store();
}

/* Whoever waits goes on. Where the system has no room to split a mapping the unit stays watched:
 * pages it never had are zeros then. */
void back_unwatch(size_t number)
{
    char *at = space_address(number);
    if (os_fault_unwatch(at, UNIT_BYTES) == 0)
        return;
    for (unsigned page = 0; page < UNIT_PAGES; page++)
        os_fault_fill(OS_FAULT_PARENT, at + page * PAGE_BYTES, zeros, PAGE_BYTES);
    os_fault_wake(at, UNIT_BYTES);
}

/* The unit is in its place, and is left alone for some time. */
static struct keep settle(size_t number, unsigned back_soon, uint32_t rest)
{
    struct cold_unit *unit = &cold.table[number];
    bool is_staged = cold_state(unit) == COLD_STAGED;
    struct keep keep = {(uint32_t)number, unit->at, is_staged ? 0 : unit->bytes};
    serve.islands += (uint32_t)serve_is_out(number - 1) + (uint32_t)serve_is_out(number + 1) - 1;
    serve_add(is_staged ? &cold.counts.staged : &cold.counts.packed, UINT64_MAX);
    if (!is_staged) {
        cold.counts.packed_pages -= bits_of(unit->pages);
        serve_note_room(unit, -1);
    }
    unit->bytes = (uint16_t)back_soon;
    unit->at = serve_now() + rest;
    serve_set_state(unit, COLD_RESIDENT);
    return keep;
}

void back_settle(size_t number, unsigned back_soon, uint32_t rest)
{
    back_unwatch(number); /* who waits goes on while the rest is done */
    struct keep keep = settle(number, back_soon, rest);
    free_keep(&keep);
    atomic_fetch_sub(&cold.out, 1);
}

/* Of one that came back as a whole: nobody misses a page of it until some are given up, and then
 * `return_touched` is told. */
static void settle_watched(size_t number, unsigned back_soon)
{
    watched.keeps[watched.last++ % WATCHED_MAX] =
        settle(number, back_soon, (uint32_t)REST << back_soon);
}

void back_begin(void)
{
    watched.first = watched.last = 0;
    aside.count = 0;
    followed.id = 0;
}

bool back_has_watched(void)
{
    return watched.first != watched.last;
}

/* Those that were taken again meanwhile stay it. */
static void unwatch_some(unsigned most)
{
    for (unsigned done = 0; done < most && back_has_watched(); done++) {
        const struct keep keep = watched.keeps[watched.first++ % WATCHED_MAX];
        if (!serve_is_out(keep.number))
            back_unwatch(keep.number);
        free_keep(&keep);
        atomic_fetch_sub(&cold.out, 1);
        if (!serve_lacks_room())
            back_attend(0);
        else
            back_attend_others(); /* who touches brings more back in that time */
    }
}

/* False: not just now; who waits asks again. */
bool back_give(size_t number)
{
    if (put(number))
        return true;
    os_fault_wake(space_address(number), UNIT_BYTES);
    return false;
}

static void return_touched(size_t number)
{
    struct cold_unit *unit = &cold.table[number];
    if (cold_state(unit) == COLD_MOVING) { /* see undo */
        os_fault_wake(space_address(number), UNIT_BYTES);
        return;
    }
    if (!serve_is_out(number)) { /* a page it never had, or somebody asked twice */
        back_unwatch(number);
        return;
    }
    uint64_t start = os_time_ns();
    bool was_packed = cold_state(unit) == COLD_PACKED;
    unsigned back_soon = was_packed || unit->bytes > BACK_SOON_MAX ? 0 : unit->bytes;
    back_soon += !was_packed && back_soon < BACK_SOON_MAX;
    if (!back_give(number))
        return;
    if (unit->pages == ALL_PAGES && watched.last - watched.first < WATCHED_MAX)
        settle_watched(number, back_soon);
    else
        back_settle(number, back_soon, (uint32_t)REST << back_soon);
    serve_add(&cold.counts.returns, 1);
    serve_add(&cold.counts.unpacks, was_packed);
    serve_add(&cold.counts.return_ns, os_time_ns() - start);
}

/* -- events ----------------------------------------------------------------------------------- */

/* Pages of [start, end) are given up. */
static void drop_pages(size_t number, uintptr_t start, uintptr_t end)
{
    struct cold_unit *unit = &cold.table[number];
    uintptr_t at = (uintptr_t)space_address(number);
    unsigned pages = 0;
    for (unsigned page = 0; page < UNIT_PAGES; page++, at += PAGE_BYTES)
        pages |= (unsigned)(at >= start && at < end) << page;
    for (unsigned page = 0; cold_state(unit) == COLD_MOVING && page < UNIT_PAGES; page++) {
        if ((pages >> page & 1) != 0)
            os_purge(serve.moving + page * PAGE_BYTES, PAGE_BYTES);
    }
    if (!serve_is_out(number)) {
        unit->at = serve_now() + GIVEN_UP;
        unit->bytes = BACK_GIVEN_UP;
        return;
    }
    if (cold_state(unit) == COLD_PACKED)
        cold.counts.packed_pages -= bits_of(unit->pages & pages);
    unit->pages &= (uint8_t)~pages;
    if (unit->pages == 0)
        back_settle(number, BACK_GIVEN_UP, GIVEN_UP);
}

static void drop_range(uintptr_t start, uintptr_t end)
{
    size_t last = space_unit_of((const void *)(end - 1));
    for (size_t number = space_unit_of((const void *)start); number <= last; number++)
        drop_pages(number, start, end);
}

/* Without its memory, which may have ended already, there is nothing to be done for it. */
static void complete_child(int child)
{
    for (size_t number = serve.low; number < serve.high; number++) {
        const struct cold_unit *unit = &cold.table[number];
        if (serve_is_out(number))
            fill(child, space_address(number), contents(unit), unit->pages);
        else if (cold_state(unit) == COLD_MOVING)
            fill(child, space_address(number), serve.moving, ALL_PAGES);
    }
    os_fault_leave_child(child);
}

static void follow(int id)
{
    uint64_t now = os_time_ns();
    if (now - followed.asked_ns < FOLLOW_NS)
        return;
    followed.asked_ns = now;
    followed.id = id;
    os_fault_follow(id);
}

void back_rest(unsigned most)
{
    if (followed.id != 0)
        os_fault_roam();
    followed.id = 0;
    unwatch_some(most);
}

static void answer_other(const struct os_fault_event *event)
{
    if (event->kind == OS_FAULT_BELL)
        os_fault_hush(cold.bell);
    else if (event->kind == OS_FAULT_REMOVED)
        drop_range(event->start, event->end);
    else if (event->kind == OS_FAULT_FORKED)
        complete_child(event->child);
}

static void answer_others(const struct os_fault_event *events, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        answer_other(&events[i]);
}

static void answer_touches(const struct os_fault_event *events, unsigned count)
{
    int toucher = 0;
    for (unsigned i = 0; i < count; i++) {
        if (events[i].kind == OS_FAULT_TOUCHED) {
            return_touched(space_unit_of((const void *)events[i].start));
            toucher = events[i].id;
        }
    }
    if (toucher != 0)
        follow(toucher);
}

/* What comes before a fault is answered before it. */
void back_attend(int ms)
{
    struct os_fault_event events[OS_FAULT_EVENTS];
    answer_touches(aside.events, aside.count);
    unsigned count = os_fault_read(events, aside.count == 0 ? ms : 0);
    aside.count = 0;
    answer_others(events, count);
    answer_touches(events, count);
}

/* What is staged takes no room when it goes back. */
static bool waits_for_room(const struct os_fault_event *event)
{
    size_t number = space_unit_of((const void *)event->start);
    return event->kind == OS_FAULT_TOUCHED && cold_state(&cold.table[number]) == COLD_PACKED;
}

bool back_attend_others(void)
{
    struct os_fault_event events[OS_FAULT_EVENTS];
    if (aside.count + OS_FAULT_EVENTS > ASIDE_MAX)
        return false;
    unsigned count = os_fault_read(events, 0);
    answer_others(events, count);
    for (unsigned i = 0; i < count; i++) {
        if (waits_for_room(&events[i]))
            aside.events[aside.count++] = events[i];
        else
            answer_touches(&events[i], 1);
    }
    return true;
}

void back_give_all(void)
{
    unwatch_some(WATCHED_MAX);
    for (size_t number = serve.low; number < serve.high && cold.out != 0; number++) {
        if (!serve_is_out(number))
            continue;
        if (back_give(number))
            back_settle(number, 0, 0);
        back_attend(0);
    }
}
