/* ring.c - see ring.h. One cell for each block of the file, linked in the order of closing. */
#include "tracer/ring.h"

#include <stddef.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "tracer/format.h"

enum { RING_NONE = 0 }; /* links are indexes + 1 */

struct cell {
    uint32_t next; /* + 1 */
    uint32_t lane;
};

/* All of it under the lock of file.c. */
static struct {
    struct cell *cells; /* by index of the block */
    size_t bytes;       /* of the cells' mapping */
    uint32_t first;     /* + 1 */
    uint32_t last;      /* + 1 */
} ring;

/* Room for cell `index`: half as much again, or a page. */
static bool reserve(uint64_t index)
{
    size_t needed = (size_t)(index + 1) * sizeof(struct cell);
    if (needed <= ring.bytes)
        return true;
    size_t bytes = round_up(needed + needed / 2, os_page_bytes());
    struct cell *cells =
        ring.cells == NULL ? os_map(bytes) : os_remap(ring.cells, ring.bytes, bytes);
    if (cells == NULL)
        return false;
    ring.cells = cells;
    ring.bytes = bytes;
    return true;
}

void ring_put(uint64_t index, uint32_t lane)
{
    if (!reserve(index))
        return;
    ring.cells[index] = (struct cell){.next = RING_NONE, .lane = lane};
    if (ring.first == RING_NONE)
        ring.first = (uint32_t)index + 1;
    else
        ring.cells[ring.last - 1].next = (uint32_t)index + 1;
    ring.last = (uint32_t)index + 1;
}

static bool is_sought(uint32_t at, uint32_t lane)
{
    uint32_t found = ring.cells[at - 1].lane;
    return lane == RING_ANY_EVENTS ? trace_lane_has_events(found) : found == lane;
}

/* A thread that keeps its newest N blocks finds its oldest behind at most N for each other. */
bool ring_take(uint32_t lane, uint64_t *index)
{
    uint32_t before = RING_NONE;
    uint32_t at = ring.first;
    while (at != RING_NONE && !is_sought(at, lane)) {
        before = at;
        at = ring.cells[at - 1].next;
    }
    if (at == RING_NONE)
        return false;
    uint32_t next = ring.cells[at - 1].next;
    if (before == RING_NONE)
        ring.first = next;
    else
        ring.cells[before - 1].next = next;
    if (ring.last == at)
        ring.last = before;
    *index = at - 1;
    return true;
}

bool ring_has(uint32_t lane)
{
    uint32_t at = ring.first;
    while (at != RING_NONE && !is_sought(at, lane))
        at = ring.cells[at - 1].next;
    return at != RING_NONE;
}

void ring_clear(void)
{
    ring.first = ring.last = RING_NONE;
}

void ring_abandon(void)
{
    ring.cells = NULL;
    ring.bytes = 0;
    ring_clear();
}
