/* traced_heap.c - see traced_heap.h. */
#include "preload/traced_heap.h"

#include "allocators/heap.h"
#include "allocators/large.h"
#include "preload/door.h"
#include "preload/route.h"

bool traced_heap_sample(struct trace_sample *sample)
{
    struct heap_stats stats;
    if (!door_read_stats(&stats))
        return false;
    sample->live = stats.live_bytes;
    sample->live_objects = stats.live_objects;
    sample->external = stats.external_bytes;
    sample->cached = stats.cached_bytes;
    sample->dirty = stats.dirty_bytes;
    sample->meta = stats.meta_bytes;
    sample->largest_free = stats.largest_free_bytes;
    sample->total_free = stats.total_free_bytes;
    return true;
}

/* Each trace is told the same. */
size_t traced_heap_describe(const unsigned char **description)
{
    enum { STEP_BYTES = 2, CLASS_BYTES = 2 }; /* neighbours are at most 4 KiB apart */
    static unsigned char bytes[STEP_BYTES + CLASS_BYTES * SIZE_CLASS_END];
    if (route_mimalloc_from == 0)
        return 0;
    unsigned char *at = trace_put_uvarint(bytes, route_is_mixed() ? 0 : LARGE_STEP);
    for (size_t below = 0; below < SIZE_SLAB_MAX;) {
        size_t size = size_tables.classes[size_class_of(below + 1)].bytes;
        at = trace_put_uvarint(at, size - below);
        below = size;
    }
    *description = bytes;
    return (size_t)(at - bytes);
}
