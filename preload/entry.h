/* entry.h - the symbols of libc that this library takes the place of. */
#ifndef MPRESS_ENTRY_H
#define MPRESS_ENTRY_H

#include <stddef.h>

#define EXPORTED __attribute__((visibility("default")))

void *malloc(size_t bytes);
void free(void *p);
void cfree(void *p);
void free_sized(void *p, size_t bytes);
void free_aligned_sized(void *p, size_t alignment, size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *p, size_t bytes);
void *reallocarray(void *p, size_t count, size_t bytes);
size_t malloc_usable_size(void *p);
void *memalign(size_t alignment, size_t bytes);
void *aligned_alloc(size_t alignment, size_t bytes);
int posix_memalign(void **p, size_t alignment, size_t bytes);
void *valloc(size_t bytes);
void *pvalloc(size_t bytes);
int dlclose(void *library);

#endif
