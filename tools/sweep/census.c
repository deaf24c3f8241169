/* census.c - what a program allocates, from where, in the order of its calls. */
#include <stdlib.h>

#include "tools/cli.h"
#include "tools/sweep/sweep.h"
#include "tools/trace/memory.h"

size_t census_read_stack(const struct trace *trace, uint32_t node, struct sweep_stack *stack)
{
    stack->frames = 0;
    while (node != 0 && stack->frames < SWEEP_FRAMES_MOST) {
        struct trace_node frame = trace_node(trace, node);
        stack->ip[stack->frames++] = frame.ip;
        node = frame.parent;
    }
    return stack->frames;
}

static bool is_counted(const struct trace_event *event)
{
    bool is_call = event->kind == TRACE_EVENT_ALLOC || event->kind == TRACE_EVENT_REALLOC ||
                   event->kind == TRACE_EVENT_FAILED;
    return is_call && (event->bits & TRACE_EVENT_IN_TXN) == 0;
}

static void visit_calls(struct census *census)
{
    size_t capacity = 0;
    bool *seen = memory_alloc(trace_facts(census->trace)->nodes + 1, sizeof(*seen));
    struct trace_visit *visit = trace_visit_create(census->trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event)) {
        if (!is_counted(&event))
            continue;
        census->calls++;
        if (seen[event.stack])
            continue;
        seen[event.stack] = true;
        census->sites =
            memory_grow(census->sites, census->count, &capacity, sizeof(*census->sites));
        census->sites[census->count++] = (struct census_site){census->calls, event.stack};
    }
    trace_visit_destroy(visit);
    free(seen);
}

/* -- order ------------------------------------------------------------------------------------ */

static int compare_addresses(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* Where the allocating function was called from says most about what happens when it fails. */
static size_t count_callers(const struct census *census, uint64_t *callers)
{
    size_t kept = 0;
    for (size_t i = 0; i < census->count; i++)
        callers[i] = trace_node(census->trace, census->sites[i].node).ip;
    qsort(callers, census->count, sizeof(*callers), compare_addresses);
    for (size_t i = 0; i < census->count; i++) {
        if (kept == 0 || callers[kept - 1] != callers[i])
            callers[kept++] = callers[i];
    }
    return kept;
}

static void put_new_callers_first(struct census *census)
{
    uint64_t *callers = memory_alloc(census->count + 1, sizeof(*callers));
    bool *seen = memory_alloc(census->count + 1, sizeof(*seen));
    struct census_site *later = memory_alloc(census->count + 1, sizeof(*later));
    size_t count = count_callers(census, callers);
    size_t first = 0;
    size_t rest = 0;
    for (size_t i = 0; i < census->count; i++) {
        uint64_t ip = trace_node(census->trace, census->sites[i].node).ip;
        const uint64_t *at = bsearch(&ip, callers, count, sizeof(ip), compare_addresses);
        if (seen[at - callers])
            later[rest++] = census->sites[i];
        else
            census->sites[first++] = census->sites[i];
        seen[at - callers] = true;
    }
    for (size_t i = 0; i < rest; i++)
        census->sites[first + i] = later[i];
    free(callers);
    free(seen);
    free(later);
}

int census_read(const char *path, struct census *census)
{
    struct trace_error error;
    *census = (struct census){.trace = trace_open(path, &error)};
    if (census->trace == NULL) {
        cli_say("%s", error.text);
        return -1;
    }
    visit_calls(census);
    put_new_callers_first(census);
    return 0;
}

void census_fini(struct census *census)
{
    trace_close(census->trace);
    free(census->sites);
}
