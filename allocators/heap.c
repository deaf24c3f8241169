/* heap.c - sends each request to the layer that serves its size, and each address to its owner.
 *
 *     <= 32 KiB   cache -> depot -> slab -> unit       objects
 *     <= 32 MiB   large -> unit                        runs of units
 *     above       huge                                 mappings of their own */
#include "allocators/heap.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "allocators/arena.h"
#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "allocators/cache_inside.h"
#include "allocators/depot.h"
#include "allocators/huge.h"
#include "allocators/large.h"
#include "allocators/melt.h"
#include "allocators/meta.h"
#include "allocators/mixed.h"
#include "allocators/pattern.h"
#include "allocators/profile.h"
#include "allocators/scavenge.h"
#include "allocators/slab.h"
#include "allocators/strategy.h"
#include "allocators/txn.h"
#include "allocators/unit.h"

enum { NOT_READY, STARTING, READY, FAILED };

enum {
    GROWING_BYTES = 4 * 1024 * 1024, /* below, copying is cheap */
    ONE_NODE_CPUS = 4,               /* machines with so few have one node */
};

static struct {
    _Atomic uint32_t state;
    bool has_profile; /* constant once the heap is ready */
    bool checked;     /* set while one thread runs */
    void (*attached)(void);
} heap;

/* -- birth ------------------------------------------------------------------------------------ */

/* What can be changed later, too. */
static void apply(const struct conf *conf)
{
    unit_init(conf->fit, conf->decay_ms * UINT64_C(1000000));
    huge_init(conf->decay_ms * UINT64_C(1000000), conf->thp, conf->hugetlb);
    melt_init(conf->melt);
    slab_set_pace(conf->purge, conf->drain);
    mixed_set_purge(conf->purge != CONF_PACE_OFF);
    txn_init(conf->txn_max);
}

static uint32_t start(const struct conf *conf)
{
    struct profile profile;
    unsigned cpus = os_cpus();
    if (space_init(conf->reserve) != 0)
        return FAILED;
    space_choose_pages(conf->thp);
    heap.has_profile = profile_load(&profile, conf->profile);
    slab_init(cpus > ONE_NODE_CPUS ? os_nodes() : 1);
    apply(conf);
    depot_init(cpus);
    scavenge_init(conf->background);
    size_class_init(&profile);
    gate_init(); /* last: from now on sizes have classes */
    return READY;
}

int heap_init(const struct conf *conf)
{
    uint32_t expected = NOT_READY;
    if (atomic_compare_exchange_strong_explicit(&heap.state, &expected, STARTING,
                                                memory_order_acquire, memory_order_acquire)) {
        expected = start(conf);
        atomic_store_explicit(&heap.state, expected, memory_order_release);
        return expected == READY ? 0 : ENOMEM;
    }
    while (expected == STARTING) {
        os_yield();
        expected = atomic_load_explicit(&heap.state, memory_order_acquire);
    }
    if (expected != READY)
        return ENOMEM;
    apply(conf);
    return 0;
}

bool heap_has_profile(void)
{
    return heap.has_profile;
}

static bool init_with_defaults(void)
{
    struct conf conf;
    conf_init(&conf);
    conf_read(&conf, os_is_secure() ? NULL : os_environ());
    return heap_init(&conf) == 0;
}

/* What every slow call needs: the heap, and a cache for this thread. False: there is no heap. */
static bool enter(void)
{
    if (MP_LIKELY(hand.state == CACHE_ALIVE || hand.state == CACHE_DEAD)) {
        cache_count_call();
        scavenge_pass();
        return true;
    }
    /* acquire: pairs with the release in heap_init */
    if (atomic_load_explicit(&heap.state, memory_order_acquire) != READY && !init_with_defaults())
        return false;
    if (cache_attach() && heap.attached != NULL)
        heap.attached();
    return true;
}

bool heap_enter(void)
{
    return enter();
}

void heap_on_attach(void (*attached)(void))
{
    heap.attached = attached;
}

/* -- allocating ------------------------------------------------------------------------------- */

static void *alloc_from_cache(unsigned class, size_t bytes, void *(*alloc)(unsigned class))
{
    hand.refilled = 0;
    void *p = alloc(class);
    if (hand.refilled != 0)
        pattern_note(class, bytes, hand.refilled);
    return p;
}

