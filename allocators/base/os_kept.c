/* os_kept.c - files of the system that are read again and again: opened once, then read from their
 * beginning (0.5 to 1 us instead of 3 to 9).
 *
 * The descriptor is one of the process, so the program may close it, and be given its number for a
 * file of its own: what stands behind the number is compared before each reading. It lies out of
 * the way of programs that count theirs, and does not survive an exec. */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

enum { KEPT_LINES_BYTES = 2048, OS_KEPT_FLOOR = 64 /* descriptors below are the program's */ };

void os_kept_init(struct os_kept *kept, const char *path)
{
    size_t length = strnlen(path, sizeof(kept->path) - 1);
    memcpy(kept->path, path, length);
    kept->path[length] = '\0';
    kept->is_open = false;
}

static bool is_ours(const struct os_kept *kept)
{
    return kept->is_open && os_file_is(kept->fd, &kept->identity);
}

/* Where the limits leave no number out of the way it is closed again after this reading. */
static bool open_kept(struct os_kept *kept)
{
    long fd = call6(SYS_openat, AT_FDCWD, (long)kept->path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    kept->is_open = false;
    if (failed(fd))
        return false;
    int raised = os_file_duplicate((int)fd);
    kept->is_passing = raised < OS_KEPT_FLOOR;
    kept->fd = kept->is_passing ? (int)fd : raised;
    if (kept->is_passing && raised >= 0)
        os_file_close(raised);
    if (!kept->is_passing)
        os_file_close((int)fd);
    kept->is_open = os_file_identity(kept->fd, &kept->identity) == 0;
    return kept->is_open;
}

void os_kept_close(struct os_kept *kept)
{
    if (is_ours(kept))
        os_file_close(kept->fd);
    kept->is_open = false;
}

static void leave(struct os_kept *kept)
{
    if (kept->is_passing)
        os_kept_close(kept);
}

static size_t read_at(const struct os_kept *kept, char *buffer, size_t bytes, size_t offset)
{
    long got = call6(SYS_pread64, kept->fd, (long)buffer, (long)bytes, (long)offset, 0, 0);
    return failed(got) ? 0 : (size_t)got;
}

/* A file that is gone (a control group that was removed) reads as nothing. */
static bool is_ready(struct os_kept *kept)
{
    return kept->path[0] != '\0' && (is_ours(kept) || open_kept(kept));
}

/* The beginning of the file, NUL added. False: there is none. */
static bool read_beginning(struct os_kept *kept, char *text, size_t capacity)
{
    size_t got = is_ready(kept) ? read_at(kept, text, capacity - 1, 0) : 0;
    leave(kept);
    text[got] = '\0';
    return got > 0;
}

/* -- what they say ---------------------------------------------------------------------------- */

bool os_kept_number(struct os_kept *kept, uint64_t *number)
{
    char text[32];
    if (!read_beginning(kept, text, sizeof(text)))
        return false;
    const char *at = text;
    *number = *at == 'm' ? UINT64_MAX : os_line_number(&at, 10);
    return true;
}

bool os_kept_sizes(struct os_kept *kept, struct os_sizes *sizes)
{
    char text[128];
    return read_beginning(kept, text, sizeof(text)) && os_statm_parse(text, sizes);
}

/* Shows the whole lines; the rest of the last one is read again. The kernel makes these files in
 * one piece: what is shorter than it may be is the end. */
static bool visit(struct os_kept *kept, os_line *take, void *context)
{
    char buffer[KEPT_LINES_BYTES + 1];
    size_t got, offset = 0;
    if (!is_ready(kept))
        return false;
    while ((got = read_at(kept, buffer, KEPT_LINES_BYTES, offset)) > 0) {
        char *line = buffer, *end;
        buffer[got] = '\0';
        while ((end = strchr(line, '\n')) != NULL) {
            *end = '\0';
            take(line, context);
            line = end + 1;
        }
        offset += (size_t)(line - buffer);
        if (line == buffer || got < KEPT_LINES_BYTES)
            break;
    }
    leave(kept);
    return offset > 0;
}

bool os_kept_stalls(struct os_kept *kept, struct os_pressure *pressure)
{
    *pressure = (struct os_pressure){0};
    return visit(kept, os_pressure_take, pressure);
}

bool os_kept_files(struct os_kept *kept, bool is_unified, uint64_t *bytes)
{
    struct os_group_files files = {0, is_unified};
    bool is_read = visit(kept, os_group_take_files, &files);
    *bytes = files.bytes;
    return is_read;
}

/* MemTotal, MemFree, MemAvailable ... SwapFree: the system lists the first three first. */
static void take_machine(const char *line, void *context)
{
    struct os_machine *machine = context;
    if (*line != 'M' && *line != 'S')
        return;
    (void)(os_line_take(line, "MemTotal:", &machine->total) ||
           os_line_take(line, "MemAvailable:", &machine->available) ||
           os_line_take(line, "SwapFree:", &machine->swap));
}

bool os_kept_machine(struct os_kept *kept, struct os_machine *machine)
{
    *machine = (struct os_machine){0};
    return visit(kept, take_machine, machine) && machine->available != 0;
}

static void take_swapped(const char *line, void *bytes)
{
    os_line_take(line, "VmSwap:", bytes);
}

bool os_kept_swapped(struct os_kept *kept, uint64_t *bytes)
{
    *bytes = 0;
    return visit(kept, take_swapped, bytes);
}
