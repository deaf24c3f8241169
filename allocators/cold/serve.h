/* serve.h - what the two halves of the serving thread share: out of the heap (serve.c), and back
 * (back.c). Nothing here is any other thread's. */
#ifndef MPRESS_COLD_SERVE_H
#define MPRESS_COLD_SERVE_H

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/cold/store.h"
#include "allocators/cold/table.h"

enum {
    UNIT_PAGES = 4,
    PAGE_BYTES = UNIT_BYTES / UNIT_PAGES,
    ALL_PAGES = (1 << UNIT_PAGES) - 1,
    BACK_SOON_MAX = 5,
    BACK_GIVEN_UP,   /* instead: pages of it were given up; */
    BACK_ZERO,       /* it was zeros; */
    BACK_UNPACKABLE, /* it could not be packed, so many times in a row */
    BACK_UNPACKABLE_MAX = BACK_UNPACKABLE + 2,
    REST = 200,     /* so many hundredths of a second a unit is left alone; */
    NEED_PART = 12, /* by need such a part of them */
};

struct serve {
    size_t low, high; /* units that were out are in [low, high) */
    uint32_t islands; /* stretches of units that are out */
    uint32_t slots;   /* free ones */
    uint16_t free_slots[COLD_SLOTS];
    char *moving; /* the slot of the unit that is MOVING */
};
extern struct serve serve;

/* In hundredths of a second. */
static inline uint32_t serve_now(void)
{
    return (uint32_t)(os_time_coarse_ns() / UINT64_C(10000000));
}

static inline void serve_add(_Atomic uint64_t *count, uint64_t number)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + number,
                          memory_order_relaxed);
}

static inline bool serve_lacks_room(void)
{
    return atomic_load_explicit(&cold.room, memory_order_relaxed) <
               atomic_load_explicit(&cold.need_from, memory_order_relaxed) &&
           !cold_is_in_vain();
}

/* Half of what was kept beyond the limit at least is used up: in a control group SIGKILL is near.
 */
static inline bool serve_is_at_brink(void)
{
    int64_t slack = atomic_load_explicit(&cold.slack, memory_order_relaxed);
    return atomic_load_explicit(&cold.room, memory_order_relaxed) < -slack / 2 * 5;
}

/* So much that who touches what is packed has to wait; but not for more than what came back since
 * room was set, as that can be packed again; or at the brink. */
static inline bool serve_is_dire(void)
{
    int64_t slack = atomic_load_explicit(&cold.slack, memory_order_relaxed);
    int64_t set = atomic_load_explicit(&cold.set_room, memory_order_relaxed);
    int64_t room = atomic_load_explicit(&cold.room, memory_order_relaxed);
    return (room < -slack && room < set - slack / 2) || serve_is_at_brink();
}

/* The unit's pages were given to the system, or (-1) taken of it. */
static inline void serve_note_room(const struct cold_unit *unit, int sign)
{
    int64_t bytes = (int64_t)(bits_of(unit->pages) * PAGE_BYTES);
    atomic_fetch_add_explicit(&cold.room, sign * bytes, memory_order_relaxed);
}

/* The store took pages of the system, or gave some back. */
static inline void serve_note_store(void)
{
    uint64_t now = store_bytes();
    uint64_t before = atomic_exchange_explicit(&cold.counts.store_bytes, now, memory_order_relaxed);
    atomic_fetch_add_explicit(&cold.room, (int64_t)(before - now), memory_order_relaxed);
}

static inline void *serve_slot_at(uint32_t slot)
{
    return cold.slots + slot * (size_t)UNIT_BYTES;
}

static inline bool serve_is_out(size_t number)
{
    unsigned state = cold_state(&cold.table[number]);
    return state == COLD_STAGED || state == COLD_PACKED;
}

/* release: a thread that gives pages up waits for it */
static inline void serve_set_state(struct cold_unit *unit, unsigned state)
{
    unsigned old = atomic_load_explicit(&unit->state, memory_order_relaxed) % COLD_STATES;
    atomic_fetch_add_explicit(&unit->state, (uint8_t)(state - old), memory_order_release);
}

/* -- back.c ----------------------------------------------------------------------------------- */

/* Puts the unit's pages back; who waits goes on to wait. False: not just now, who waits asks again.
 */
bool back_give(size_t number);

/* The unit is in its place, watched no more, and is left alone for some time. */
void back_settle(size_t number, unsigned back_soon, uint32_t rest);

/* Puts those pages of a slot back. False: not just now. */
bool back_put_staged(char *to, char *from, unsigned pages);

/* Whoever waits goes on: the unit is watched no more. */
void back_unwatch(size_t number);
void back_free_slot(uint32_t slot);

/* Answers what there is to answer; waits for it, `ms` at most. */
void back_attend(int ms);

/* But touches of what is packed: `back_attend` is to answer these. False: there are too many. */
bool back_attend_others(void);
void back_give_all(void);

void back_begin(void);

/* There are units that came back and are still watched. */
bool back_has_watched(void);

/* Between answers: `most` of these are watched no more, and the thread may run anywhere. */
void back_rest(unsigned most);

#endif
