/* sampled.c - see sampled.h. */
#include "preload/sampled.h"

#include <string.h>

#include "allocators/batch.h"
#include "preload/door.h"
#include "preload/door_way.h"
#include "preload/route.h"

/* The class whose batches the hot path asks for it; 0: none has it. */
static inline unsigned class_of(size_t bytes, size_t alignment)
{
    size_t last = (bytes - (bytes != 0)) | (alignment - (alignment != 0));
    if (last >= SIZE_SLAB_MAX || alignment > SIZE_ALIGNMENT_MAX || bytes >= route_mimalloc_from)
        return 0;
    unsigned class = size_class_of(last + 1);
    return (size_tables.classes[class].bytes & (alignment - (alignment != 0))) == 0 ? class : 0;
}

static __attribute__((noinline, cold)) void draw_streams(uint64_t period)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        *batch_open(class) = tracer_draw(period);
        batch_close(class);
    }
    *batch_mark() = period;
}

/* The thread's classes have streams; drawn anew where the period is another one. */
static inline bool has_streams(void)
{
    const uint64_t *mark = batch_mark();
    uint64_t period = tracer_sample_period();
    if (MP_UNLIKELY(mark == NULL || period == 0))
        return false;
    if (MP_UNLIKELY(*mark != period))
        draw_streams(period);
    return true;
}

void *sampled_pass(size_t bytes, bool is_zeroed)
{
    unsigned class = class_of(bytes, 0);
    if (MP_UNLIKELY(class == 0) || MP_UNLIKELY(!way_come_in(0)))
        return NULL;
    void *p = batch_alloc(class, bytes, is_zeroed, tracer_sample_period());
    door_go_out();
    return p;
}

bool sampled_takes(size_t bytes, size_t alignment)
{
    unsigned class = class_of(bytes, alignment);
    if (class == 0 || !has_streams())
        return tracer_takes(bytes);
    uint64_t *left = batch_open(class);
    bool is_sample = tracer_takes_of(left, size_tables.classes[class].bytes, bytes);
    batch_close(class);
    return is_sample;
}

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

/* A block for p's contents. Sizes that lie apart by nature get one that may grow, as ever. */
static void *alloc_instead(const void *p, size_t bytes, bool is_sample)
{
    bool is_apart = bytes > SIZE_MEDIUM_MAX && bytes < route_mimalloc_from;
    return is_sample && !is_apart ? sampled_alloc(0, bytes, false) : route_alloc_instead(p, bytes);
}

static void *move(void *p, size_t bytes, bool is_sample, const struct tracer_caller *caller)
{
    size_t usable = route_usable(p);
    void *moved = alloc_instead(p, bytes, is_sample);
    if (moved == NULL && is_sample) { /* a block apart takes a unit: there may be an object */
        is_sample = false;
        moved = alloc_instead(p, bytes, false);
    }
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

void *sampled_realloc(void *p, size_t bytes, bool is_sample, const struct tracer_caller *caller)
{
    if (resize(p, bytes, is_sample, caller))
        return p;
    if (route_remaps(p, bytes))
        return remap(p, bytes, is_sample, caller);
    return move(p, bytes, is_sample, caller);
}

void *sampled_move(void *p, size_t bytes)
{
    size_t usable = heap_open_usable(p);
    if (usable == 0 || bytes - 1 >= SIZE_SLAB_MAX)
        return NULL;
    if (heap_keeps_place(usable, bytes))
        return p;
    void *moved = sampled_pass(bytes, false);
    if (moved == NULL)
        return NULL;
    memcpy(moved, p, usable < bytes ? usable : bytes);
    if (MP_UNLIKELY(!heap_free_fast(p)))
        door_free(p);
    return moved;
}
