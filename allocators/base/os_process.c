/* os_process.c - what the system says of this process and of memory as a whole: files of /proc and
 * of the control group, read line by line. Each is opened, read and closed (3 to 9 us): a
 * descriptor that is kept would be one for the program to meet, to close or to inherit. */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { LINES_BYTES = 1024, GROUP_PATH_BYTES = OS_GROUP_BYTES + 32 };

const char *os_error_text(int error)
{
    const char *text = strerrordesc_np(error); /* of a table: takes no lock, knows no locale */
    return text != NULL ? text : "an error that has no name";
}

/* -- lines ------------------------------------------------------------------------------------ */

/* Takes all whole lines; those longer than the buffer (names of files) lose their end. How many
 * bytes were left over, moved to the beginning. */
static size_t take_lines(char *buffer, size_t used, os_line *take, void *context)
{
    char *line = buffer;
    char *end;
    while ((end = memchr(line, '\n', used - (size_t)(line - buffer))) != NULL) {
        *end = '\0';
        take(line, context);
        line = end + 1;
    }
    size_t rest = used - (size_t)(line - buffer);
    if (rest == LINES_BYTES)
        return LINES_BYTES / 2; /* the beginning says it all */
    memmove(buffer, line, rest);
    return rest;
}

bool os_visit_lines(const char *path, os_line *take, void *context)
{
    char buffer[LINES_BYTES]; /* small: this runs on the stacks of the program's threads */
    size_t used = 0;
    long fd = call6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (failed(fd))
        return false;
    long got;
    while ((got = call3(SYS_read, fd, (long)(buffer + used), (long)(LINES_BYTES - used))) > 0)
        used = take_lines(buffer, used + (size_t)got, take, context);
    call3(SYS_close, fd, 0, 0);
    return !failed(got);
}

int os_process_file_open(const char *path, int *fd)
{
    long opened = call6(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0, 0, 0);
    *fd = (int)opened;
    return error_of(opened);
}

static bool is_digit(char c, unsigned base)
{
    return (c >= '0' && c <= '9') || (base == 16 && c >= 'a' && c <= 'f');
}

uint64_t os_line_number(const char **at, unsigned base)
{
    uint64_t number = 0;
    for (; is_digit(**at, base); ++*at)
        number = number * base + (uint64_t)(**at <= '9' ? **at - '0' : **at - 'a' + 10);
    return number;
}

const char *os_line_skip(const char *line)
{
    while (*line == ' ' || *line == '\t')
        line++;
    return line;
}

bool os_line_take(const char *line, const char *name, uint64_t *bytes)
{
    if (*line != *name) /* most are other lines */
        return false;
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0)
        return false;
    line = os_line_skip(line + length);
    *bytes += os_line_number(&line, 10) * 1024;
    return true;
}

/* Field 22 of the line; the second one, the program's name, may hold anything. */
uint64_t os_process_start(void)
{
    char text[1024];
    size_t bytes;
    if (os_file_read("/proc/self/stat", text, sizeof(text), &bytes) != OS_FILE_WHOLE)
        return 0;
    const char *at = text + bytes;
    while (at > text && *at != ')')
        at--;
    for (int field = 2; field < 22; field++) {
        at += strcspn(at, " ");
        at = os_line_skip(at);
    }
    return os_line_number(&at, 10);
}

bool os_process_is_there(int process)
{
    return error_of(call3(SYS_kill, process, 0, 0)) != ESRCH;
}

/* -- this process ----------------------------------------------------------------------------- */

/* Pages: size, resident, shared (file and shmem), text, 0, data and stack. */
enum { STATM_FIELDS = 6 };

bool os_statm_parse(const char *line, struct os_sizes *sizes)
{
    uint64_t pages[STATM_FIELDS];
    for (int field = 0; field < STATM_FIELDS; field++) {
        pages[field] = os_line_number(&line, 10);
        line += *line == ' ';
    }
    *sizes = (struct os_sizes){
        .space = pages[0] * os_page_bytes(),
        .data = pages[5] * os_page_bytes(),
        .rss = pages[1] * os_page_bytes(),
        .rss_anon = pages[1] > pages[2] ? (pages[1] - pages[2]) * os_page_bytes() : 0,
    };
    return pages[0] != 0;
}

