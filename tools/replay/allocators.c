/* allocators.c - see allocators.h */
#define _GNU_SOURCE
#include "tools/replay/allocators.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* A file of that name that can be read. 0, or errno's value. */
static int find_file_error(const char *path)
{
    struct stat there;
    if (stat(path, &there) != 0)
        return errno;
    if (!S_ISREG(there.st_mode))
        return S_ISDIR(there.st_mode) ? EISDIR : EINVAL;
    return access(path, R_OK) == 0 ? 0 : errno;
}

static int find_path(struct allocator *allocator, const char *word)
{
    char *path = realpath(word, NULL);
    int error = path == NULL ? errno : find_file_error(path);
    if (error == 0 && strlen(path) >= ALLOCATOR_PATH_BYTES)
        error = ENAMETOOLONG;
    if (error != 0) {
        cli_say("%s: cannot be read: %s; name a shared library", word, strerror(error));
        free(path);
        return CLI_FAILED;
    }
    allocator->is_path = true;
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
                      "none, or a path with a slash in it",
                      word);
}

static int find_allocator(struct allocator *allocator, const char *word)
{
    int status = 0;
    *allocator = (struct allocator){.library = ""};
    copy(allocator->name, sizeof(allocator->name), word, strlen(word));
    allocator->is_none = strcmp(word, "none") == 0;
    if (strcmp(word, "mpress") == 0)
        status = find_mpress(allocator);
    else if (strchr(word, '/') != NULL)
        status = find_path(allocator, word);
    else if (strcmp(word, "glibc") != 0 && !allocator->is_none)
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
    if (error == 0)
        error = find_file_error(path);
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

/* -- lists ------------------------------------------------------------------------------------ */

static bool is_name_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Where the next ":NAME=" begins, at its colon; NULL: nowhere. Other colons are a value's. */
static const char *find_variable(const char *text)
{
    for (const char *colon = strchr(text, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
        const char *end = colon + 1;
        while (is_name_character(*end))
            end++;
        if (*end == '=' && end > colon + 1)
            return colon;
    }
    return NULL;
}

/* Puts it behind the name, which is cut where there is no room for both. */
static void append_number(struct allocator *allocator, char sign, unsigned number)
{
    enum { ROOM = 12 };
    size_t used = strlen(allocator->name);
    used = used < sizeof(allocator->name) - ROOM ? used : sizeof(allocator->name) - ROOM;
    snprintf(allocator->name + used, ROOM, "%c%u", sign, number);
}

/* Two builds of one library, at different paths, have the same file name. */
static void number_name(const struct allocators *allocators, struct allocator *allocator)
{
    unsigned number = 1;
    size_t length = strlen(allocator->name);
    for (const struct allocator *other = allocators->all; other < allocator; other++)
        number += other->is_path && strncmp(other->name, allocator->name, length) == 0 &&
                  strchr("+#", other->name[length]) != NULL; /* or its end */
    if (allocator->is_path && number > 1)
        append_number(allocator, '#', number);
}

static int add(struct allocators *allocators, const char *word, size_t bytes)
{
    char name[ALLOCATOR_PATH_BYTES];
    if (bytes == 0 || bytes >= sizeof(name))
        return cli_refuse("replay", "--with %s: names with commas between are wanted", word);
    if (allocators->count == ALLOCATORS_MOST)
        return cli_refuse("replay", "--with: no more than %d at a time", ALLOCATORS_MOST);
    copy(name, sizeof(name), word, bytes);
    int status = find_allocator(&allocators->all[allocators->count++], name);
    if (status == 0)
        number_name(allocators, &allocators->all[allocators->count - 1]);
    return status;
}

/* So that it can be told from the same allocator without, or with other variables. */
static void mark_name(const struct allocators *allocators, struct allocator *allocator)
{
    unsigned number = 1;
    for (const struct allocator *other = allocators->all; other < allocator; other++)
        number += other->variables != 0;
    append_number(allocator, '+', number);
}

static int add_with_environment(struct allocators *allocators, const char *text, const char *colon)
{
    int status = add(allocators, text, (size_t)(colon - text));
    if (status != 0)
        return status;
    struct allocator *allocator = &allocators->all[allocators->count - 1];
    while (colon != NULL) {
        const char *next = find_variable(colon + 1);
        size_t bytes = next != NULL ? (size_t)(next - colon - 1) : strlen(colon + 1);
        if (allocator->variables == ALLOCATOR_VARIABLES_MOST)
            return cli_refuse("replay", "--with %s: no more than %d variables", text,
                              ALLOCATOR_VARIABLES_MOST);
        allocator->variable[allocator->variables++] = strndup(colon + 1, bytes);
        colon = next;
    }
    mark_name(allocators, allocator);
    return 0;
}

/* The names up to `end`, with commas between. */
static int add_names(struct allocators *allocators, const char *list, const char *end)
{
    for (const char *at = list;; at++) {
        size_t bytes = strcspn(at, ",");
        if (at + bytes > end)
            bytes = (size_t)(end - at);
        int status = bytes == 0 ? add(allocators, list, 0) : add(allocators, at, bytes);
        at += bytes;
        if (status != 0 || at == end)
            return status;
    }
}

int allocators_parse(const char *list, struct allocators *allocators)
{
    const char *colon = find_variable(list);
    if (colon == NULL)
        return add_names(allocators, list, list + strlen(list));
    const char *comma = memrchr(list, ',', (size_t)(colon - list));
    int status = comma != NULL ? add_names(allocators, list, comma) : 0;
    if (status != 0)
        return status;
    return add_with_environment(allocators, comma != NULL ? comma + 1 : list, colon);
}

void allocators_fini(struct allocators *allocators)
{
    for (size_t i = 0; i < allocators->count; i++) {
        for (size_t k = 0; k < allocators->all[i].variables; k++)
            free(allocators->all[i].variable[k]);
    }
    free(allocators);
}
