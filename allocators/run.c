/* run.c - free runs in bins by length, found through bitmaps (after TLSF: Masmano et al., ECRTS
 * 2004), their neighbours found through a free-bit per unit instead of boundary tags.
 *
 *     heads:       | f . . l |        l's head is f: a right neighbour finds the run's first unit
 *     free bits:   | 1 1 1 1 |
 *     dirty bits:  | 1 1 0 0 |        a run with any dirty unit is in the dirty bins
 *     span of f:   struct run         links of its bin and, when dirty, of the age list */
#include "allocators/run.h"

#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/space.h"

enum {
    EXACT_BINS = 32,      /* lengths 1..31 have a bin each, */
    BINS_PER_OCTAVE = 16, /* longer ones 16 bins per doubling */
    OCTAVE_SHIFT = 4,
    BINS = EXACT_BINS + (32 - 5) * BINS_PER_OCTAVE,
    BIN_WORDS = (BINS + 63) / 64,
    AGE_STEPS = 16,
    FIT_TRIES = 16, /* runs of one bin compared before the best of them is taken */
};

/* Runs of one state, by length. */
struct bins {
    uint32_t first[BINS];     /* UNIT_NONE: empty */
    uint64_t used[BIN_WORDS]; /* bit b: bin b is not empty */
};

enum { CLEAN, DIRTY, STATES };

static struct {
    struct bins bins[STATES];
    uint32_t oldest, youngest; /* the age list of dirty runs */
    size_t free_units;
    size_t dirty_units;
} runs __attribute__((aligned(64))); /* empty when zero */

/* -- bins ------------------------------------------------------------------------------------- */

static unsigned bin_of(size_t units)
{
    if (units < EXACT_BINS)
        return (unsigned)units;
    unsigned octave = log2_floor(units);
    return EXACT_BINS + (octave - 5) * BINS_PER_OCTAVE +
           (unsigned)((units >> (octave - OCTAVE_SHIFT)) & (BINS_PER_OCTAVE - 1));
}

/* The list is by age, but for a run that is older than many: what is left of one that is being
 * purged is the oldest again; others look for their place from the young end, a few steps far. */
static void age_insert(uint32_t first, struct run *run)
{
    uint32_t older = runs.youngest;
    uint32_t younger = UNIT_NONE;
    if (older != UNIT_NONE && run_at(older)->since_ns > run->since_ns &&
        run_at(runs.oldest)->since_ns >= run->since_ns) {
        younger = runs.oldest;
        older = UNIT_NONE;
    }
    for (int steps = 0; steps < AGE_STEPS && older != UNIT_NONE; steps++) {
        if (run_at(older)->since_ns <= run->since_ns)
            break;
        younger = older;
        older = run_at(older)->older;
    }
    run->older = older;
    run->younger = younger;
    *(older != UNIT_NONE ? &run_at(older)->younger : &runs.oldest) = first;
    *(younger != UNIT_NONE ? &run_at(younger)->older : &runs.youngest) = first;
}

static void age_remove(const struct run *run)
{
    if (run->younger != UNIT_NONE)
        run_at(run->younger)->older = run->older;
    else
        runs.youngest = run->older;
    if (run->older != UNIT_NONE)
        run_at(run->older)->younger = run->younger;
    else
        runs.oldest = run->younger;
}

void run_insert(uint32_t first, size_t units, uint64_t since_ns)
{
    struct run *run = run_at(first);
    space_touch_span(first);
    run->units = (uint32_t)units;
    run->dirty = (uint32_t)bits_count(space_dirty_bits(), first, units);
    run->since_ns = since_ns;
    *space_head(first + (uint32_t)units - 1) = first;
    *space_head(first) = first;
    bits_set(space_free_bits(), first, units);
    space_label(first, units, CTL_FREE);
    runs.free_units += units;
    runs.dirty_units += run->dirty;

    struct bins *bins = &runs.bins[run->dirty != 0 ? DIRTY : CLEAN];
    unsigned bin = bin_of(units);
    run->prev = UNIT_NONE;
    run->next = bins->first[bin];
    if (run->next != UNIT_NONE)
        run_at(run->next)->prev = first;
    bins->first[bin] = first;
    bit_set(bins->used, bin);
    if (run->dirty != 0)
        age_insert(first, run);
}

void run_remove(uint32_t first)
{
    struct run *run = run_at(first);
    struct bins *bins = &runs.bins[run->dirty != 0 ? DIRTY : CLEAN];
    unsigned bin = bin_of(run->units);
    if (run->next != UNIT_NONE)
        run_at(run->next)->prev = run->prev;
    if (run->prev != UNIT_NONE)
        run_at(run->prev)->next = run->next;
    else if ((bins->first[bin] = run->next) == UNIT_NONE)
        bit_clear(bins->used, bin);
    if (run->dirty != 0)
        age_remove(run);
    bits_clear(space_free_bits(), first, run->units);
    space_label(first, run->units, CTL_TAKEN);
    runs.free_units -= run->units;
    runs.dirty_units -= run->dirty;
}

/* -- finding a run ---------------------------------------------------------------------------- */