/* Out of the transaction that this thread has entered; NULL: it has none. */
static void *alloc_from_arena(unsigned class, size_t alignment)
{
    return MP_LIKELY(hand.arena == NULL) ? NULL : arena_alloc(class, alignment);
}

static void *alloc_object(unsigned class, size_t bytes, size_t alignment)
{
    void *p = alloc_from_arena(class, alignment);
    if (MP_UNLIKELY(p != NULL))
        return p;
    if (MP_LIKELY(!heap.checked))
        return alloc_from_cache(class, bytes, cache_alloc);
    unsigned taken = slab_take(class, &p, 1);
    cache_transfer();
    cache_count_taken(class, taken);
    return taken == 1 ? p : NULL;
}

/* Of slabs, without touching what is zero already. */
static void *alloc_from_fresh(unsigned class, size_t bytes)
{
    void *p = slab_take_zeroed(class);
    cache_transfer();
    cache_count_taken(class, p != NULL);
    if (p != NULL) {
        pattern_note(class, bytes, 1);
        strategy_note_uncleared(bytes);
    }
    return p;
}

/* Clearing an object that a thread kept is cheap: it is warm. The others may lie on pages that
 * nobody touched yet; of smaller ones every other shares its page with one that was. */
static void *alloc_zeroed_object(unsigned class, size_t bytes)
{
    size_t usable = size_tables.classes[class].bytes;
    bool may_be_fresh = usable >= SLAB_ZEROED_MIN;
    void *p = may_be_fresh ? alloc_from_arena(class, 1) : NULL;
    if (!may_be_fresh)
        p = alloc_object(class, bytes, 1);
    else if (p == NULL && !heap.checked)
        p = alloc_from_cache(class, bytes, cache_alloc_kept);
    if (p != NULL)
        return memset(p, 0, usable);
    return may_be_fresh ? alloc_from_fresh(class, bytes) : NULL;
}

/* Of the lengths that threads keep: one of its own that fits, as the program left it. */
static void *alloc_warm(size_t bytes, size_t alignment)
{
    bool is_medium = bytes > SIZE_SLAB_MAX && bytes <= SIZE_MEDIUM_MAX;
    return is_medium && !heap.checked ? cache_alloc_medium(bytes, alignment) : NULL;
}

/* zeroed (may be NULL): zeros are wanted; true: they are there. Where the reservation is used up,
 * own mappings serve smaller blocks too. */
static void *alloc_cold(size_t bytes, size_t alignment, bool *zeroed)
{
    void *p = NULL;
    if (bytes <= large_max() && alignment <= SPACE_ALIGNMENT && large_is_welcome())
        p = large_alloc(bytes, alignment, zeroed);
    if (p == NULL && bytes <= PTRDIFF_MAX) {
        p = huge_alloc(bytes, alignment, zeroed != NULL);
        if (zeroed != NULL)
            *zeroed = true;
    }
    cache_transfer();
    return p;
}

/* Above the slabs. */
static void *alloc_big(size_t bytes, size_t alignment, bool *zeroed)
{
    void *p = alloc_warm(bytes, alignment);
    if (zeroed != NULL)
        *zeroed = false;
    if (p == NULL) {
        p = alloc_cold(bytes, alignment, zeroed);
        bool is_medium = bytes > SIZE_SLAB_MAX && bytes <= SIZE_MEDIUM_MAX && !heap.checked;
        cache_count_taken(SIZE_CLASS_MEDIUM, p != NULL && is_medium);
    }
    return p;
}

void *heap_alloc(size_t bytes)
{
    if (!enter())
        return NULL;
    if (bytes <= SIZE_SLAB_MAX)
        return alloc_object(size_class_of(bytes), bytes, 1);
    return alloc_big(bytes, 1, NULL);
}

void *heap_alloc_zeroed(size_t bytes)
{
    if (!enter())
        return NULL;
    bool zeroed = false;
    if (bytes <= SIZE_SLAB_MAX)
        return alloc_zeroed_object(size_class_of(bytes), bytes);
    void *p = alloc_big(bytes, 1, &zeroed);
    if (p != NULL && !zeroed)
        memset(p, 0, large_usable(p)); /* a huge block is zero when it is to be */
    else if (p != NULL)
        strategy_note_uncleared(bytes);
    return p;
}

