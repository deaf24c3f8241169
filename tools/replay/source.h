/* source.h - where the events of a program come from: a trace, or a workload that is made up. Both
 * yield the same events again as often as they are begun. */
#ifndef MPRESS_TOOLS_REPLAY_SOURCE_H
#define MPRESS_TOOLS_REPLAY_SOURCE_H

#include <stdbool.h>

#include "tools/replay/workload.h"
#include "tools/trace/trace.h"

/* Events other than the trace's: the same in every visit. */
struct rewriting {
    void (*begin)(void *context); /* a visit */
    bool (*next)(void *context, struct trace_visit *visit, struct trace_event *event);
    void *context;
};

struct source {
    const struct trace *trace;         /* NULL: a workload */
    const struct workload *workload;   /* NULL: a trace */
    const struct rewriting *rewriting; /* of a trace; NULL: as it is */
    struct trace_visit *visit;         /* between source_begin and source_end */
    struct workload_visit *made;       /* the same */
};

/* For messages: the trace's path, or the workload's name. */
const char *source_name(const struct source *source);

/* System's number of the process's first thread. */
uint64_t source_first_tid(const struct source *source);

void source_begin(struct source *source);
bool source_next(struct source *source, struct trace_event *event);
const struct trace_totals *source_totals(const struct source *source);
double source_progress(const struct source *source); /* 0..1 */

/* It is proven that no event is missing; else `why` says what. After the last event. */
bool source_is_complete(const struct source *source, struct trace_error *why);
void source_end(struct source *source);

#endif
