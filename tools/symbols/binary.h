/* binary.h - one executable or shared object and its debug information. */
#ifndef MPRESS_TOOLS_SYMBOLS_BINARY_H
#define MPRESS_TOOLS_SYMBOLS_BINARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/trace/trace.h"

struct binary;

/* Opens the file a module was loaded from. Never NULL: a file that is gone, or is not the one that
 * was traced (its build-id differs), just knows no symbols. */
struct binary *binary_create(const struct trace_module *module);
void binary_destroy(struct binary *binary);

/* The file is there but is not the one that was traced, and no debug file of that one is. */
bool binary_has_changed(const struct binary *binary);

/* One function at an address; texts live as long as the binary. */
struct binary_frame {
    const char *symbol; /* linker name, mangled; NULL: not known */
    const char *file;   /* NULL: not known */
    unsigned line;      /* 0: not known */
    bool is_inlined;    /* into the next frame */
};

/* What stands at `address` of the traced process: the innermost inlined function first, the
 * function itself last. Returns their count, at most `max`; 0: nothing is known. */
size_t binary_find(struct binary *binary, uint64_t address, struct binary_frame *frames,
                   size_t max);

#endif
