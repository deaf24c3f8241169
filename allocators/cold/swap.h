/* swap.h - cold units go to the swap space of the system, where there is some. Any thread may call;
 * who finds another one at it does nothing. */
#ifndef MPRESS_COLD_SWAP_H
#define MPRESS_COLD_SWAP_H

#include <stddef.h>

/* Has the system swap out so many bytes of units at most, those that were least used lately: a
 * slice of it now, the rest by cold_swap_go_on, until the hand has been round once. The bytes of
 * the slice; 0: there is no swap space, or nothing to swap. */
size_t cold_swap_out(size_t most_bytes);

/* The next slice, if one is left. A slice takes 5 ms, and 4 MiB, at most. */
size_t cold_swap_go_on(void);

/* In the child of a fork: nobody is at it, and nothing was asked for. */
void cold_swap_fork_child(void);

#endif
