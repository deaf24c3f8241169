/* environment.h - what a program is to find in its environment: what this one has, but for what is
 * set here. It is made before there is a child, which then has no memory of its own to write to
 * (process.c). */
#ifndef MPRESS_TOOLS_SCENARIO_ENVIRONMENT_H
#define MPRESS_TOOLS_SCENARIO_ENVIRONMENT_H

#include <stddef.h>

struct environment {
    char **at; /* "NAME=value", as exec wants them: NULL behind the last */
    size_t count, capacity;
};

void environment_init(struct environment *environment);
void environment_fini(struct environment *environment);

/* NULL: there is none. */
const char *environment_find(const struct environment *environment, const char *name);
/* Where the value is then. */
char *environment_set(struct environment *environment, const char *name, const char *value);
/* All of that name; the others stay in their order. */
void environment_unset(struct environment *environment, const char *name);

/* "NAME=value", of that length; without a "=" it is no setting, and nothing happens. */
void environment_put(struct environment *environment, const char *setting, size_t length);
/* The library comes before those that are preloaded already. */
void environment_preload(struct environment *environment, const char *library);

#endif
