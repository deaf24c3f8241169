/* environment.c - see environment.h */
#define _GNU_SOURCE /* environ */
#include "tools/scenario/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/place.h"
#include "tools/trace/memory.h"

static void add(struct environment *environment, char *setting)
{
    environment->at = memory_grow(environment->at, environment->count, &environment->capacity,
                                  sizeof(*environment->at));
    environment->at[environment->count++] = setting;
}

/* As it is in `count`, but NULL is not. */
static void end(struct environment *environment)
{
    add(environment, NULL);
    environment->count--;
}

static char *copy(const char *text, size_t length)
{
    char *at = memory_alloc(length + 1, 1);
    memcpy(at, text, length);
    return at;
}

void environment_init(struct environment *environment)
{
    *environment = (struct environment){.at = NULL};
    for (char **at = environ; at != NULL && *at != NULL; at++)
        add(environment, copy(*at, strlen(*at)));
    end(environment);
}

void environment_fini(struct environment *environment)
{
    for (size_t i = 0; i < environment->count; i++)
        free(environment->at[i]);
    free(environment->at);
}

/* `count`: there is none. */
static size_t find(const struct environment *environment, const char *name, size_t length)
{
    size_t i = 0;
    while (i < environment->count &&
           (strncmp(environment->at[i], name, length) != 0 || environment->at[i][length] != '='))
        i++;
    return i;
}

const char *environment_find(const struct environment *environment, const char *name)
{
    size_t length = strlen(name), place = find(environment, name, length);
    return place == environment->count ? NULL : environment->at[place] + length + 1;
}

/* The setting is its own from now on; `length`: of its name. */
static void take(struct environment *environment, char *setting, size_t length)
{
    size_t place = find(environment, setting, length);
    if (place < environment->count) {
        free(environment->at[place]);
        environment->at[place] = setting;
        return;
    }
    add(environment, setting);
    end(environment);
}

char *environment_set(struct environment *environment, const char *name, const char *value)
{
    size_t length = strlen(name), bytes = length + 1 + strlen(value) + 1;
    char *setting = memory_alloc(bytes, 1);
    snprintf(setting, bytes, "%s=%s", name, value);
    take(environment, setting, length);
    return setting + length + 1;
}

void environment_unset(struct environment *environment, const char *name)
{
    size_t length = strlen(name), place;
    while ((place = find(environment, name, length)) < environment->count) {
        char **at = environment->at + place;
        free(*at);
        memmove(at, at + 1, (environment->count - place) * sizeof(*at)); /* and the NULL */
        environment->count--;
    }
}

void environment_put(struct environment *environment, const char *setting, size_t length)
{
    const char *equals = memchr(setting, '=', length);
    if (equals != NULL)
        take(environment, copy(setting, length), (size_t)(equals - setting));
}

void environment_preload(struct environment *environment, const char *library)
{
    static const char name[] = "LD_PRELOAD";
    char *both = place_join_preload(library, environment_find(environment, name));
    if (both == NULL)
        memory_fail(1, strlen(library));
    environment_set(environment, name, both);
    free(both);
}
