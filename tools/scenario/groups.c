/* groups.c - see groups.h */
#define _GNU_SOURCE
#include "tools/scenario/groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/scenario/victim.h"

/* The mount point of a hierarchy: the v2 one, or that of v1's memory controller. */
static bool find_mount(bool is_v2, char *mount)
{
    FILE *file = fopen("/proc/self/mounts", "re");
    char line[2048], at[GROUPS_PATH_BYTES], type[32], options[1024];
    bool is_found = false;
    while (!is_found && file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%*s %767s %31s %1023s", at, type, options) != 3)
            continue;
        is_found = is_v2 ? strcmp(type, "cgroup2") == 0
                         : strcmp(type, "cgroup") == 0 && strstr(options, "memory") != NULL;
    }
    if (file != NULL)
        fclose(file);
    if (is_found)
        strcpy(mount, at);
    return is_found;
}

/* "4:memory:/path" or "0::/path" of /proc/self/cgroup. */
static bool find_own(bool is_v2, char *own)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[2048];
    bool is_found = false;
    while (!is_found && file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *controllers = strchr(line, ':'), *path;
        if (controllers == NULL || (path = strchr(controllers + 1, ':')) == NULL)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        is_found = is_v2 ? controllers[1] == '\0' : strcmp(controllers + 1, "memory") == 0;
        if (is_found)
            snprintf(own, GROUPS_PATH_BYTES, "%.*s", GROUPS_PATH_BYTES - 1,
                     strcmp(path, "/") == 0 ? "" : path);
    }
    if (file != NULL)
        fclose(file);
    return is_found;
}

/* In a container the mount may show the own group as its root, under the path it has outside. */
bool groups_find(bool is_v2, char path[GROUPS_PATH_BYTES], size_t *root)
{
    char mount[GROUPS_PATH_BYTES], own[GROUPS_PATH_BYTES];
    if (!find_mount(is_v2, mount) || !find_own(is_v2, own))
        return false;
    *root = strlen(mount);
    if (snprintf(path, GROUPS_PATH_BYTES, "%s%s", mount, own) >= GROUPS_PATH_BYTES)
        return false;
    if (access(path, F_OK) != 0)
        path[*root] = '\0';
    return access(path, F_OK) == 0;
}

uint64_t groups_read(const char *group, const char *name, const char *key)
{
    char path[GROUPS_PATH_BYTES + 64], text[8192];
    snprintf(path, sizeof path, "%s/%s", group, name);
    victim_read_file(path, text, sizeof text);
    const char *at = strstr(text, key);
    return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10);
}

static uint64_t read_machine(const char *key)
{
    char text[4096];
    victim_read_file("/proc/meminfo", text, sizeof text);
    const char *at = strstr(text, key);
    return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10) * 1024;
}

bool groups_have_swap(void)
{
    return read_machine("SwapTotal:") > 0;
}

uint64_t groups_machine_bytes(void)
{
    return read_machine("MemTotal:");
}
