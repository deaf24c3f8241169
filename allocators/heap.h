/* heap.h - the heap as a whole: what preload/ and the tests call.
 *
 * Every function may be called by any thread at any time, before heap_init too (it is then done on
 * the way with the defaults), but not from a signal handler that interrupted one of them. */
#ifndef MPRESS_HEAP_H
#define MPRESS_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/base/conf.h"
#include "allocators/cache.h"
#include "allocators/gate.h"
#include "allocators/large.h"
#include "allocators/scavenge.h"
#include "allocators/size_class.h"
#include "allocators/space.h"

/* Reserves the address space. The first call counts, with its options; later ones change only what
 * can still be changed (fit, decay). 0, or ENOMEM: then every allocation fails. */
int heap_init(const struct conf *conf);

/* The profile that the options named was read and is in force. After heap_init. */
bool heap_has_profile(void);

/* -- fast path: inlined into malloc and free -------------------------------------------------- */

/* The newest round of the class in this thread's hand; NULL: the hand is closed or empty. */
static inline void *heap_pop(unsigned class)
{
    void **top = hand.top[class];
    void *p = top[-1];
    if (MP_LIKELY(p != NULL))
        hand.top[class] = top - 1;
    return p;
}

/* An object of up to SIZE_SLAB_MAX bytes from the thread's own magazine; NULL: take the slow door.
 */
static inline void *heap_alloc_fast(size_t bytes)
{
    return heap_pop(gate_class_of(bytes));
}

/* The same, aligned. NULL as well where the slow door must look at the arguments. */
static inline void *heap_alloc_aligned_fast(size_t alignment, size_t bytes)
{
    return heap_pop(gate_class_of_rounded(bytes, alignment));
}

/* The newest medium block of the thread's own magazine, when it has the right length and alignment;
 * NULL: take the slow door. A signal handler in between must not find other rounds for itself, as
 * that moves them: to it, this thread is inside. To a reclaimer too, which takes the newest round
 * otherwise. */
static inline void *heap_alloc_medium(size_t bytes, size_t alignment)
{
    if (MP_UNLIKELY(bytes > gate_medium_max() || hand.inside != 0))
        return NULL;
    hand.inside = 1;
    atomic_signal_fence(memory_order_seq_cst);
    void **top = hand.top[SIZE_CLASS_MEDIUM];
    void *p = top[-1];
    if (MP_LIKELY(p != NULL) && MP_LIKELY(large_reuse(p, bytes, alignment)))
        hand.top[SIZE_CLASS_MEDIUM] = top - 1;
    else
        p = NULL;
    /* release: a reclaimer that sees it sees the top too; as cheap as a plain store */
    __atomic_store_n(&hand.inside, 0, __ATOMIC_RELEASE);
    return p;
}

/* Puts the block, which lies in the reservation, into this thread's hand; false: the hand is closed
 * or full. */
static inline bool heap_push(void *p)
{
    unsigned class = space_ctl_of(p);
    void **top = hand.top[class];
    if (MP_UNLIKELY(*top == MAGAZINE_FULL))
        return false;
    *top = p;
    hand.top[class] = top + 1;
    return true;
}

/* Puts the object into the thread's own magazine; false: take the slow door. */
static inline bool heap_free_fast(void *p)
{
    return MP_LIKELY(space_owns_open(p)) && heap_push(p);
}

/* Usable bytes of the object at p, an address of ours, if this thread's hand has a magazine for it;
 * else 0. */
static inline size_t heap_usable_by_hand(const void *p)
{
    unsigned class = space_ctl_of(p);
    void **top = hand.top[class];
    bool has_magazine = *top != MAGAZINE_FULL || top[-1] != NULL;
    return MP_LIKELY(has_magazine) ? size_tables.classes[class].bytes : 0;
}

/* Usable bytes of the object at p when this thread's hand is open for it, so that nobody wants to
 * see the call; 0: take the slow door (medium blocks, which have no size by class, do). An interior
 * pointer is not told apart here, as in free. */
