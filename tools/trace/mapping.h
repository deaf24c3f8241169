/* mapping.h - the file, or the two files, that a trace is in, in memory. */
#ifndef MPRESS_TOOLS_TRACE_MAPPING_H
#define MPRESS_TOOLS_TRACE_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/trace/packed.h"
#include "tools/trace/trace.h"

struct mapping {
    const unsigned char *base; /* the trace as it was recorded; NULL: all of it is packed */
    size_t bytes;
    const unsigned char *packed; /* what of it is packed; NULL: nothing */
    size_t packed_bytes;
    struct packed_header packed_header;
    int lock; /* the trace, open: while it is, no packer takes blocks out of it; -1: none */
};

/* False: not to be opened, or no trace at all; *error tells. Of the header nothing is checked but
 * its magic, and of a packed file its checksum. */
bool mapping_open(struct mapping *mapping, const char *path, struct trace_error *error);
void mapping_close(const struct mapping *mapping);

/* These bytes of the file will not be read soon: the memory that they take is given back. */
void mapping_forget(const struct mapping *mapping, const void *start, size_t bytes);

/* The header of the trace at `path`, packed or not. False: there is none. */
bool mapping_read_head(const char *path, struct trace_header *head);

/* What is wrong with the file at `path`: one line, its path in front. */
void mapping_set_error(struct trace_error *error, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The name of what is being packed of the trace at `path`; to be freed. */
char *mapping_name_packing(const char *path);

#endif
