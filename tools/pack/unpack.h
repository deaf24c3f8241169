/* unpack.h - makes a trace of a packed one again. */
#ifndef MPRESS_TOOLS_PACK_UNPACK_H
#define MPRESS_TOOLS_PACK_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/trace/trace.h"

/* Called after each frame; false: stop. */
typedef bool unpack_tick(uint64_t done_bytes, uint64_t all_bytes, void *context);

enum unpack_result { UNPACK_DONE, UNPACK_NOTHING_TO_DO, UNPACK_STOPPED, UNPACK_FAILED };

/* The trace takes the place of the packed file when it is whole; else nothing changes. *error tells
 * of UNPACK_FAILED. */
enum unpack_result unpack_trace(const char *path, unpack_tick *tick, void *context,
                                struct trace_error *error);

#endif
