/* complete.c - see complete.h */
#include "tools/trace/complete.h"

#include <stdio.h>

bool complete_judge(const struct complete *complete, struct trace_error *why)
{
    const struct trace *trace = complete->trace;
    const struct trace_end *end = trace->facts.end;
    const struct trace_totals *totals = complete->totals;
    const struct cursor *damage = complete->damage;
    why->text[0] = '\0';
    if (damage != NULL)
        snprintf(why->text, sizeof(why->text),
                 "%.256s: record at byte %u of block %u is damaged; events behind it in that "
                 "block are missing",
                 trace->path, damage->damaged_byte, damage->damaged_block - 1);
    else if (trace->damaged != 0 || complete->has_gaps)
        snprintf(why->text, sizeof(why->text), "%.256s: damaged blocks were left out", trace->path);
    else if (end == NULL && trace->facts.header.copied_ns != 0)
        snprintf(why->text, sizeof(why->text), "%.256s: a copy of a trace that went on",
                 trace->path);
    else if (end == NULL)
        snprintf(why->text, sizeof(why->text),
                 "%.256s: no end record: the process was killed or still runs", trace->path);
    else if (end->events != totals->events - totals->ended + trace->facts.older_events)
        snprintf(why->text, sizeof(why->text), "%.256s: holds %llu events where %llu were recorded",
                 trace->path, (unsigned long long)(totals->events - totals->ended),
                 (unsigned long long)(end->events - trace->facts.older_events));
    else if (trace->facts.older_events != 0)
        snprintf(why->text, sizeof(why->text),
                 "%.256s: %llu events of its beginning were written over, as asked for",
                 trace->path, (unsigned long long)trace->facts.older_events);
    else if (end->reason == TRACE_END_DISK)
        snprintf(why->text, sizeof(why->text),
                 "%.256s: the recording ended early, what came later is missing", trace->path);
    else if (end->dropped != 0 || totals->dropped != 0)
        snprintf(
            why->text, sizeof(why->text), "%.256s: %llu events were dropped", trace->path,
            (unsigned long long)(end->dropped > totals->dropped ? end->dropped : totals->dropped));
    return why->text[0] == '\0';
}
