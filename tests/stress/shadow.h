/* shadow.h - remembers, outside the heap under test, which 16-byte granules belong to a live block.
 *
 * A granule that is taken twice means that the heap handed out overlapping blocks. */
#ifndef MPRESS_TESTS_SHADOW_H
#define MPRESS_TESTS_SHADOW_H

#include <stdbool.h>
#include <stddef.h>

/* Marks the block's granules as taken; false: one of them was already. Any thread. */
bool shadow_take(const void *block, size_t bytes);

/* Gives them back, before the block is freed; false: one of them was not taken. Any thread. */
bool shadow_give(const void *block, size_t bytes);

#endif