static bool read_sizes(struct os_sizes *sizes)
{
    char text[128];
    size_t bytes;
    return os_file_read("/proc/self/statm", text, sizeof(text), &bytes) == OS_FILE_WHOLE &&
           os_statm_parse(text, sizes);
}

bool os_resident(uint64_t *rss, uint64_t *rss_anon)
{
    struct os_sizes sizes;
    if (!read_sizes(&sizes))
        return false;
    *rss = sizes.rss;
    *rss_anon = sizes.rss_anon;
    return true;
}

bool os_space_read(uint64_t *space, uint64_t *data)
{
    struct os_sizes sizes;
    if (!read_sizes(&sizes))
        return false;
    *space = sizes.space;
    *data = sizes.data;
    return true;
}

uint64_t os_data_limit(void)
{
    struct rlimit limit;
    long result = call6(SYS_prlimit64, 0, RLIMIT_DATA, 0, (long)&limit, 0, 0);
    return failed(result) || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

struct status {
    struct os_memory *memory;
    bool has_parts;
};

static void take_status(const char *line, void *context)
{
    struct status *status = context;
    struct os_memory *memory = status->memory;
    (void)(os_line_take(line, "RssFile:", &memory->rss_file) ||
           os_line_take(line, "RssShmem:", &memory->rss_shmem) ||
           os_line_take(line, "VmSwap:", &memory->swap));
    status->has_parts |= os_line_take(line, "RssAnon:", &memory->rss_anon);
}

bool os_memory_read(struct os_memory *memory)
{
    struct status status = {memory, false};
    *memory = (struct os_memory){0};
    if (!os_visit_lines("/proc/self/status", take_status, &status) || !status.has_parts)
        return false;
    memory->rss = memory->rss_anon + memory->rss_file + memory->rss_shmem;
    return true;
}

/* -- the system ------------------------------------------------------------------------------- */

static void take_available(const char *line, void *context)
{
    os_line_take(line, "MemAvailable:", context);
}

bool os_available_read(uint64_t *bytes)
{
    *bytes = 0;
    return os_visit_lines("/proc/meminfo", take_available, bytes) && *bytes != 0;
}

static void take_total(const char *line, void *context)
{
    os_line_take(line, "MemTotal:", context);
}

bool os_total_read(uint64_t *bytes)
{
    *bytes = 0;
    return os_visit_lines("/proc/meminfo", take_total, bytes) && *bytes != 0;
}

/* some avg10=0.00 avg60=0.00 avg300=0.00 total=0 */
void os_pressure_take(const char *line, void *context)
{
    struct os_pressure *pressure = context;
    bool is_full = line[0] == 'f';
    const char *avg = strchr(line, '=');
    const char *total = line;
    while (*total != '\0' && strncmp(total, "total=", 6) != 0)
        total++;
    if (avg == NULL || *total == '\0')
        return;
    avg++, total += 6;
    uint64_t whole = os_line_number(&avg, 10);
    avg += *avg == '.';
    uint32_t percent = (uint32_t)(whole * 100 + os_line_number(&avg, 10));
    uint64_t stalled_ns = os_line_number(&total, 10) * 1000;
    *(is_full ? &pressure->full_percent_100 : &pressure->some_percent_100) = percent;
    *(is_full ? &pressure->full_ns : &pressure->some_ns) = stalled_ns;
}

bool os_pressure_read(struct os_pressure *pressure)
{
    *pressure = (struct os_pressure){0};
    return os_visit_lines("/proc/pressure/memory", os_pressure_take, pressure);
}

/* -- the control group ------------------------------------------------------------------------ */

struct os_group_places os_group_places = {"/proc/self/cgroup", "/sys/fs/cgroup/memory",
                                          "/sys/fs/cgroup"};

static const char *const group_names[2][OS_GROUP_FILES] = {
    {"/memory.usage_in_bytes", "/memory.limit_in_bytes", NULL, "/memory.pressure", "/memory.stat",
     "/memory.swappiness"},
    {"/memory.current", "/memory.max", "/memory.high", "/memory.pressure", "/memory.stat",
     "/memory.swap.max"},
};

static void join(char path[GROUP_PATH_BYTES], const char *folder, const char *name)
{
    size_t length = strnlen(folder, OS_GROUP_BYTES - 1);
    memcpy(path, folder, length);
    memcpy(path + length, name, strlen(name) + 1);
}

void os_group_keep(const struct os_group *group, enum os_group_file file, struct os_kept *kept)
{
    char path[GROUP_PATH_BYTES] = "";
    const char *name = group_names[group->is_unified][file];
    if (name != NULL)
        join(path, group->folder, name);
    os_kept_init(kept, path);
}

static bool visit_group(const struct os_group *group, enum os_group_file file, os_line *take,
                        void *context)
{
    char path[GROUP_PATH_BYTES];
    const char *name = group_names[group->is_unified][file];
    if (group->folder[0] == '\0' || name == NULL)
        return false;
    join(path, group->folder, name);
    return os_visit_lines(path, take, context);
}

static void take_number(const char *line, void *context)
{
    *(uint64_t *)context = *line == 'm' ? UINT64_MAX : os_line_number(&line, 10);
}

static bool has_used(const struct os_group *group)
{
    uint64_t used = 0;
    return visit_group(group, OS_GROUP_USED, take_number, &used) && used != 0;
}

/* In a container its own group is often mounted as the root. */
static void try_folder(struct os_group *group, const char *root, const char *path, bool unified)
{
    struct os_group found = {.is_unified = unified};
    size_t length = strlen(root), rest = strlen(path);
    if (length + rest >= OS_GROUP_BYTES)
        return;
    memcpy(found.folder, root, length);
    memcpy(found.folder + length, path, rest);
    if (!has_used(&found))
        found.folder[length] = '\0';
    if (has_used(&found))
        *group = found;
}

static bool names_memory(const char *controllers, const char *end)
{
    for (const char *at = controllers; at + 6 <= end; at++) {
        if (strncmp(at, "memory", 6) == 0)
            return true;
    }
    return false;
}

/* number:controllers:path */
static void take_group(const char *line, void *context)
{
    struct os_group *group = context;
    const char *controllers = strchr(line, ':');
    const char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL || group->folder[0] != '\0')
        return;
    if (names_memory(controllers, path))
        try_folder(group, os_group_places.split, path + 1, false);
    else if (path == controllers + 1)
        try_folder(group, os_group_places.unified, path + 1, true);
}

