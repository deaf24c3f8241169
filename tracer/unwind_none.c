/* unwind_none.c - unwind.h for processors whose frames nobody has described to us yet. */
#include "tracer/unwind.h"

#include "allocators/base/say.h"

bool unwind_init(void)
{
    say("no call stacks in the trace: they are read on x86-64 only");
    return false;
}

bool unwind(struct lane *lane, const struct tracer_caller *caller, unsigned depth, uint32_t *id)
{
    (void)lane;
    (void)caller;
    (void)depth;
    *id = 0;
    return true;
}

uint32_t unwind_last(const struct lane *lane)
{
    (void)lane;
    return 0;
}

void walk_forget(struct walk *walk)
{
    (void)walk;
}

void walk_purge(struct walk *walk)
{
    (void)walk;
}

void unwind_forget_code(void)
{
}

void unwind_count(struct trace_costs *costs)
{
    (void)costs;
}

void unwind_abandon(void)
{
}

void unwind_visit_memory(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context)
{
    (void)visit, (void)context;
}
