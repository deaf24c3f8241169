/* branching.h - allocations that fail in branches of the process (branch.h). */
#ifndef MPRESS_BRANCHING_H
#define MPRESS_BRANCHING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At the allocation of that number, inside the door but not in the heap. Asks the tool; returns
 * false in the process, whenever the tool has no more branches to make of it here, and true in each
 * of them. */
bool branching_refuses(uint64_t number, size_t bytes, uintptr_t ip);

#endif
