/* allocators.h - allocators by name, as libraries to preload. */
#ifndef MPRESS_TOOLS_REPLAY_ALLOCATORS_H
#define MPRESS_TOOLS_REPLAY_ALLOCATORS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    ALLOCATOR_NAME_BYTES = 32,
    ALLOCATOR_PATH_BYTES = 4096,
    ALLOCATOR_VARIABLES_MOST = 8,
    ALLOCATORS_MOST = 32
};

struct allocator {
    char name[ALLOCATOR_NAME_BYTES];              /* for tables */
    char library[ALLOCATOR_PATH_BYTES];           /* absolute; "": nothing is preloaded */
    char profile[ALLOCATOR_PATH_BYTES];           /* absolute, for MPRESS_PROFILE; "": none */
    size_t variables;                             /* of its environment */
    char *variable[ALLOCATOR_VARIABLES_MOST + 1]; /* "NAME=value"; NULL behind the last */
    bool is_none;                                 /* no allocator: calls do nothing */
    bool is_path;                                 /* its library was named, not it */
};

struct allocators {
    size_t count;
    struct allocator all[ALLOCATORS_MOST];
};

/* Adds "profile": mpress with a profile of `mpress tune`. 0; else as allocators_parse. */
int allocators_add_profile(struct allocators *allocators, const char *profile);

/* Adds those of a list with commas. The last may have an environment, NAME:VARIABLE=value:...,
 * whose values may hold commas and colons. 0; else the exit status after one line on stderr. */
int allocators_parse(const char *list, struct allocators *allocators);

void allocators_fini(struct allocators *allocators);

#endif