static unsigned next_bin(const struct bins *bins, unsigned from)
{
    for (unsigned word = from / 64; word < BIN_WORDS; word++) {
        uint64_t used = bins->used[word];
        if (word == from / 64)
            used &= ~UINT64_C(0) << (from % 64);
        if (used != 0)
            return word * 64 + (unsigned)__builtin_ctzll(used);
    }
    return BINS;
}

static unsigned last_bin(const struct bins *bins)
{
    for (unsigned word = BIN_WORDS; word-- > 0;) {
        if (bins->used[word] != 0)
            return word * 64 + 63 - (unsigned)__builtin_clzll(bins->used[word]);
    }
    return BINS;
}

/* The shortest run of at least `units` among the first few of a bin. */
static uint32_t best_of_bin(const struct bins *bins, unsigned bin, size_t units)
{
    uint32_t best = UNIT_NONE;
    uint32_t at = bins->first[bin];
    for (int tries = 0; at != UNIT_NONE && tries < FIT_TRIES; at = run_at(at)->next, tries++) {
        if (run_at(at)->units < units)
            continue;
        if (best == UNIT_NONE || run_at(at)->units < run_at(best)->units)
            best = at;
    }
    return best;
}

static uint32_t find_best(const struct bins *bins, size_t units)
{
    for (unsigned bin = next_bin(bins, bin_of(units)); bin < BINS; bin = next_bin(bins, bin + 1)) {
        uint32_t best = best_of_bin(bins, bin, units);
        if (best != UNIT_NONE)
            return best;
    }
    return UNIT_NONE;
}

static uint32_t find_worst(const struct bins *bins, size_t units)
{
    unsigned bin = last_bin(bins);
    return bin < BINS ? best_of_bin(bins, bin, units) : UNIT_NONE;
}

/* The lowest run that fits, clean or dirty: what a first-fit allocator would take. */
static uint32_t find_first(size_t units, uint32_t end)
{
    const uint64_t *free_bits = space_free_bits();
    for (uint32_t at = 0; at < end;) {
        if (!bit_is_set(free_bits, at)) {
            uint64_t rest = free_bits[at / 64] >> (at % 64);
            at = rest == 0 ? (at / 64 + 1) * 64 : at + (uint32_t)__builtin_ctzll(rest);
            continue;
        }
        if (run_at(at)->units >= units)
            return at;
        at += run_at(at)->units;
    }
    return UNIT_NONE;
}

uint32_t run_find(enum conf_fit fit, size_t units, uint32_t end)
{
    if (fit == CONF_FIT_FIRST)
        return find_first(units, end);
    uint32_t (*find)(const struct bins *, size_t) = fit == CONF_FIT_WORST ? find_worst : find_best;
    uint32_t found = find(&runs.bins[DIRTY], units);
    return found != UNIT_NONE ? found : find(&runs.bins[CLEAN], units);
}

uint32_t run_oldest(void)
{
    return runs.oldest;
}

/* -- the whole index ----------------------------------------------------------------------------
 */

void run_clear_index(void)
{
    memset(&runs, 0, sizeof(runs)); /* UNIT_NONE everywhere */
}

static size_t largest_run(void)
{
    size_t largest = 0;
    for (int state = 0; state < STATES; state++) {
        unsigned bin = last_bin(&runs.bins[state]);
        uint32_t at = bin < BINS ? runs.bins[state].first[bin] : UNIT_NONE;
        for (; at != UNIT_NONE; at = run_at(at)->next) {
            if (run_at(at)->units > largest)
                largest = run_at(at)->units;
        }
    }
    return largest;
}

void run_read_totals(struct run_totals *totals)
{
    totals->free_units = runs.free_units;
    totals->dirty_units = runs.dirty_units;
    totals->largest_units = largest_run();
}

static void audit_run(uint32_t first, uint32_t end)
{
    const struct run *run = run_at(first);
    uint32_t last = first + run->units - 1;
    MP_AUDIT(run->units > 0 && last < end);
    MP_AUDIT(*space_head(last) == first);
    MP_AUDIT(bits_count(space_free_bits(), first, run->units) == run->units);
    MP_AUDIT(bits_count(space_dirty_bits(), first, run->units) == run->dirty);
    MP_AUDIT(last + 1 >= end || !bit_is_set(space_free_bits(), last + 1)); /* U4 */
    for (uint32_t unit = first; unit <= last; unit++)
        MP_AUDIT(*space_ctl(unit) == CTL_FREE);
}

void run_audit(uint32_t end)
{
    size_t free_units = 0;
    size_t dirty_units = 0;
    for (int state = 0; state < STATES; state++) {
        for (unsigned bin = 0; bin < BINS; bin++) {
            uint32_t at = runs.bins[state].first[bin];
            MP_AUDIT((at != UNIT_NONE) == bit_is_set(runs.bins[state].used, bin)); /* U5 */
            for (; at != UNIT_NONE; at = run_at(at)->next) {
                MP_AUDIT(bin_of(run_at(at)->units) == bin);
                MP_AUDIT((run_at(at)->dirty != 0) == (state == DIRTY));
                audit_run(at, end);
                free_units += run_at(at)->units;
                dirty_units += run_at(at)->dirty;
            }
        }
    }
    MP_AUDIT(free_units == runs.free_units);
    MP_AUDIT(free_units == bits_count(space_free_bits(), 0, end));
    MP_AUDIT(dirty_units == runs.dirty_units);
}
