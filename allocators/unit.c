/* unit.c - takes runs out of the index (run.c) and puts them back joined with both neighbours;
 * gives dirty ones back to the system once they are old enough. */
#include "allocators/unit.h"

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "allocators/cold/cold.h"
#include "allocators/growth.h"
#include "allocators/run.h"
#include "allocators/space.h"
#include "allocators/strategy.h"
#include "allocators/warm.h"

enum {
    PARK_UNITS_MIN = 17, /* shorter runs are for the slabs, and for the threads' magazines */
    PIECE_UNITS = 8 * 1024 * 1024 / UNIT_BYTES, /* purged at a time: nobody waits longer for them */
};

static struct {
    struct lock lock; /* of this and of the index */
    enum conf_fit fit;
    uint64_t decay_ns;
    _Atomic uint64_t unused_ns; /* what is freed just now was so long before; hardly ever not 0 */
    uint32_t frontier;          /* units at or above were never used; U1: all below have an owner,
                                   but unit 0; 0: none was */
    uint32_t purging;           /* runs that are out of the heap while their pages go back */
    size_t freed, joined;       /* runs given back; those of them that had a free neighbour */
    _Atomic uint64_t tick_ns;   /* the time of the last tick: what parked runs take for now */
} unit_heap = {.lock = LOCK_INIT(LOCK_RANK_UNIT)};

/* -- taking and giving ------------------------------------------------------------------------ */

/* Cuts [from, from + units) out of a run taken from the index and puts the rest back. */
static void trim(uint32_t first, size_t run_units, uint32_t from, size_t units, uint64_t since_ns)
{
    size_t before = from - first;
    size_t behind = run_units - before - units;
    if (before > 0)
        run_insert(first, before, since_ns);
    if (behind > 0)
        run_insert(from + (uint32_t)units, behind, since_ns);
}

/* Inserts a run, so many of whose units are dirty, joined with its free neighbours. The whole is as
 * old as the part with most dirty units, so that a large idle run ages although small ones keep
 * joining it, and what is left of one does when the part before it was purged. True: there was one.
 */
static bool insert_merged(uint32_t first, size_t units, size_t dirty, uint64_t since_ns)
{
    const uint64_t *free_bits = space_free_bits();
    uint32_t end = first + (uint32_t)units;
    size_t most = dirty, alone = units;
    if (end < unit_heap.frontier && bit_is_set(free_bits, end)) {
        const struct run *right = run_at(end);
        if (right->dirty > most) {
            most = right->dirty;
            since_ns = right->since_ns;
        }
        units += right->units;
        run_remove(end);
    }
    if (first > 0 && bit_is_set(free_bits, first - 1)) {
        first = *space_head(first - 1);
        const struct run *left = run_at(first);
        if (left->dirty > most)
            since_ns = left->since_ns;
        units += left->units;
        run_remove(first);
    }
    run_insert(first, units, since_ns);
    return units > alone;
}

/* A run that its owner gives back. */
static void give(uint32_t first, size_t units, uint64_t since_ns)
{
    unit_heap.freed++;
    unit_heap.joined += insert_merged(first, units, units, since_ns);
}

/* Runs that are parked since `before_ns` or longer join the others. False: there are none. */
static bool unpark(uint64_t before_ns)
{
    MP_ASSERT(lock_is_held(&unit_heap.lock));
    bool any = false;
    struct warm_run run;
    while ((run = warm_take_older(before_ns)).units != 0) {
        give(run.first, run.units, run.since_ns);
        any = true;
    }
    return any;
}

/* Whether the heap may have the pages that these free units do not hold. */
static bool may_grow(uint32_t first, size_t units)
{
    return growth_take((units - bits_count(space_dirty_bits(), first, units)) * UNIT_BYTES);
}

/* A run of at least `units`. What is parked joins in before a run is taken that costs new pages. */
static uint32_t find(size_t units)
{
    uint32_t first = run_find(unit_heap.fit, units, unit_heap.frontier);
    if ((first == UNIT_NONE || run_at(first)->dirty == 0) && unpark(UINT64_MAX))
        first = run_find(unit_heap.fit, units, unit_heap.frontier);
    return first;
}

