/* store.h - memory of an analysis: one mimalloc heap, given back as a whole, so that nothing of it
 * needs a free of its own. Running out of memory ends the process with one line: a tool has
 * nothing better to do then, and its callers need no error paths. */
#ifndef MPRESS_TOOLS_STORE_H
#define MPRESS_TOOLS_STORE_H

#include <stddef.h>

struct store;

struct store *store_create(void);
void store_destroy(struct store *store);

/* Zeroed. */
void *store_alloc(struct store *store, size_t count, size_t bytes_each);

/* `old` (may be NULL) with room for `count` entries; those from `old_count` on are zero. */
void *store_grow(struct store *store, void *old, size_t old_count, size_t count, size_t bytes_each);

char *store_copy_text(struct store *store, const char *text);
void store_free(void *p);

#endif
