/* os_smaps.c - os_visit_mappings, os_visit_areas: /proc/self/smaps and maps, a line at a time.
 *
 *     7f0000000000-7f0000200000 rw-p 00000000 00:00 0 [anon]      a mapping begins
 *     Rss:                2048 kB                                  its numbers, one each line
 *     ...                                                          the next mapping ends it */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

struct scan {
    struct os_mapping mapping;
    void (*visit)(const struct os_mapping *mapping, void *context);
    void *context;
};

static bool is_digit(char c, unsigned base)
{
    return (c >= '0' && c <= '9') || (base == 16 && c >= 'a' && c <= 'f');
}

static uint64_t read_number(const char **at, unsigned base)
{
    uint64_t number = 0;
    for (; is_digit(**at, base); ++*at)
        number = number * base + (uint64_t)(**at <= '9' ? **at - '0' : **at - 'a' + 10);
    return number;
}

static void end_mapping(struct scan *scan)
{
    if (scan->mapping.end != 0)
        scan->visit(&scan->mapping, scan->context);
    memset(&scan->mapping, 0, sizeof(scan->mapping));
}

static void begin_mapping(struct scan *scan, const char *line)
{
    end_mapping(scan);
    scan->mapping.start = read_number(&line, 16);
    line += *line == '-';
    scan->mapping.end = read_number(&line, 16);
    const char *path = strchr(line, '/');
    scan->mapping.is_readable = strncmp(line, " r", 2) == 0;
    scan->mapping.is_writable = scan->mapping.is_readable && line[2] == 'w';
    scan->mapping.is_device = path != NULL && strncmp(path, "/dev/", 5) == 0 &&
                              strncmp(path, "/dev/shm/", 9) != 0 &&
                              strncmp(path, "/dev/zero", 9) != 0;
}

/* Adds the line's number when it is `name`'s. */
static void add_if(const char *line, const char *name, size_t *bytes)
{
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0)
        return;
    for (line += length; *line == ' '; line++)
        continue;
    *bytes += read_number(&line, 10) * 1024;
}

/* Pages of the explicit pools are not in "Rss". */
static void take_line(struct scan *scan, const char *line)
{
    if (is_digit(*line, 16)) {
        begin_mapping(scan, line);
        return;
    }
    struct os_mapping *mapping = &scan->mapping;
    add_if(line, "Rss:", &mapping->resident_bytes);
    add_if(line, "AnonHugePages:", &mapping->huge_bytes);
    add_if(line, "Private_Hugetlb:", &mapping->huge_bytes);
    add_if(line, "Private_Hugetlb:", &mapping->resident_bytes);
}

/* Takes all whole lines; those longer than the buffer (names of files) lose their end. How many
 * bytes were left over, moved to the beginning. */
static size_t take_lines(struct scan *scan, char *buffer, size_t used, size_t capacity)
{
    char *line = buffer;
    char *end;
    while ((end = memchr(line, '\n', used - (size_t)(line - buffer))) != NULL) {
        *end = '\0';
        take_line(scan, line);
        line = end + 1;
    }
    size_t rest = used - (size_t)(line - buffer);
    if (rest == capacity)
        return capacity / 2; /* the beginning says it all */
    memmove(buffer, line, rest);
    return rest;
}

static bool visit_file(const char *path,
                       void (*visit)(const struct os_mapping *mapping, void *context),
                       void *context)
{
    char buffer[4096];
    size_t used = 0;
    struct scan scan = {.visit = visit, .context = context};
    long fd = call6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (failed(fd))
        return false;
    for (;;) {
        long got = call3(SYS_read, fd, (long)(buffer + used), (long)(sizeof(buffer) - used));
        if (failed(got) || got == 0)
            break;
        used = take_lines(&scan, buffer, used + (size_t)got, sizeof(buffer));
    }
    end_mapping(&scan);
    call3(SYS_close, fd, 0, 0);
    return true;
}

bool os_visit_mappings(void (*visit)(const struct os_mapping *mapping, void *context),
                       void *context)
{
    return visit_file("/proc/self/smaps", visit, context);
}

bool os_visit_areas(void (*visit)(const struct os_mapping *mapping, void *context), void *context)
{
    return visit_file("/proc/self/maps", visit, context);
}
