/* areas.h - decodes MAPPED, UNMAPPED and AREAS records; trace.h has what users call. */
#ifndef MPRESS_TOOLS_TRACE_AREAS_H
#define MPRESS_TOOLS_TRACE_AREAS_H

#include "tools/trace/payload.h"

/* Reads a record to its end; sets is_short when something is wrong with it. */
void areas_check(unsigned type, struct payload *from);

#endif
