/* swap.c - units that nobody seems to use go to the swap space of the system, a hand going round.
 *
 * What tells use from rest without rights and without cost: a unit that was swapped out when the
 * hand last passed, and is in memory again, was touched meanwhile. It is passed over the next eight
 * times. (A second chance by absence, as clock algorithms give one by the reference bit, which the
 * system shows to nobody.) */
#include "allocators/cold/swap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/base/os_fault.h"
#include "allocators/cold/table.h"
#include "allocators/space.h"

enum {
    SWAPPED = 0x80,
    PASSES = 8,
    SLICE_BYTES = 4 * 1024 * 1024,
};
static const uint64_t SLICE_NS = 5 * 1000 * 1000; /* a step of 32 MiB took 0.3 s in one go */

static struct {
    _Atomic bool is_taken; /* by whoever is at it; all but `wanted` is his */
    _Atomic size_t wanted; /* bytes still to go out */
    size_t looks;          /* units that the hand may still look at for them */
    uint8_t *marks;        /* of each unit: SWAPPED when the hand last passed, or passes to come */
    size_t units;          /* that there are marks for */
    size_t hand;
} swap;

static bool has_marks(void)
{
    if (swap.marks == NULL) {
        swap.units = space_units_max();
        swap.marks = os_map_unpromised(swap.units);
    }
    return swap.marks != NULL;
}

/* Bytes that go out; a part of them may be in use by somebody else, and stays. */
static size_t visit(size_t number)
{
    uint8_t *mark = &swap.marks[number];
    uint64_t pages = 0;
    if (*mark > 0 && *mark < SWAPPED) {
        --*mark;
        return 0;
    }
    if (!cold_is_used(number) || !os_read_present(space_address(number), UNIT_BYTES, &pages) ||
        pages == 0)
        return 0;
    bool is_back = *mark == SWAPPED;
    *mark = is_back ? PASSES : SWAPPED;
    if (is_back || os_set_cold(space_address(number), UNIT_BYTES, true) != 0)
        return 0;
    return bits_of(pages) * os_page_bytes();
}

static size_t units_in_use(void)
{
    size_t end = atomic_load_explicit(&space.units, memory_order_relaxed);
    return end < swap.units ? end : swap.units;
}

static size_t go_round(size_t most_bytes)
{
    size_t bytes = 0, end = units_in_use();
    uint64_t until = os_time_ns() + SLICE_NS;
    while (swap.looks > 0 && bytes < most_bytes && os_time_ns() < until) {
        swap.looks--;
        if (++swap.hand >= end)
            swap.hand = UNIT_FIRST;
        if (swap.hand < end)
            bytes += visit(swap.hand);
    }
    return bytes;
}

/* acquire, and release below: from one who was at it to the next */
static bool begin(void)
{
    return !atomic_exchange_explicit(&swap.is_taken, true, memory_order_acquire);
}

static size_t end_with_slice(size_t wanted)
{
    size_t bytes = go_round(wanted < SLICE_BYTES ? wanted : SLICE_BYTES);
    bool is_done = bytes >= wanted || swap.looks == 0;
    atomic_store_explicit(&swap.wanted, is_done ? 0 : wanted - bytes, memory_order_relaxed);
    atomic_store_explicit(&swap.is_taken, false, memory_order_release);
    return bytes;
}

size_t cold_swap_out(size_t most_bytes)
{
    if (!os_has_swap() || !begin())
        return 0;
    swap.looks = has_marks() ? units_in_use() : 0;
    return end_with_slice(most_bytes);
}

size_t cold_swap_go_on(void)
{
    if (atomic_load_explicit(&swap.wanted, memory_order_relaxed) == 0 || !begin())
        return 0;
    return end_with_slice(atomic_load_explicit(&swap.wanted, memory_order_relaxed));
}

void cold_swap_fork_child(void)
{
    swap.wanted = 0;
    swap.is_taken = false;
}