static uint32_t take_from_run(size_t units, size_t align_units)
{
    uint32_t first = find(units + align_units - 1);
    if (first == UNIT_NONE)
        return UNIT_NONE;
    size_t run_units = run_at(first)->units;
    uint64_t since_ns = run_at(first)->since_ns;
    uint32_t from = (uint32_t)round_up(first, align_units);
    if (!may_grow(from, units))
        return UNIT_NONE;
    run_remove(first);
    trim(first, run_units, from, units, since_ns);
    return from;
}

static uint32_t take_from_frontier(size_t units, size_t align_units)
{
    uint32_t gap = unit_heap.frontier != 0 ? unit_heap.frontier : UNIT_FIRST;
    size_t from = round_up(gap, align_units);
    if (from + units > space_units_max() || !growth_take(units * UNIT_BYTES) ||
        space_extend(from + units) != 0)
        return UNIT_NONE;
    unit_heap.frontier = (uint32_t)(from + units);
    if (from > gap)
        insert_merged(gap, from - gap, 0, 0);
    space_label(from, units, CTL_TAKEN);
    return (uint32_t)from;
}

/* Marks a run as in use: from now on its pages count as written. True: it is all zero. */
static bool claim(uint32_t first, size_t units)
{
    bool zeroed = bits_count(space_dirty_bits(), first, units) == 0;
    bits_set(space_dirty_bits(), first, units);
    space_touch_span(first);
    return zeroed;
}

/* UNIT_NONE: there is no room. *again: but there may be, once what is being purged is back. */
static uint32_t take(size_t units, size_t align_units, bool *zeroed, bool *again)
{
    lock_take(&unit_heap.lock);
    uint32_t first = take_from_run(units, align_units);
    if (first == UNIT_NONE)
        first = take_from_frontier(units, align_units);
    *zeroed = first != UNIT_NONE && claim(first, units);
    *again = first == UNIT_NONE && unit_heap.purging > 0;
    lock_drop(&unit_heap.lock);
    return first;
}

uint32_t unit_alloc(size_t units, size_t align_units, bool *zeroed)
{
    MP_ASSERT(units > 0 && is_power_of_two(align_units));
    if (units + align_units > space_units_max())
        return UNIT_NONE;
    if (zeroed != NULL)
        *zeroed = false;
    uint32_t first = UNIT_NONE;
    if (units >= PARK_UNITS_MIN && (first = warm_take(units, align_units)) != UNIT_NONE)
        return first;
    bool zero, again;
    while ((first = take(units, align_units, &zero, &again)) == UNIT_NONE && again)
        os_yield();
    if (first != UNIT_NONE)
        strategy_take_pages(space_address(first), units * UNIT_BYTES);
    if (zeroed != NULL)
        *zeroed = zero && !strategy_is_eager();
    return first;
}

void unit_set_unused(uint64_t ns)
{
    atomic_store_explicit(&unit_heap.unused_ns, ns, memory_order_relaxed);
}

void unit_free(uint32_t first, size_t units)
{
    uint64_t now = os_time_coarse_ns();
    now -= atomic_load_explicit(&unit_heap.unused_ns, memory_order_relaxed);
    lock_take(&unit_heap.lock);
    give(first, units, now);
    lock_drop(&unit_heap.lock);
}

static bool can_park(size_t units)
{
    return units >= PARK_UNITS_MIN && unit_heap.fit == CONF_FIT_BEST && strategy_pools();
}

static struct warm_run run_to_park(uint32_t first, size_t units)
{
    uint64_t now = atomic_load_explicit(&unit_heap.tick_ns, memory_order_relaxed);
    return (struct warm_run){first, (uint32_t)units, now};
}

bool unit_try_park(uint32_t first, size_t units)
{
    return can_park(units) && warm_try_put(run_to_park(first, units));
}

uint32_t unit_take_parked(size_t units)
{
    return units >= PARK_UNITS_MIN ? warm_take(units, 1) : UNIT_NONE;
}

