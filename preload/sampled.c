/* sampled.c - see sampled.h. */
#include "preload/sampled.h"

#include <string.h>

#include "preload/route.h"

void *sampled_alloc(size_t alignment, size_t bytes, bool zeroed)
{
    bool is_zeroed;
    void *p = heap_alloc_apart(alignment, bytes, zeroed ? &is_zeroed : NULL);
    if (p != NULL && zeroed && !is_zeroed)
        memset(p, 0, heap_usable(p)); /* the slack too, as ever */
    return p;
}

/* The pages move, and their old address is anybody's at once: so its end is recorded first. */
static void *remap(void *p, size_t bytes, bool is_sample, const struct tracer_caller *caller)
{
    size_t usable = route_usable(p);
    tracer_free(p);
    void *moved = route_realloc(p, bytes);
    if (moved == NULL)
        tracer_alloc(p, usable, 0, 0, caller);
    else if (is_sample && heap_is_apart(moved))
        tracer_alloc(moved, bytes, 0, 0, caller);
    return moved;
}

/* Sizes that lie apart by nature stay where they are. */
static bool resize(void *p, size_t bytes, bool is_sample, const struct tracer_caller *caller)
{
    bool was_apart = heap_is_apart(p);
    if (is_sample && (!was_apart || bytes <= SIZE_MEDIUM_MAX))
        return false;
    if (!route_resize(p, bytes))
        return false;
    if (was_apart)
        tracer_free(p);
    if (is_sample)
        tracer_alloc(p, bytes, 0, 0, caller);
    return true;
}

static void *move(void *p, size_t bytes, bool is_sample, const struct tracer_caller *caller)
{
    size_t usable = route_usable(p);
    void *moved = is_sample ? sampled_alloc(0, bytes, false) : route_alloc(bytes);
    if (moved == NULL)
        return bytes <= usable ? p : NULL; /* shrinking never fails */
    memcpy(moved, p, usable < bytes ? usable : bytes);
    if (heap_is_apart(p))
        tracer_free(p);
    route_free(p);
    if (is_sample)
        tracer_alloc(moved, bytes, 0, 0, caller);
    return moved;
}

void *sampled_realloc(void *p, size_t bytes, const struct tracer_caller *caller)
{
    bool is_sample = tracer_takes(bytes);
    if (resize(p, bytes, is_sample, caller))
        return p;
    if (route_remaps(p, bytes))
        return remap(p, bytes, is_sample, caller);
    return move(p, bytes, is_sample, caller);
}
