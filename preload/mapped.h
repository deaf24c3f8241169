/* mapped.h - the memory that the program maps for itself to write to: what of it counts against a
 * limit. Ranges are known from the first one that comes after mapped_start; a range that is not
 * known, or one too many, counts as what RssAnon shows of it. */
#ifndef MPRESS_MAPPED_H
#define MPRESS_MAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void mapped_start(void);

/* The program mapped this; or unmapped it, or mapped something else there. */
void mapped_add(uintptr_t start, size_t bytes);
void mapped_remove(uintptr_t start, size_t bytes);

/* It moved a range, and changed its length; `stays`: the old one is still there. */
void mapped_move(uintptr_t start, size_t bytes, uintptr_t new_start, size_t new_bytes, bool stays);

/* Bytes of all that are known. */
size_t mapped_bytes(void);

void mapped_fork_child(void);

#endif
