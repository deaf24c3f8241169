/* cold.h - units that nobody touches are packed, and put back when somebody does
 * (MPRESS_COMPRESSION).
 *
 *     RESIDENT ── taken: MOVING ──► STAGED ── untouched for a second ──► PACKED
 *        ▲  in the heap        out of it, as it is        lz4, in the store    │
 *        └────────────── touched: its thread sleeps until it is back ──────────┘
 *
 * A thread of our own does it (serve.c). Whoever touches a page that is out sleeps in the kernel
 * until that thread has put it back; system calls do too. Before a fork, and before what wants no
 * thread of ours, all is put back (cold_hold). */
#ifndef MPRESS_COLD_H
#define MPRESS_COLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"

/* While one thread runs. `always`: work never ends. NULL: so it is; else why not, in words, and
 * nothing will ever be packed. */
const char *cold_init(bool always);

bool cold_is_on(void);

/* Packs what is cold for so long from now on. Outside all locks. 0, EPERM: the right to do so was
 * given up, or whatever else keeps the thread from its work. */
int cold_work_for(uint64_t ns);

/* So many bytes more may come before a limit is too near. Below 0 units are packed by need: those
 * taken longest ago, however short nobody has touched them; `slack` bytes below that, even those
 * that were taken just now. Outside all locks. */
void cold_set_room(int64_t bytes, int64_t slack);
#define COLD_ROOM_ANY (INT64_MAX / 2)

/* Without a request: there may be clearly more than is known, or less. */
void cold_correct_room(int64_t bytes);

/* Less than 0, as far as that is known. */
bool cold_lacks_room(void);

/* It is being made, as far as that is known; else it is not worth while to wait for it. */
bool cold_makes_room(void);

/* No more is taken or packed while so many bytes are saved; 0: no number is enough. */
void cold_set_enough(size_t saved_bytes);

/* Goes on packing, where it never ends. */
void cold_go_on(uint64_t now_ns);

/* All is in its place when it returns, and stays so until the release. Any number of callers. */
void cold_hold(void);
void cold_release(void);

/* The same, and the thread has ended. */
void cold_forbid(void);
void cold_allow(void);

/* In the child of a fork: nothing is out. */
void cold_fork_child(void);

struct cold_stats {
    uint64_t staged_units, packed_units; /* now; of 16 KiB */
    uint64_t packed_bytes;               /* what the packed ones take */
    uint64_t saved_bytes;                /* by packing, now: their pages less that */
    uint64_t packs, zeros;               /* units packed so far; found all zero */
    uint64_t unpackable;                 /* so far */
    uint64_t returns;                    /* units put back because they were touched, so far, */
    uint64_t unpacks;                    /* of them packed ones */
    uint64_t return_ns;                  /* the thread's time for them; */
    uint64_t pack_ns;                    /* and for taking and packing */
};
void cold_read_stats(struct cold_stats *stats);
size_t cold_saved_bytes(void);

/* As os_purge, of memory in units. What is out of it is dropped. */
int cold_purge_out(void *start, size_t bytes);
extern bool cold_has_table; /* constant once there are threads */

/* Of whoever gives memory back. */
static inline void cold_tick(uint64_t now_ns)
{
    if (MP_UNLIKELY(cold_has_table))
        cold_go_on(now_ns);
}

static inline int cold_purge(void *start, size_t bytes)
{
    return MP_LIKELY(!cold_has_table) ? os_purge(start, bytes) : cold_purge_out(start, bytes);
}

#endif
