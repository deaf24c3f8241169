/* place.c - an installation is found from /proc/self/exe, so that it can be moved as a whole. */
#define _GNU_SOURCE /* readlink, realpath, setenv */
#include "tools/place.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY_NAME "libmpress.so"

/* Directories relative to the program's own; the first is what was configured for installation. */
static const char *const places[] = {
    MPRESS_BIN_TO_LIB,
    "../lib",
    "../lib/x86_64-linux-gnu",
    "../preload",
};

static bool find_own_directory(char path[PLACE_BYTES])
{
    ssize_t length = readlink("/proc/self/exe", path, PLACE_BYTES - 1);
    if (length <= 0)
        return false;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

static bool take_real_path(const char *name, char path[PLACE_BYTES])
{
    char *real = realpath(name, NULL);
    bool fits = real != NULL && strlen(real) < PLACE_BYTES && access(real, R_OK) == 0;
    if (fits)
        strcpy(path, real);
    free(real);
    return fits;
}

int place_find_library(char path[PLACE_BYTES])
{
    const char *named = getenv("MPRESS_LIBRARY");
    if (named != NULL && *named != '\0') {
        if (take_real_path(named, path))
            return 0;
        snprintf(path, PLACE_BYTES, "%s", named);
        return ENOENT;
    }
    char own[PLACE_BYTES];
    if (!find_own_directory(own))
        strcpy(own, "/usr/bin");
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char name[2 * PLACE_BYTES];
        snprintf(name, sizeof name, "%s/%s/" LIBRARY_NAME, own, places[i]);
        if (take_real_path(name, path))
            return 0;
    }
    snprintf(path, PLACE_BYTES, "%.*s/%s/" LIBRARY_NAME, PLACE_BYTES / 2, own, places[0]);
    return ENOENT;
}

bool place_find_beside(const char *library, const char *name, char path[PLACE_BYTES])
{
    char wanted[2 * PLACE_BYTES];
    const char *slash = strrchr(library, '/');
    int folder = slash == NULL ? 0 : (int)(slash - library) + 1;
    snprintf(wanted, sizeof wanted, "%.*s%s", folder, library, name);
    return take_real_path(wanted, path);
}

int place_make_absolute(const char *name, char path[PLACE_BYTES])
{
    char directory[PLACE_BYTES] = "";
    if (*name != '/' && getcwd(directory, sizeof directory) == NULL)
        return errno;
    const char *slash = *name == '/' ? "" : "/";
    size_t length = strlen(directory) + strlen(slash) + strlen(name);
    if (length >= PLACE_BYTES)
        return ENAMETOOLONG;
    strcpy(path, directory);
    strcat(path, slash);
    strcat(path, name);
    return 0;
}

bool place_can_preload(const char *library)
{
    return strpbrk(library, " :") == NULL;
}

char *place_join_preload(const char *library, const char *before)
{
    if (before == NULL || *before == '\0')
        return strdup(library);
    size_t bytes = strlen(library) + 1 + strlen(before) + 1;
    char *both = malloc(bytes);
    if (both != NULL)
        snprintf(both, bytes, "%s:%s", library, before);
    return both;
}

int place_preload(const char *library)
{
    char *both = place_join_preload(library, getenv("LD_PRELOAD"));
    if (both == NULL)
        return ENOMEM;
    int error = setenv("LD_PRELOAD", both, 1) == 0 ? 0 : errno;
    free(both);
    return error;
}
