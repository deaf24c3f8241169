/* os_smaps.c - os_visit_mappings, os_visit_areas: /proc/self/smaps and maps, a line at a time.
 *
 *     7f0000000000-7f0000200000 rw-p 00000000 00:00 0 [anon]      a mapping begins
 *     Rss:                2048 kB                                  its numbers, one each line
 *     ...                                                          the next mapping ends it */
#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <string.h>

enum { SCAN_NAME_BYTES = 256 };

struct scan {
    struct os_mapping mapping;
    char name[SCAN_NAME_BYTES];
    void (*visit)(const struct os_mapping *mapping, void *context);
    void *context;
};

static void end_mapping(struct scan *scan)
{
    if (scan->mapping.end != 0)
        scan->visit(&scan->mapping, scan->context);
    memset(&scan->mapping, 0, sizeof(scan->mapping));
}

/* Behind offset, device and inode: what is left of the line. Of a long name the end stays. */
static void take_name(struct scan *scan, const char *line)
{
    for (int field = 0; field < 3; field++) {
        line = os_line_skip(line);
        line += strcspn(line, " ");
    }
    line = os_line_skip(line);
    size_t length = strlen(line);
    size_t cut = length < SCAN_NAME_BYTES ? 0 : length - SCAN_NAME_BYTES + 1;
    memcpy(scan->name, line + cut, length - cut + 1);
    scan->mapping.name = scan->name;
}

static void begin_mapping(struct scan *scan, const char *line)
{
    end_mapping(scan);
    scan->mapping.start = os_line_number(&line, 16);
    line += *line == '-';
    scan->mapping.end = os_line_number(&line, 16);
    const char *path = strchr(line, '/');
    scan->mapping.is_readable = strncmp(line, " r", 2) == 0;
    scan->mapping.is_writable = scan->mapping.is_readable && line[2] == 'w';
    scan->mapping.is_device = path != NULL && strncmp(path, "/dev/", 5) == 0 &&
                              strncmp(path, "/dev/shm/", 9) != 0 &&
                              strncmp(path, "/dev/zero", 9) != 0;
    line = os_line_skip(line);
    for (int i = 0; i < 4 && *line != '\0'; i++, line++) {
        scan->mapping.is_accessible |= i < 3 && *line != '-';
        scan->mapping.is_shared |= *line == 's';
    }
    take_name(scan, line);
}

/* Pages of the explicit pools are not in "Rss". */
static void take_line(const char *line, void *context)
{
    struct scan *scan = context;
    struct os_mapping *mapping = &scan->mapping;
    if ((*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f')) {
        begin_mapping(scan, line);
        return;
    }
    os_line_take(line, "Rss:", &mapping->resident_bytes);
    os_line_take(line, "Anonymous:", &mapping->anonymous_bytes);
    os_line_take(line, "Swap:", &mapping->swapped_bytes);
    os_line_take(line, "AnonHugePages:", &mapping->huge_bytes);
    os_line_take(line, "Private_Hugetlb:", &mapping->huge_bytes);
    os_line_take(line, "Private_Hugetlb:", &mapping->resident_bytes);
}

static bool visit_file(const char *path,
                       void (*visit)(const struct os_mapping *mapping, void *context),
                       void *context)
{
    struct scan scan = {.visit = visit, .context = context};
    if (!os_visit_lines(path, take_line, &scan))
        return false;
    end_mapping(&scan);
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
