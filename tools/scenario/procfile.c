/* procfile.c - see procfile.h */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "tools/scenario/procfile.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

static struct {
    size_t open; /* that are kept */
} procfile;

void procfile_close(struct procfile *file)
{
    if (file->fd == 0)
        return;
    close(file->fd);
    file->fd = 0;
    procfile.open--;
}

/* Half of the numbers that this program may have stay free: for pipes, folders and other files. (0
 * is the standard input, unless somebody closed that.) */
static bool may_stay_open(int fd)
{
    struct rlimit limit;
    return fd > 0 && procfile.open < PROCFILE_MOST && getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
           (rlim_t)fd < limit.rlim_cur / 2;
}

static ssize_t open_and_read(struct procfile *file, const char *path, char *text, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : pread(fd, text, capacity, 0);
    bool is_kept = got >= 0 && may_stay_open(fd);
    if (is_kept)
        file->fd = fd;
    else if (fd >= 0)
        close(fd);
    procfile.open += is_kept;
    return got;
}

size_t procfile_read(struct procfile *file, const char *path, char *text, size_t capacity)
{
    ssize_t got = file->fd == 0 ? -1 : pread(file->fd, text, capacity - 1, 0);
    if (got < 0) {
        procfile_close(file);
        got = open_and_read(file, path, text, capacity - 1);
    }
    text[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}