void unit_park(uint32_t first, size_t units)
{
    if (!can_park(units)) {
        unit_free(first, units);
        return;
    }
    struct warm_run run = warm_put(run_to_park(first, units));
    if (run.units != 0)
        unit_free(run.first, run.units);
}

/* Takes the right neighbour's units, when it is long enough. */
static bool take_right(uint32_t end, size_t units)
{
    if (end >= unit_heap.frontier || !bit_is_set(space_free_bits(), end))
        return false;
    size_t run_units = run_at(end)->units;
    uint64_t since_ns = run_at(end)->since_ns;
    if (run_units < units || !may_grow(end, units))
        return false;
    run_remove(end);
    trim(end, run_units, end, units, since_ns);
    return true;
}

bool unit_extend(uint32_t first, size_t old_units, size_t units, bool *zeroed)
{
    uint32_t end = first + (uint32_t)old_units;
    lock_take(&unit_heap.lock);
    bool taken = take_right(end, units) || (unpark(UINT64_MAX) && take_right(end, units));
    if (!taken && end == unit_heap.frontier)
        taken = take_from_frontier(units, 1) != UNIT_NONE;
    bool zero = taken && claim(end, units);
    lock_drop(&unit_heap.lock);
    if (taken)
        strategy_take_pages(space_address(end), units * UNIT_BYTES);
    if (zeroed != NULL)
        *zeroed = zero && !strategy_is_eager();
    return taken;
}

/* -- giving memory back ----------------------------------------------------------------------- */

/* The first unit at or behind `at` whose dirty bit is (not) set; `end` when there is none before.
 */
static size_t next_unit(size_t at, size_t end, bool dirty)
{
    const uint64_t *dirty_bits = space_dirty_bits();
    while (at < end) {
        uint64_t word = dirty ? dirty_bits[at / 64] : ~dirty_bits[at / 64];
        uint64_t rest = word >> (at % 64);
        if (rest != 0) {
            at += (size_t)__builtin_ctzll(rest);
            break;
        }
        at = (at / 64 + 1) * 64;
    }
    return at < end ? at : end;
}

/* Takes the first dirty stretch of the oldest dirty run, at most `most` units of it, out of the
 * heap when it was freed before `before`. 0 units: there is none. */
static size_t take_oldest(uint64_t before, size_t most, uint32_t *first)
{
    lock_take(&unit_heap.lock);
    size_t units = 0;
    uint32_t oldest = run_oldest();
    if (oldest != UNIT_NONE && run_at(oldest)->since_ns <= before) {
        const struct run run = *run_at(oldest);
        *first = (uint32_t)next_unit(oldest, oldest + run.units, true);
        size_t end = oldest + run.units;
        if (end - *first > most)
            end = *first + most;
        units = next_unit(*first, end, false) - *first;
        unit_heap.purging++;
        run_remove(oldest);
        trim(oldest, run.units, *first, units, run.since_ns);
    }
    lock_drop(&unit_heap.lock);
    return units;
}

/* Purges a run that is out of the heap, without the lock, and puts it back. False: the system
 * refuses. *bytes grows by what was given back. */
static bool purge_taken(uint32_t first, size_t units, size_t *bytes)
{
    bool purged = cold_purge(space_address(first), units * UNIT_BYTES) == 0;
    uint64_t now = os_time_coarse_ns();
    lock_take(&unit_heap.lock);
    if (purged) {
        *bytes += bits_count(space_dirty_bits(), first, units) * UNIT_BYTES;
        bits_clear(space_dirty_bits(), first, units);
    }
    insert_merged(first, units, purged ? 0 : units, now);
    unit_heap.purging--;
    lock_drop(&unit_heap.lock);
    return purged;
}