void *heap_alloc_aligned(size_t alignment, size_t bytes)
{
    MP_ASSERT(is_power_of_two(alignment));
    if (!enter())
        return NULL;
    unsigned class = size_class_of_aligned(bytes, alignment);
    return class != 0 ? alloc_object(class, bytes, alignment)
                      : alloc_big(bytes + (bytes == 0), alignment, NULL);
}

/* A medium length would get a medium block's label, and with it a place in a magazine. */
void *heap_alloc_apart(size_t alignment, size_t bytes, bool *zeroed)
{
    bool is_medium = bytes > SIZE_SLAB_MAX && bytes <= SIZE_MEDIUM_MAX;
    if (!enter())
        return NULL;
    size_t run = is_medium ? SIZE_MEDIUM_MAX + 1 : bytes + (bytes == 0);
    void *p = alloc_cold(run, alignment + (alignment == 0), zeroed);
    if (is_medium && p != NULL && space_owns(p))
        large_set_usable(p, bytes);
    return p;
}

bool heap_is_apart(const void *p)
{
    return space_owns(p) ? space_ctl_of(p) == CTL_LARGE : huge_usable(p) != 0;
}

/* -- owners ----------------------------------------------------------------------------------- */

enum heap_owner heap_owner_of(const void *p)
{
    if (!space_owns(p)) {
        if (huge_usable(p) != 0)
            return HEAP_HUGE;
        if (huge_is_free(p))
            return HEAP_FREE;
        return huge_contains(p) ? HEAP_INTERIOR : HEAP_FOREIGN;
    }
    unsigned ctl = space_ctl_of(p);
    if (ctl == CTL_LARGE || ctl == SIZE_CLASS_MEDIUM)
        return ((uintptr_t)p & (UNIT_BYTES - 1)) == 0 ? HEAP_LARGE : HEAP_INTERIOR;
    if (ctl == CTL_INSIDE)
        return HEAP_INTERIOR;
    bool is_object = ctl == CTL_MIXED || ctl == CTL_DRAIN || ctl == CTL_ARENA ||
                     (ctl != CTL_FREE && ctl < SIZE_CLASS_END);
    return is_object ? HEAP_OBJECT : HEAP_FREE;
}

static void free_object(void *p)
{
    unsigned class = space_ctl_of(p);
    if (class == CTL_ARENA && arena_free(p))
        return;
    if (class == CTL_MIXED || class == CTL_ARENA) /* which became one */
        class = mixed_class_of(p);
    if (MP_LIKELY(!heap.checked && class != 0 && class < SIZE_CLASS_END)) {
        cache_free(class, p);
        return;
    }
    cache_transfer();
    if (slab_object_of(p, &class) == p)
        cache_count_given(class);
    slab_free(p);
}

static void free_large(void *p)
{
    if (space_ctl_of(p) == SIZE_CLASS_MEDIUM && !heap.checked) {
        cache_free(SIZE_CLASS_MEDIUM, p);
        return;
    }
    cache_transfer();
    large_free(p);
}

void heap_free(void *p)
{
    enum heap_owner owner = heap_owner_of(p);
    MP_CHECK(owner != HEAP_INTERIOR, FAULT_INTERIOR_FREE, p);
    MP_CHECK(owner != HEAP_FREE, FAULT_DOUBLE_FREE, p);
    MP_CHECK(owner != HEAP_FOREIGN, FAULT_UNKNOWN_POINTER, p);
    if (!enter())
        return;
    if (owner == HEAP_OBJECT) {
        free_object(p);
    } else if (owner == HEAP_LARGE) {
        free_large(p);
    } else {
        cache_transfer();
        huge_free(p);
        scavenge_watch();
    }
}

size_t heap_usable(const void *p)
{
    unsigned class;
    switch (heap_owner_of(p)) {
    case HEAP_OBJECT:
        if (space_ctl_of(p) == CTL_ARENA && (class = arena_class_of(p)) != 0)
            return size_tables.classes[class].bytes;
        MP_CHECK(slab_object_of(p, &class) == p, FAULT_INTERIOR_FREE, p);
        return size_tables.classes[class].bytes;
    case HEAP_LARGE:
        return large_usable(p);
    case HEAP_HUGE:
        return huge_usable(p);
    case HEAP_INTERIOR:
        fault(FAULT_INTERIOR_FREE, p);
    case HEAP_FREE:
        fault(FAULT_DOUBLE_FREE, p);
    case HEAP_FOREIGN:
        break;
    }
    fault(FAULT_UNKNOWN_POINTER, p);
}

