/* calls.h - call stacks as names: each function once, inlined ones too, numbered from 0. */
#ifndef MPRESS_TOOLS_EXPORT_CALLS_H
#define MPRESS_TOOLS_EXPORT_CALLS_H

#include "tools/export/export.h"
#include "tools/export/names.h"

enum { CALLS_MAX = 1024 }; /* in one stack; what is further out is left away */

struct calls {
    const struct export_source *source;
    struct store *store;
    struct names names; /* of functions; "module+0x1a2b" for one without */
};

/* One frame of a stack. */
struct call {
    uint32_t function; /* number of its name */
    const struct frame *frame;
};

void calls_init(struct calls *calls, const struct export_source *source);
void calls_fini(struct calls *calls);

/* The name of what stands at a frame, as a number of calls->names. */
uint32_t calls_get_function(struct calls *calls, const struct frame *frame);

/* The frames of the stack that ends in `node`, innermost first; at least one ("(no stack)"). */
size_t calls_read(struct calls *calls, uint32_t node, struct call call[CALLS_MAX]);

static inline const char *calls_get_name(const struct calls *calls, uint32_t function)
{
    return calls->names.text[function];
}

#endif
