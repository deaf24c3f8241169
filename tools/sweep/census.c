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

static void visit_calls(struct census *census, unsigned repeats)
{
    size_t capacity = 0;
    unsigned *seen = memory_alloc(trace_facts(census->trace)->nodes + 1, sizeof(*seen));
    struct trace_visit *visit = trace_visit_create(census->trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event)) {
        if (!is_counted(&event))
            continue;
        census->calls++;
        if (seen[event.stack] == repeats)
            continue;
        bool is_first = seen[event.stack]++ == 0;
        census->stacks += is_first;
        census->sites =
            memory_grow(census->sites, census->count, &capacity, sizeof(*census->sites));
        census->sites[census->count++] = (struct census_site){.nth = census->calls,
                                                              .bytes = event.size,
                                                              .node = event.stack,
                                                              .way = SWEEP_ASKED,
                                                              .is_first = is_first};
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

/* In which group it comes. */
static unsigned group_of(const struct census *census, const struct census_site *site,
                         const uint64_t *callers, size_t count, bool *seen)
{
    uint64_t ip = trace_node(census->trace, site->node).ip;
    const uint64_t *at = bsearch(&ip, callers, count, sizeof(ip), compare_addresses);
    bool is_new = !seen[at - callers];
    seen[at - callers] = true;
    return is_new ? 0 : site->is_first ? 1 : 2;
}

static void put_into_groups(struct census *census)
{
    uint64_t *callers = memory_alloc(census->count + 1, sizeof(*callers));
    bool *seen = memory_alloc(census->count + 1, sizeof(*seen));
    uint8_t *group = memory_alloc(census->count + 1, sizeof(*group));
    struct census_site *ordered = memory_alloc(census->count + 1, sizeof(*ordered));
    size_t count = count_callers(census, callers);
    for (size_t i = 0; i < census->count; i++)
        group[i] = (uint8_t)group_of(census, &census->sites[i], callers, count, seen);
    size_t used = 0;
    for (unsigned which = 0; which < 3; which++) {
        for (size_t i = 0; i < census->count; i++) {
            if (group[i] == which)
                ordered[used++] = census->sites[i];
        }
        census->groups[which] = used;
    }
    free(census->sites);
    census->sites = ordered;
    free(callers);
    free(seen);
    free(group);
}

int census_read(const char *path, unsigned repeats, struct census *census)
{
    struct trace_error error;
    *census = (struct census){.trace = trace_open(path, &error)};
    if (census->trace == NULL) {
        cli_say("%s", error.text);
        return -1;
    }
    visit_calls(census, repeats);
    put_into_groups(census);
    return 0;
}

void census_fini(struct census *census)
{
    trace_close(census->trace);
    free(census->sites);
}