bool heap_fits(const void *p, size_t alignment, size_t bytes)
{
    size_t usable = heap_usable(p);
    unsigned class = alignment <= 16 ? 0 : size_class_of_aligned(bytes, alignment);
    if (alignment <= 16 && bytes <= SIZE_SLAB_MAX)
        class = size_class_of(bytes);
    if (usable <= SIZE_SLAB_MAX && heap_is_apart(p))
        return bytes <= usable;
    if (class != 0)
        return usable == size_tables.classes[class].bytes;
    return usable > SIZE_SLAB_MAX ? usable == large_usable_for(bytes) : bytes <= usable;
}

bool heap_fits_shrunk(const void *p, size_t bytes)
{
    return heap_fits(p, 0, bytes) || heap_keeps_place(heap_usable(p), bytes);
}

/* -- resizing --------------------------------------------------------------------------------- */

bool heap_resize(void *p, size_t bytes)
{
    size_t usable = heap_usable(p);
    if (usable <= SIZE_SLAB_MAX)
        return heap_keeps_place(usable, bytes);
    enum heap_owner owner = heap_owner_of(p);
    if (owner == HEAP_HUGE)
        return huge_grow(p, bytes);
    if (owner != HEAP_LARGE || bytes <= SIZE_SLAB_MAX || bytes > large_max())
        return bytes == usable;
    cache_transfer(); /* a tail that is given away */
    bool resized = large_resize(p, bytes);
    cache_transfer(); /* or one that was taken */
    return resized;
}

bool heap_remaps(const void *p, size_t bytes)
{
    return heap_owner_of(p) == HEAP_HUGE && (bytes > LARGE_MAX / 2 || bytes >= huge_usable(p) / 2);
}

/* A large block that had to move for want of room behind it, and grows again and again, gets a
 * mapping with room. */
void *heap_alloc_instead(const void *p, size_t bytes)
{
    bool is_large = heap_owner_of(p) == HEAP_LARGE && bytes > large_usable(p);
    if (is_large && bytes >= GROWING_BYTES && large_is_growing(p)) {
        void *moved = huge_alloc_growing(bytes);
        cache_transfer();
        if (moved != NULL)
            return moved;
    }
    void *moved = heap_alloc(bytes);
    if (moved != NULL && is_large && heap_owner_of(moved) == HEAP_LARGE)
        large_succeed(moved, p);
    return moved;
}

/* A block that should shrink stays when there is no memory for a smaller one. */
static void *move(void *p, size_t usable, size_t bytes)
{
    void *moved = heap_alloc_instead(p, bytes);
    if (moved == NULL)
        return bytes <= usable ? p : NULL;
    memcpy(moved, p, usable < bytes ? usable : bytes);
    heap_free(p);
    return moved;
}

void *heap_realloc(void *p, size_t bytes)
{
    if (bytes > PTRDIFF_MAX)
        return NULL;
    if (heap_resize(p, bytes))
        return p;
    if (heap_remaps(p, bytes)) {
        cache_transfer();
        void *moved = huge_realloc(p, bytes);
        cache_transfer();
        if (moved != NULL)
            return moved;
    }
    return move(p, heap_usable(p), bytes);
}

/* -- threads, forks, modes -------------------------------------------------------------------- */

void heap_thread_exit(void)
{
    txn_thread_exit();
    cache_detach();
}

MP_RARE void heap_fork_child(void)
{
    lock_forget_all();
    meta_fork_child();
    unit_fork_child();
    slab_fork_child();
    mixed_fork_child();
    huge_fork_child();
    magazine_fork_child();
    depot_fork_child();
    cache_fork_child();
    scavenge_fork_child();
    txn_fork_child();
}

void heap_set_checked(void)
{
    heap.checked = true;
    cache_close_hands();
    cache_flush();
    depot_drain();
}
