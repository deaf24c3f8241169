/* door_heap.c - what the library itself asks of the heap, behind the door as a block's calls. */
#include <string.h>

#include "allocators/heap.h"
#include "preload/door.h"
#include "preload/route.h"

bool door_read_stats(struct heap_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    if (!door_come_in())
        return false;
    heap_read_stats(stats);
    door_go_out();
    return true;
}

size_t door_taken_bytes(void)
{
    if (!door_come_in())
        return 0;
    size_t bytes = heap_taken_bytes();
    door_go_out();
    return bytes;
}

size_t door_compact(void)
{
    if (!door_come_in())
        return 0;
    size_t bytes = route_compact();
    door_go_out();
    return bytes;
}
