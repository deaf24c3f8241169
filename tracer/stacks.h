/* stacks.h - the tree of frames that all call stacks of the process share, and its lane.
 *
 * A node is an instruction address under a parent node; its id is its place in the stack lane. A
 * stack is named by the id of its innermost frame. Finding takes no lock; adding takes one and
 * writes the node's record before its id is known to anybody: no event names an unwritten node. */
#ifndef MPRESS_TRACER_STACKS_H
#define MPRESS_TRACER_STACKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_end;

/* An empty tree and its lane; called after info_create, before other lanes. False: no memory. */
bool stacks_create(void);

/* The child of `parent` (0: a root) at that address, added if it is new. `is_exact`: the address
 * was interrupted, not returned to. 0: the disk or the memory is full, or, if the generation has
 * changed, the parent is of a tree that is gone. The thread is busy. */
uint32_t stacks_get_node(uint32_t parent, uintptr_t ip, bool is_exact);

/* Code was unmapped: roots from now on are new, so that a node never means two functions. */
void stacks_start_anew(void);

extern _Atomic uint32_t stacks_trees; /* of roots: how often they began anew */

/* Changes when nodes that somebody remembers are not to be used any more. */
static inline uint32_t stacks_generation(void)
{
    return atomic_load_explicit(&stacks_trees, memory_order_relaxed);
}

/* Closes the lane; no node is added any more. Not possible when the thread that asks interrupted
 * itself adding one: then the lane stays open. */
void stacks_finish(void);

uint32_t stacks_count(void);
size_t stacks_bytes(void);

/* Another trace begins: there is no tree. */
void stacks_forget(void);

/* In a forked child: the same. */
void stacks_abandon(void);

#endif