void os_group_find(struct os_group *group)
{
    *group = (struct os_group){0};
    os_visit_lines(os_group_places.membership, take_group, group);
}

bool os_group_read(const struct os_group *group, uint64_t *used, uint64_t *max)
{
    *used = *max = 0;
    if (!visit_group(group, OS_GROUP_USED, take_number, used))
        return false;
    if (!visit_group(group, OS_GROUP_MAX, take_number, max) || *max > UINT64_MAX / 4)
        *max = 0;
    return true;
}

uint64_t os_group_high(const struct os_group *group)
{
    uint64_t high;
    bool is_set = visit_group(group, OS_GROUP_HIGH, take_number, &high) && high <= UINT64_MAX / 4;
    return is_set ? high : 0;
}

bool os_group_swaps(const struct os_group *group)
{
    uint64_t most;
    return !visit_group(group, OS_GROUP_SWAP, take_number, &most) || most != 0;
}

bool os_group_pressure_read(const struct os_group *group, struct os_pressure *pressure)
{
    *pressure = (struct os_pressure){0};
    return visit_group(group, OS_GROUP_PRESSURE, os_pressure_take, pressure);
}

/* Of version 1 the sums over the groups within. */
void os_group_take_files(const char *line, void *context)
{
    static const char names[2][2][24] = {{"total_inactive_file ", "total_active_file "},
                                         {"inactive_file ", "active_file "}};
    struct os_group_files *files = context;
    for (int i = 0; i < 2; i++) {
        const char *name = names[files->is_unified][i];
        if (strncmp(line, name, strlen(name)) != 0)
            continue;
        const char *at = line + strlen(name);
        files->bytes += os_line_number(&at, 10);
    }
}

bool os_group_files_read(const struct os_group *group, uint64_t *bytes)
{
    struct os_group_files files = {0, group->is_unified};
    bool is_read = visit_group(group, OS_GROUP_STAT, os_group_take_files, &files);
    *bytes = files.bytes;
    return is_read;
}

bool os_group_climb(struct os_group *group)
{
    size_t length = strnlen(group->folder, OS_GROUP_BYTES);
    while (length > 0 && group->folder[length - 1] != '/')
        length--;
    if (length == 0)
        return false;
    group->folder[length - 1] = '\0';
    return has_used(group);
}