static size_t purge_older(uint64_t before, size_t most_units)
{
    size_t bytes = 0;
    lock_take(&unit_heap.lock);
    unpark(before);
    lock_drop(&unit_heap.lock);
    while (most_units > 0) {
        uint32_t first = UNIT_NONE;
        size_t most = most_units < PIECE_UNITS ? most_units : PIECE_UNITS;
        size_t units = take_oldest(before, most, &first);
        if (units == 0 || !purge_taken(first, units, &bytes))
            break; /* a refusal is not fatal, and not worth a second try now */
        most_units -= units;
    }
    return bytes;
}

size_t unit_tick(uint64_t now_ns, size_t most_bytes)
{
    atomic_store_explicit(&unit_heap.tick_ns, now_ns, memory_order_relaxed);
    if (now_ns <= unit_heap.decay_ns)
        return 0;
    return purge_older(now_ns - unit_heap.decay_ns, most_bytes / UNIT_BYTES);
}

size_t unit_purge(void)
{
    return purge_older(UINT64_MAX, SIZE_MAX);
}

/* -- birth, statistics, fork, audit ----------------------------------------------------------- */

void unit_init(enum conf_fit fit, uint64_t decay_ns)
{
    unit_heap.fit = fit;
    unit_heap.decay_ns = decay_ns;
}

void unit_limit_space(uint64_t bytes)
{
    lock_take(&unit_heap.lock);
    space_limit(bytes);
    lock_drop(&unit_heap.lock);
}

bool unit_has_dirty(void)
{
    lock_take(&unit_heap.lock);
    bool has_dirty = run_oldest() != UNIT_NONE;
    lock_drop(&unit_heap.lock);
    return has_dirty;
}

size_t unit_resident_bytes(void)
{
    struct run_totals totals;
    lock_take(&unit_heap.lock);
    run_read_totals(&totals);
    size_t units = unit_heap.frontier - (totals.free_units - totals.dirty_units);
    lock_drop(&unit_heap.lock);
    return units * UNIT_BYTES;
}

void unit_read_stats(struct unit_stats *stats)
{
    struct run_totals totals;
    struct warm_stats warm;
    warm_read_stats(&warm);
    lock_take(&unit_heap.lock);
    run_read_totals(&totals);
    stats->dirty_bytes = (totals.dirty_units + warm.units) * UNIT_BYTES;
    stats->clean_bytes = (totals.free_units - totals.dirty_units) * UNIT_BYTES;
    size_t largest = totals.largest_units > warm.longest ? totals.largest_units : warm.longest;
    stats->largest_bytes = largest * UNIT_BYTES;
    stats->freed = unit_heap.freed;
    stats->joined = unit_heap.joined;
    stats->warm_hits = warm.hits;
    stats->warm_misses = warm.misses;
    lock_drop(&unit_heap.lock);
}

void unit_visit(uint8_t ctl, void (*visit)(size_t unit, void *context), void *context)
{
    lock_take(&unit_heap.lock);
    for (size_t unit = 0; unit < unit_heap.frontier; unit++) {
        if (atomic_load_explicit(space_ctl(unit), memory_order_relaxed) == ctl)
            visit(unit, context);
    }
    lock_drop(&unit_heap.lock);
}

/* The control bytes are the truth: every unit below the frontier that is labelled free is free.
 * Which of them hold pages is not known any more, so all are taken for dirty. */
static void rebuild(void)
{
    run_clear_index();
    uint64_t now = os_time_coarse_ns();
    bits_clear(space_free_bits(), 0, unit_heap.frontier);
    for (uint32_t at = UNIT_FIRST; at < unit_heap.frontier;) {
        uint32_t first = at;
        while (at < unit_heap.frontier && *space_ctl(at) == CTL_FREE)
            at++;
        if (at > first) {
            bits_set(space_dirty_bits(), first, at - first);
            run_insert(first, at - first, now);
        }
        at += at == first;
    }
}

MP_RARE void unit_fork_child(void)
{
    unit_heap.purging = 0; /* by whom vanished */
    if (lock_reset(&unit_heap.lock))
        rebuild();
}

MP_RARE void unit_audit(void)
{
    lock_take(&unit_heap.lock);
    run_audit(unit_heap.frontier);
    lock_drop(&unit_heap.lock);
}
