/* swap.c - units that nobody seems to use go to the swap space of the system, a hand going round.
 *
 * What tells use from rest without rights and without cost: a unit that was swapped out when the
 * hand last passed, and is in memory again, was touched meanwhile. It is passed over the next eight
 * times. (A second chance by absence, as clock algorithms give one by the reference bit, which the
 * system shows to nobody.) */
#include "allocators/cold/swap.h"

#include <stdint.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/base/os_fault.h"
#include "allocators/cold/table.h"
#include "allocators/space.h"

enum { SWAPPED = 0x80, PASSES = 8 };

static struct {
    uint8_t *marks; /* of each unit: SWAPPED when the hand last passed, or passes to come */
    size_t units;   /* that there are marks for */
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

size_t cold_swap_out(size_t most_bytes)
{
    size_t bytes = 0, end = atomic_load_explicit(&space.units, memory_order_relaxed);
    if (!os_has_swap() || !has_marks())
        return 0;
    end = end < swap.units ? end : swap.units;
    for (size_t looks = 0; looks < end && bytes < most_bytes; looks++) {
        if (++swap.hand >= end)
            swap.hand = UNIT_FIRST;
        if (swap.hand < end)
            bytes += visit(swap.hand);
    }
    return bytes;
}
