/* source.c - see source.h */
#include "tools/replay/source.h"

const char *source_name(const struct source *source)
{
    return source->trace != NULL ? trace_facts(source->trace)->path
                                 : workload_name(source->workload->kind);
}

uint64_t source_first_tid(const struct source *source)
{
    return source->trace != NULL ? trace_facts(source->trace)->header.pid : WORKLOAD_FIRST_TID;
}

void source_begin(struct source *source)
{
    if (source->trace != NULL)
        source->visit = trace_visit_create(source->trace);
    else
        source->made = workload_visit_create(source->workload);
    if (source->rewriting != NULL)
        source->rewriting->begin(source->rewriting->context);
}

bool source_next(struct source *source, struct trace_event *event)
{
    const struct rewriting *rewriting = source->rewriting;
    if (rewriting != NULL)
        return rewriting->next(rewriting->context, source->visit, event);
    return source->visit != NULL ? trace_visit_next(source->visit, event)
                                 : workload_visit_next(source->made, event);
}

const struct trace_totals *source_totals(const struct source *source)
{
    return source->visit != NULL ? trace_visit_totals(source->visit)
                                 : workload_visit_totals(source->made);
}

double source_progress(const struct source *source)
{
    return source->visit != NULL ? trace_visit_progress(source->visit)
                                 : workload_visit_progress(source->made);
}

bool source_is_complete(const struct source *source, struct trace_error *why)
{
    return source->visit == NULL || trace_visit_is_complete(source->visit, why);
}

void source_end(struct source *source)
{
    if (source->visit != NULL)
        trace_visit_destroy(source->visit);
    else
        workload_visit_destroy(source->made);
    source->visit = NULL;
    source->made = NULL;
}
