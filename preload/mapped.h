/* mapped.h - the memory that the program maps for itself to write to: what of it counts against a
 * limit. What it only reserves counts when it is made writable. Ranges are known from the first one
 * that comes after mapped_start; a range that is not known, or one too many, counts as what RssAnon
 * shows of it. */
#ifndef MPRESS_MAPPED_H
#define MPRESS_MAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void mapped_start(void);

/* The program mapped this; or reserved it, which may be written to later; or unmapped it, or mapped
 * something else there. */
void mapped_add(uintptr_t start, size_t bytes);
void mapped_reserve(uintptr_t start, size_t bytes);
void mapped_remove(uintptr_t start, size_t bytes);

/* It moved a range, and changed its length; `stays`: the old one is still there. */
void mapped_move(uintptr_t start, size_t bytes, uintptr_t new_start, size_t new_bytes, bool stays);

/* What lies in the range is from now on all to be counted, or reserved only; bytes in it that are
 * not counted so far. */
void mapped_change(uintptr_t start, size_t bytes, bool counts);
size_t mapped_reserved(uintptr_t start, size_t bytes);

/* Bytes of all that count. */
size_t mapped_bytes(void);

/* The first range that counts from *at on; *at moves behind it. False: there is none. */
bool mapped_next(uintptr_t *at, uintptr_t *start, size_t *bytes);

void mapped_fork_child(void);

#endif
