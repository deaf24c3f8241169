/* table.h - what becomes of each unit; and what the serving thread and the others tell each other.
 */
#ifndef MPRESS_COLD_TABLE_H
#define MPRESS_COLD_TABLE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "allocators/cold/cold.h"
#include "allocators/space.h"

/* The lowest bits of cold_unit.state; above them, how many threads give pages of the unit up. Only
 * the serving thread changes the lowest ones, and takes a unit only when all of it is 0. */
enum cold_state {
    COLD_RESIDENT,
    COLD_MOVING,
    COLD_STAGED,
    COLD_PACKED,
    COLD_STATES,
};

struct cold_unit {
    _Atomic uint8_t state;
    uint8_t pages;  /* out: bit p, page p of the unit is to come back; others read as zero */
    uint16_t bytes; /* packed: so many; resident: how often it came back soon */
    uint32_t at;    /* staged: the slot; packed: the grain; resident: not to be taken before */
};
static_assert(sizeof(struct cold_unit) == 8, "no holes");

/* Counts of the serving thread, read by anybody. */
struct cold_counts {
    _Atomic uint64_t staged, packed, packed_pages, store_bytes;
    _Atomic uint64_t packs, zeros, unpackable, returns, unpacks, return_ns, pack_ns;
};

struct cold {
    struct cold_unit *table;
    char *slots; /* of a unit each */
    void *bell;
    _Atomic uint64_t until_ns; /* there is work until then, */
    _Atomic uint64_t enough;   /* or so many bytes are saved; 0: no number is enough */
    _Atomic int64_t room;      /* cold_set_room's, less what came back since, and what was packed */
    _Atomic int64_t set_room;  /* as it was set */
    _Atomic int64_t slack;     /* likewise */
    _Atomic int64_t need_from; /* the serving thread's: below it units are packed by need; */
    _Atomic int64_t vain_room; /* that was lacking when nothing more could be packed; */
    _Atomic bool is_in_vain;   /* then */
    _Atomic uint32_t holders;
    _Atomic uint32_t out;       /* units that are not in their place, or watched still */
    _Atomic uint32_t is_taking; /* the thread is about to take one */
    _Atomic uint32_t is_to_end;
    _Atomic uint32_t status; /* COLD_NEW, or what opening it came to */
    _Atomic uint32_t alive;  /* os_thread_start's */
    _Atomic uint32_t thread_id;
    struct cold_counts counts;
};
extern struct cold cold;

enum { COLD_SLOTS = 2048 };
#define COLD_NEW UINT32_MAX

/* Nothing could be packed by need lately, and the room is about what it was then. */
static inline bool cold_is_in_vain(void)
{
    int64_t apart = atomic_load_explicit(&cold.room, memory_order_relaxed) -
                    atomic_load_explicit(&cold.vain_room, memory_order_relaxed);
    int64_t most = atomic_load_explicit(&cold.slack, memory_order_relaxed) / 2;
    return atomic_load_explicit(&cold.is_in_vain, memory_order_relaxed) && apart <= most &&
           apart >= -most;
}

static inline unsigned cold_state(const struct cold_unit *unit)
{
    return atomic_load_explicit(&unit->state, memory_order_acquire) % COLD_STATES;
}

/* The unit is in a block, or in what holds blocks. */
static inline bool cold_is_used(size_t number)
{
    unsigned ctl = atomic_load_explicit(space_ctl(number), memory_order_relaxed);
    return ctl != CTL_FREE && ctl != CTL_TAKEN;
}

/* The serving thread's. */
void cold_serve(void);

#endif
