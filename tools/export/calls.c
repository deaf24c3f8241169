/* calls.c - see calls.h. */
#include "tools/export/calls.h"

#include <stdio.h>

#include "tools/analysis/groups.h"

enum { NODES_MAX = 512, PLACE_BYTES_MAX = 512 };

static const struct frame no_stack = {.function = "(no stack)", .module = "?"};

void calls_init(struct calls *calls, const struct export_source *source)
{
    *calls = (struct calls){.source = source, .store = store_create()};
    names_init(&calls->names, calls->store);
}

void calls_fini(struct calls *calls)
{
    store_destroy(calls->store);
}

uint32_t calls_get_function(struct calls *calls, const struct frame *frame)
{
    char place[PLACE_BYTES_MAX];
    if (frame->function != NULL)
        return names_get(&calls->names, frame->function);
    snprintf(place, sizeof place, "%s+0x%llx", frame->module, (unsigned long long)frame->offset);
    return names_get(&calls->names, place);
}

size_t calls_read(struct calls *calls, uint32_t node, struct call call[CALLS_MAX])
{
    const struct analysis *analysis = calls->source->analysis;
    struct trace_node nodes[NODES_MAX];
    size_t depth = groups_read_stack(analysis, node, nodes, NODES_MAX), count = 0;
    for (size_t i = 0; i < depth; i++) {
        struct frames frames = symbols_find(calls->source->symbols, &nodes[i]);
        for (size_t k = 0; k < frames.count && count < CALLS_MAX; k++)
            call[count++].frame = &frames.frame[k];
    }
    if (count == 0)
        call[count++].frame = &no_stack;
    for (size_t i = 0; i < count; i++)
        call[i].function = calls_get_function(calls, call[i].frame);
    return count;
}
