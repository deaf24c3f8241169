/* modules.h - the program and its libraries: where each lay, from when to when. */
#ifndef MPRESS_TOOLS_TRACE_MODULES_H
#define MPRESS_TOOLS_TRACE_MODULES_H

#include "tools/trace/file.h"

struct payload;

/* MODULE and UNMODULE records (format.h). */
void modules_read(struct trace *trace, struct payload *from);
void modules_read_gone(struct trace *trace, struct payload *from);

void modules_free(struct trace *trace);

#endif
