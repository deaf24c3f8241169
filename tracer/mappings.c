/* mappings.c - the records of what the program maps by itself: in the info lane, or a ring's
 * timeline, since they are few and one order for all threads is what a reader needs. */
#include "tracer/info.h"
#include "tracer/modules.h"
#include "tracer/recorder.h"
#include "tracer/tracer.h"

static bool write_mapped(const void *mapping, uint32_t stack)
{
    return info_write_mapped(mapping, stack) && modules_write_if_due();
}

void tracer_mapped(const struct tracer_mapping *mapping, const struct tracer_caller *caller)
{
    events_write_aside(write_mapped, mapping, caller);
}

static bool write_unmapped(const void *range, uint32_t no_stack)
{
    const struct tracer_mapping *mapping = range;
    (void)no_stack;
    return info_write_unmapped(mapping->start, mapping->bytes);
}

void tracer_unmapped(uintptr_t start, size_t bytes)
{
    const struct tracer_mapping range = {.start = start, .bytes = bytes};
    events_write_aside(write_unmapped, &range, NULL);
}
