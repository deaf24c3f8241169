/* own_malloc.h - programs that bring a malloc which a preloaded library cannot take the place of:
 * their own symbols come before ours. */
#ifndef MPRESS_TOOLS_OWN_MALLOC_H
#define MPRESS_TOOLS_OWN_MALLOC_H

enum own_malloc {
    OWN_MALLOC_NONE,
    OWN_MALLOC_LINKED,    /* it runs, but its calls do not come to the library */
    OWN_MALLOC_SANITIZER, /* its runtime aborts or crashes beside another allocator */
};

/* What the dynamic symbols of the ELF file at `path` say; what cannot be read has none. */
enum own_malloc own_malloc_find(const char *path);

#endif