static inline size_t heap_open_usable(const void *p)
{
    return MP_LIKELY(space_owns_open(p)) ? heap_usable_by_hand(p) : 0;
}

/* A block above the medium ones that was freed a moment ago, of the right length, and the way back;
 * NULL, false: take the slow door. No lock, and nothing that a signal handler could meet halfway.
 * Both ask the gate of allocations: such blocks lie apart, so samples want their frees too. */
static inline void *heap_alloc_parked(size_t bytes)
{
    bool is_large = bytes > SIZE_MEDIUM_MAX && bytes <= LARGE_MAX;
    return is_large && hand.is_open && gate_serves() ? large_alloc_parked(bytes) : NULL;
}

static inline bool heap_free_parked(void *p)
{
    bool is_large =
        space_owns(p) && space_ctl_of(p) == CTL_LARGE && ((uintptr_t)p & (UNIT_BYTES - 1)) == 0;
    return is_large && hand.is_open && gate_serves() && scavenge_may_wait() && large_park(p);
}

/* Makes the medium block at p one of `bytes` where it stands, when this thread's hand is
 * open; false: take the slow door, for whatever else p is. */
static inline bool heap_resize_medium(void *p, size_t bytes)
{
    bool is_medium = space_owns_open(p) && space_ctl_of(p) == SIZE_CLASS_MEDIUM;
    return hand.is_open && is_medium && large_reuse(p, bytes, 1);
}

/* A block keeps its place while it still uses half of it. */
static inline bool heap_keeps_place(size_t usable, size_t bytes)
{
    return bytes <= usable && bytes >= usable / 2;
}

/* -- blocks ----------------------------------------------------------------------------------- */

/* Uninitialised memory, aligned to 16. NULL: there is none; errno is not touched. 0 bytes are as
 * good as 1. Above PTRDIFF_MAX: NULL. */
void *heap_alloc(size_t bytes);

/* The same, zeroed, slack included. */
void *heap_alloc_zeroed(size_t bytes);

/* Aligned to a power of two. */
void *heap_alloc_aligned(size_t alignment, size_t bytes);

/* Any size and alignment (0: none) in a run or mapping of its own, so that its free and its realloc
 * come to the slow door whatever gate is open: heap_is_apart. zeroed (may be NULL): zeros are
 * wanted; true: they are there. */
void *heap_alloc_apart(size_t alignment, size_t bytes, bool *zeroed);

/* Whether p, a block of this heap or a foreign one, is such a block or as large as they are. */
bool heap_is_apart(const void *p);

/* What an address is to this heap. Never touches it. */
enum heap_owner {
    HEAP_FOREIGN,  /* not ours */
    HEAP_OBJECT,   /* inside a slab */
    HEAP_LARGE,    /* the first byte of a medium or large block */
    HEAP_HUGE,     /* the first byte of a block in its own mapping */
    HEAP_INTERIOR, /* inside a block above the slabs */
    HEAP_FREE,     /* in the reservation, but no block; in a freed mapping that is kept */
};
enum heap_owner heap_owner_of(const void *p);

/* p must be a block of this heap; misuse ends the process (fault.def). */
void heap_free(void *p);
size_t heap_usable(const void *p);

/* As realloc, bytes > 0. NULL: there is no memory, p stays as it is. */
void *heap_realloc(void *p, size_t bytes);

/* The two halves of it, for who does something in between. Its pages would move instead of being
 * copied: */
bool heap_remaps(const void *p, size_t bytes);

/* or else a new block, for p's contents. NULL: there is no memory. */
void *heap_alloc_instead(const void *p, size_t bytes);

/* Changes the size where the block stands; false: it cannot, nothing has changed. */
bool heap_resize(void *p, size_t bytes);

/* Whether the block at p is what a request of this size and alignment (0: none) gets. */
bool heap_fits(const void *p, size_t alignment, size_t bytes);

/* The same for a block that realloc may have shrunk where it stood. */
bool heap_fits_shrunk(const void *p, size_t bytes);

