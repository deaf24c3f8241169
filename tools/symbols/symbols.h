/* symbols.h - addresses of a traced process as functions, files and lines.
 *
 * Only what is printed is looked up, each address once. */
#ifndef MPRESS_TOOLS_SYMBOLS_SYMBOLS_H
#define MPRESS_TOOLS_SYMBOLS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/trace/trace.h"

struct symbols;

/* One function. Texts live as long as the symbols. */
struct frame {
    uint64_t ip;
    const char *function; /* readable; NULL: not known: use module and offset */
    const char *file;     /* NULL: not known */
    unsigned line;        /* 0: not known */
    const char *module;   /* last part of the path; "?" if the address is in no module */
    uint64_t offset;      /* of the address in the module's file, as addr2line takes it */
    bool is_inlined;      /* into the frame behind it */
};

/* The functions at one address: first the innermost inlined one, last the one that holds the code.
 */
struct frames {
    size_t count; /* at least 1 */
    const struct frame *frame;
};

struct symbols *symbols_create(const struct trace *trace);
void symbols_destroy(struct symbols *symbols);

/* The functions at the return address of a stack node, in the module that lay there then. */
struct frames symbols_find(struct symbols *symbols, const struct trace_node *node);

/* The same if it is `module` that lies there. */
struct frames symbols_find_in(struct symbols *symbols, const struct trace_node *node,
                              const struct trace_module *module);

/* What stands at `address` of the module is known beforehand: `frame` without the module, count is
 * not 0. The texts are copied. */
void symbols_put(struct symbols *symbols, const struct trace_module *module, uint64_t address,
                 const struct frame *frame, size_t count);

/* Modules looked at so far that are not the ones that were traced: path number `index`, or NULL. */
const char *symbols_get_changed(const struct symbols *symbols, size_t index);

/* Modules whose functions could not all be named: last part of the path, or NULL. */
const char *symbols_get_unnamed(const struct symbols *symbols, size_t index);

#endif
