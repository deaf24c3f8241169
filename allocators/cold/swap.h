/* swap.h - cold units go to the swap space of the system, where there is some. */
#ifndef MPRESS_COLD_SWAP_H
#define MPRESS_COLD_SWAP_H

#include <stddef.h>

/* Asks the system to swap out so many bytes of units at most, those that were least used lately.
 * The bytes asked for; 0: there is no swap space, or nothing to swap. One caller at a time. */
size_t cold_swap_out(size_t most_bytes);

#endif