/* -- threads and forks ------------------------------------------------------------------------ */

/* Starts the heap if need be, and gives the thread its cache. False: there is no memory. */
bool heap_enter(void);

/* Called with every thread that gets its cache, from within its first allocation: the place to ask
 * for heap_thread_exit at its end. One function, set before there are threads. */
void heap_on_attach(void (*attached)(void));

/* The thread ends: its magazines go back. Later calls of it work without magazines. */
void heap_thread_exit(void);

/* In the child of a fork, before anything else. */
void heap_fork_child(void);

/* -- modes ------------------------------------------------------------------------------------ */

/* Every free is compared with the bitmaps at once: no magazines any more. While one thread runs. */
void heap_set_checked(void);

/* -- memory and numbers ----------------------------------------------------------------------- */

/* Gives back all that can be given back now: what lies in magazines of any thread and in depots
 * goes to the slabs, empty slabs and parked runs to the unit heap, free pages of all of them to the
 * system. Bytes given to the system; pages that the program never wrote count too. */
size_t heap_compact(void);

/* A part of it, cheap and hardly felt: what idle threads and depots keep, free spans, warm
 * mappings. The same. */
size_t heap_trim(void);

/* The same as heap_compact, and more: the holes of sparse slabs are for all sizes from now on, and
 * the ends of huge pages behind blocks go back. */
struct heap_squeezed {
    size_t melted_bytes; /* free bytes in slabs that melted */
    size_t slack_bytes;  /* given back behind blocks */
    size_t purged_bytes; /* what heap_compact returns */
};
void heap_squeeze(struct heap_squeezed *squeezed);

struct heap_stats {
    size_t live_bytes; /* usable bytes of the blocks the program holds */
    size_t live_objects;
    size_t internal_bytes; /* the part of live_bytes that nobody asked for: of objects in slabs, as
                            * estimated by the requests that met an empty magazine (pattern.h) */
    size_t external_bytes; /* free memory inside partly used slabs, without purged pages */
    size_t cached_bytes;   /* in magazines and depots */
    size_t dirty_bytes;    /* free units and own mappings not given back */
    size_t meta_bytes;
    size_t largest_free_bytes;
    size_t total_free_bytes; /* free units, dirty or not */
    size_t freed_runs;       /* given to the unit heap since the start; */
    size_t joined_runs;      /* of these, joined with a free neighbour at once */
    size_t parked_hits;      /* long runs that were found parked whole, since the start, */
    size_t parked_misses;    /* and that were not; both approximately */
    size_t huge_bytes;       /* the part of live_bytes in own mappings */
    size_t huge_blocks;
    size_t warm_bytes;  /* the part of dirty_bytes in own mappings */
    size_t other_bytes; /* the part of live_bytes in another heap */
    size_t other_blocks;
    size_t given_bytes; /* back to the system, by and by, since the start */
};

/* Sums over all classes and threads while they go on. */
void heap_read_stats(struct heap_stats *stats);

/* Bytes that the heap has of the system: units with pages, own mappings, bookkeeping. Pages that
 * were purged within slabs count, so it is at least what is resident; quick. */
size_t heap_taken_bytes(void);

/* Counts a block that another heap gave this thread, or took back (negative). */
void heap_count_other(ptrdiff_t bytes, int blocks);

/* The same for one size class: numbers of SIZE_CLASS_FIRST.. Call heap_read_stats before the first.
 */
struct heap_class_stats {
    size_t bytes; /* of one object */
    size_t live_objects;
    size_t cached_objects;
    size_t external_bytes;
    size_t slabs;
};
void heap_read_class_stats(unsigned class, struct heap_class_stats *stats);

/* What the system says of the mappings that hold the heap. Slow: it looks at every page. */
struct heap_pages {
    size_t resident_bytes;
    size_t huge_bytes; /* of these, in huge pages */
};
void heap_read_pages(struct heap_pages *pages);

/* Recounts everything while nothing else runs; ends the process at the first contradiction. */
void heap_audit(void);

#endif
