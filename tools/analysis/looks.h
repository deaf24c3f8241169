/* looks.h - joins the samples of a trace with the bytes asked for at those moments. */
#ifndef MPRESS_TOOLS_ANALYSIS_LOOKS_H
#define MPRESS_TOOLS_ANALYSIS_LOOKS_H

#include "tools/analysis/analysis.h"

/* The last time that the file tells before its events are read; its start, if it tells none. */
uint64_t looks_find_end(const struct trace_facts *facts);

void looks_init(struct analysis *analysis);

/* At `time_ns` the asked bytes change by `delta`, modulo 2^64: 0 - n when n bytes are freed. */
void looks_add(struct analysis *analysis, uint64_t time_ns, uint64_t delta);

/* After the last event: fills in every look. */
void looks_finish(struct analysis *analysis);

#endif
