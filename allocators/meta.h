/* meta.h - memory for our own structures, apart from the program's. Never given back. */
#ifndef MPRESS_META_H
#define MPRESS_META_H

#include <stddef.h>

/* Zeroed memory, aligned to 64 bytes; NULL: there is none. */
void *meta_alloc(size_t bytes);

/* Bytes handed out so far. */
size_t meta_bytes(void);

/* Shows all memory that was ever taken for it. */
void meta_visit(void (*visit)(const void *start, size_t bytes, void *context), void *context);

/* In the child of a fork. */
void meta_fork_child(void);

#endif
