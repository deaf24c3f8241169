/* closed.c - see closed.h. Unmapping a block alone takes 400 ns a page, and each processor that
 * runs a thread of the program is told of it; with its neighbours 60 to 100 ns. */
#include "tracer/closed.h"

#include <stdint.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "tracer/format.h"

enum { CLOSED_MOST = 16 };

static struct {
    unsigned char *blocks[CLOSED_MOST];
    uint32_t count;
} closed;

void closed_unmap_range(unsigned char *start, size_t bytes)
{
    size_t page = os_page_bytes();
    uintptr_t from = round_up((uintptr_t)start, page);
    uintptr_t end = round_down((uintptr_t)start + bytes, page);
    if (from < end)
        os_unmap((void *)from, end - from);
}

void closed_add(unsigned char *block)
{
    uint32_t at = closed.count++;
    for (; at > 0 && closed.blocks[at - 1] > block; at--)
        closed.blocks[at] = closed.blocks[at - 1];
    closed.blocks[at] = block;
    if (closed.count == CLOSED_MOST)
        closed_unmap();
}

void closed_unmap(void)
{
    for (uint32_t from = 0, to = 1; from < closed.count; from = to++) {
        while (to < closed.count && closed.blocks[to] == closed.blocks[to - 1] + TRACE_BLOCK_BYTES)
            to++;
        closed_unmap_range(closed.blocks[from], (to - from) * (size_t)TRACE_BLOCK_BYTES);
    }
    closed.count = 0;
}

void closed_forget(void)
{
    closed.count = 0;
}
