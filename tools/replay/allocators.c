/* allocators.c - see allocators.h */
#define _GNU_SOURCE
#include "tools/replay/allocators.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/place.h"

struct known {
    const char *name;
    const char *file;
    const char *package;
};

static const struct known knowns[] = {
    {"mimalloc", "libmimalloc.so.2", "libmimalloc2.0"},
    {"jemalloc", "libjemalloc.so.2", "libjemalloc2"},
    {"tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"},
};

enum { KNOWNS = sizeof(knowns) / sizeof(knowns[0]) };

/* Cuts what is too long; a name is only shown, a path was checked before. */
static void copy(char *to, size_t capacity, const char *from, size_t bytes)
{
    if (bytes >= capacity)
        bytes = capacity - 1;
    memcpy(to, from, bytes);
    to[bytes] = '\0';
}

static bool is_there(const char *folder, size_t bytes, const char *file, char *path)
{
    int length = snprintf(path, ALLOCATOR_PATH_BYTES, "%.*s/%s", (int)bytes, folder, file);
    return length > 0 && length < ALLOCATOR_PATH_BYTES && access(path, R_OK) == 0;
}

/* Where libc is, others of the system are; then where people install their own. */
static bool find_file(const char *file, char *path)
{
    static const char *const folders[] = {"/usr/local/lib", "/usr/lib64", "/usr/lib"};
    Dl_info libc;
    void *function = dlsym(RTLD_NEXT, "gnu_get_libc_version");
    if (function != NULL && dladdr(function, &libc) != 0 && libc.dli_fname != NULL) {
        const char *slash = strrchr(libc.dli_fname, '/');
        if (slash != NULL && is_there(libc.dli_fname, (size_t)(slash - libc.dli_fname), file, path))
            return true;
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (is_there(folders[i], strlen(folders[i]), file, path))
            return true;
    }
    return false;
}

static int find_mpress(struct allocator *allocator)
{
    char path[PLACE_BYTES];
    if (place_find_library(path) != 0) {
        cli_say("%s: libmpress.so is not there; build it, or name it in MPRESS_LIBRARY", path);
        return CLI_FAILED;
    }
    copy(allocator->library, sizeof(allocator->library), path, strlen(path));
    return 0;
}

static int find_path(struct allocator *allocator, const char *word)
{
    char *path = realpath(word, NULL);
    if (path == NULL || access(path, R_OK) != 0 || strlen(path) >= ALLOCATOR_PATH_BYTES) {
        cli_say("%s: cannot be read: %s; name a shared library", word, strerror(errno));
        free(path);
        return CLI_FAILED;
    }
    const char *slash = strrchr(word, '/');
    copy(allocator->name, sizeof(allocator->name), slash + 1, strlen(slash + 1));
    copy(allocator->library, sizeof(allocator->library), path, strlen(path));
    free(path);
    return 0;
}

static int find_known(struct allocator *allocator, const char *word)
{
    for (size_t i = 0; i < KNOWNS; i++) {
        if (strcmp(word, knowns[i].name) != 0)
            continue;
        if (find_file(knowns[i].file, allocator->library))
            return 0;
        cli_say("%s is not installed: apt-get install %s", word, knowns[i].package);
        return CLI_FAILED;
    }
    return cli_refuse("replay",
                      "there is no allocator \"%s\": mpress, glibc, mimalloc, jemalloc, tcmalloc, "
                      "or a path with a slash in it",
                      word);
}

static int find_allocator(struct allocator *allocator, const char *word)
{
    int status = 0;
    *allocator = (struct allocator){.library = ""};
    copy(allocator->name, sizeof(allocator->name), word, strlen(word));
    if (strcmp(word, "mpress") == 0)
        status = find_mpress(allocator);
    else if (strchr(word, '/') != NULL)
        status = find_path(allocator, word);
    else if (strcmp(word, "glibc") != 0)
        status = find_known(allocator, word);
    if (status == 0 && strpbrk(allocator->library, " :\t\n") != NULL) {
        cli_say("%s: a path with a blank or a colon cannot be preloaded; move it", word);
        return CLI_FAILED;
    }
    return status;
}

int allocators_add_profile(struct allocators *allocators, const char *profile)
{
    char path[PLACE_BYTES];
    if (allocators->count == ALLOCATORS_MOST)
        return cli_refuse("replay", "--profile: no more than %d allocators", ALLOCATORS_MOST);
    int error = place_make_absolute(profile, path);
    if (error == 0 && access(path, R_OK) != 0)
        error = errno;
    if (error != 0) {
        cli_say("%s: %s; mpress tune writes profiles", profile, strerror(error));
        return CLI_FAILED;
    }
    struct allocator *allocator = &allocators->all[allocators->count++];
    int status = find_allocator(allocator, "mpress");
    copy(allocator->name, sizeof(allocator->name), "profile", strlen("profile"));
    copy(allocator->profile, sizeof(allocator->profile), path, strlen(path));
    return status;
}

int allocators_parse(const char *list, struct allocators *allocators)
{
    allocators->count = 0;
    for (const char *at = list;;) {
        char word[ALLOCATOR_PATH_BYTES];
        size_t bytes = strcspn(at, ",");
        if (bytes == 0 || bytes >= sizeof(word))
            return cli_refuse("replay", "--with %s: names with commas between are wanted", list);
        if (allocators->count == ALLOCATORS_MOST)
            return cli_refuse("replay", "--with: no more than %d at a time", ALLOCATORS_MOST);
        copy(word, sizeof(word), at, bytes);
        int status = find_allocator(&allocators->all[allocators->count++], word);
        if (status != 0)
            return status;
        if (at[bytes] == '\0')
            return 0;
        at += bytes + 1;
    }
}
