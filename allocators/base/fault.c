/* fault.c - the last words of a process whose heap was misused. */
#include "allocators/base/fault.h"

#include <stdlib.h>

#include "allocators/base/say.h"

struct fault_text {
    const char *what;   /* what happened */
    const char *advice; /* what the user can do about it */
};

static const struct fault_text fault_texts[FAULT_KINDS] = {
#define FAULT(name, what_, advice_) [name] = {.what = (what_), .advice = (advice_)},
#include "allocators/base/fault.def"
#undef FAULT
};

void fault(enum fault_kind kind, const void *pointer)
{
    say("%s at %p: %s", fault_texts[kind].what, pointer, fault_texts[kind].advice);
    abort();
}

void fault_assert(const char *condition, const char *file, int line)
{
    say("broken promise: %s (%s:%u)", condition, file, (unsigned)line);
    abort();
}
