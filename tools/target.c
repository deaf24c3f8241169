/* target.c - reads just enough of an ELF file to know what the loader will do with it. */
#define _GNU_SOURCE /* getxattr, O_CLOEXEC */
#include "tools/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tools/own_malloc.h"

enum {
    SCRIPT_DEPTH_MAX = 5, /* the kernel's own limit on interpreters of interpreters */
    HEAD_BYTES = 4096,    /* ELF header and program headers, or a #! line */
    SEGMENTS_MAX = 64,
};

/* What the first page of a file says. */
struct head {
    unsigned char at[HEAD_BYTES];
    size_t bytes;
};

static enum target_verdict refuse(char *why, enum target_verdict verdict, const char *path,
                                  const char *reason)
{
    snprintf(why, TARGET_WHY_BYTES, "%s: %s", path, reason);
    return verdict;
}

/* -- where it is ------------------------------------------------------------------------------ */

static bool is_runnable_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static bool find_in_path(const char *name, char path[TARGET_PATH_BYTES])
{
    const char *list = getenv("PATH");
    if (list == NULL)
        list = "/usr/local/bin:/usr/bin:/bin";
    for (;;) {
        size_t length = strcspn(list, ":");
        int written = length == 0
                          ? snprintf(path, TARGET_PATH_BYTES, "./%s", name)
                          : snprintf(path, TARGET_PATH_BYTES, "%.*s/%s", (int)length, list, name);
        if (written < TARGET_PATH_BYTES && is_runnable_file(path))
            return true;
        if (list[length] == '\0')
            return false;
        list += length + 1;
    }
}

/* -- what it is ------------------------------------------------------------------------------- */

static bool read_head(const char *path, struct head *head)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = pread(fd, head->at, sizeof head->at, 0);
    close(fd);
    head->bytes = got < 0 ? 0 : (size_t)got;
    return got >= 0;
}

/* Who gains rights by exec runs with AT_SECURE set, and the loader then ignores LD_PRELOAD. */
static bool gains_rights(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return false;
    if ((status.st_mode & S_ISUID) && status.st_uid != geteuid())
        return true;
    if ((status.st_mode & S_ISGID) && status.st_gid != getegid())
        return true;
    return geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

/* The interpreter (loader) segment of a 64-bit ELF file; NULL: it has none. */
static const char *find_loader(const struct head *head)
{
    Elf64_Ehdr elf;
    memcpy(&elf, head->at, sizeof elf);
    if (elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum > SEGMENTS_MAX)
        return NULL;
    for (size_t i = 0; i < elf.e_phnum; i++) {
        Elf64_Phdr segment;
        uint64_t at = elf.e_phoff + i * sizeof segment;
        if (at > head->bytes || head->bytes - at < sizeof segment)
            return NULL;
        memcpy(&segment, head->at + at, sizeof segment);
        if (segment.p_type != PT_INTERP)
            continue;
        bool whole = segment.p_offset < head->bytes && segment.p_filesz > 0 &&
                     segment.p_filesz <= head->bytes - segment.p_offset &&
                     head->at[segment.p_offset + segment.p_filesz - 1] == '\0';
        return whole ? (const char *)head->at + segment.p_offset : "";
    }
    return NULL;
}

static enum target_verdict judge_elf(const char *path, const struct head *head, char *why)
{
    if (head->at[EI_CLASS] != ELFCLASS64)
        return refuse(why, TARGET_NOT_RUNNABLE, path,
                      "a 32-bit program: libmpress.so is 64-bit and cannot be loaded into it");
    const char *loader = find_loader(head);
    if (loader == NULL)
        return refuse(why, TARGET_NOT_RUNNABLE, path,
                      "statically linked: LD_PRELOAD cannot reach it");
    if (strstr(loader, "musl") != NULL)
        return refuse(why, TARGET_NOT_RUNNABLE, path,
                      "linked with musl: libmpress.so is for programs that run on glibc");
    enum own_malloc own = own_malloc_find(path);
    if (own == OWN_MALLOC_SANITIZER)
        return refuse(why, TARGET_NOT_RUNNABLE, path,
                      "built with a sanitizer that has to be the allocator itself");
    if (own == OWN_MALLOC_LINKED)
        snprintf(why, TARGET_WHY_BYTES, "%s: has a malloc of its own: no block of it will be seen",
                 path);
    return TARGET_FINE;
}

/* The interpreter named behind "#!"; false: there is none. */
static bool parse_script(const struct head *head, char path[TARGET_PATH_BYTES])
{
    const char *at = (const char *)head->at + 2;
    const char *end = (const char *)head->at + head->bytes;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    size_t length = 0;
    while (at + length < end && strchr(" \t\r\n", at[length]) == NULL)
        length++;
    if (length == 0 || length >= TARGET_PATH_BYTES)
        return false;
    memcpy(path, at, length);
    path[length] = '\0';
    return true;
}

static enum target_verdict judge(const char *path, unsigned depth, char *why)
{
    struct head head = {0};
    if (gains_rights(path))
        return refuse(why, TARGET_NOT_RUNNABLE, path,
                      "gains rights when it starts (set-user-ID, set-group-ID or capabilities): "
                      "the loader ignores LD_PRELOAD");
    if (!read_head(path, &head))
        return TARGET_FINE; /* executable but not readable: the loader will judge */
    if (head.bytes >= sizeof(Elf64_Ehdr) && memcmp(head.at, ELFMAG, SELFMAG) == 0)
        return judge_elf(path, &head, why);
    char interpreter[TARGET_PATH_BYTES];
    if (head.bytes < 3 || memcmp(head.at, "#!", 2) != 0 || !parse_script(&head, interpreter))
        return refuse(why, TARGET_NOT_RUNNABLE, path,
                      "neither a program nor a script with a #! line");
    if (depth == SCRIPT_DEPTH_MAX)
        return refuse(why, TARGET_NOT_RUNNABLE, path, "too many interpreters of interpreters");
    if (!is_runnable_file(interpreter)) {
        snprintf(why, TARGET_WHY_BYTES, "%s: its interpreter %s cannot be run", path, interpreter);
        return TARGET_NOT_RUNNABLE;
    }
    return judge(interpreter, depth + 1, why);
}

/* -- both ------------------------------------------------------------------------------------- */

enum target_verdict target_find(const char *name, char path[TARGET_PATH_BYTES],
                                char why[TARGET_WHY_BYTES])
{
    why[0] = '\0';
    if (strchr(name, '/') == NULL) {
        if (!find_in_path(name, path))
            return refuse(why, TARGET_NOT_FOUND, name, "command not found");
        return judge(path, 0, why);
    }
    struct stat status;
    if (strlen(name) >= TARGET_PATH_BYTES || stat(name, &status) != 0)
        return refuse(why, TARGET_NOT_FOUND, name, strerror(errno == 0 ? ENAMETOOLONG : errno));
    if (S_ISDIR(status.st_mode))
        return refuse(why, TARGET_NOT_RUNNABLE, name, "is a directory");
    if (!is_runnable_file(name))
        return refuse(why, TARGET_NOT_RUNNABLE, name, "is not executable");
    strcpy(path, name);
    return judge(path, 0, why);
}
