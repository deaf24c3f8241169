/* fault.h - ends the process with one line that says which misuse was found and where.
 * The kinds are the rows of fault.def. Never returns, never allocates; any thread, any time. */
#ifndef MPRESS_BASE_FAULT_H
#define MPRESS_BASE_FAULT_H

enum fault_kind {
#define FAULT(name, what, advice) name,
#include "allocators/base/fault.def"
#undef FAULT
    FAULT_KINDS
};

/* Says "mpress: <what> at <pointer>: <advice>" on stderr and aborts. */
_Noreturn void fault(enum fault_kind kind, const void *pointer);

/* A promise of our own is broken: says the condition and its place and aborts. */
_Noreturn void fault_assert(const char *condition, const char *file, int line);

#endif
