/* output.c - see output.h. */
#define _GNU_SOURCE /* O_TMPFILE, memfd_create */
#include "tools/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/place.h"
#include "tracer/format.h"

static int fail(const char *path, int error)
{
    cli_say("%s: cannot be written: %s", path, strerror(error));
    return CLI_FAILED;
}

static bool is_trace(const char *path)
{
    uint64_t magic = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    bool is_one = fread(&magic, sizeof magic, 1, file) == 1 && magic == TRACE_MAGIC;
    fclose(file);
    return is_one;
}

/* Some file systems (NFS, FUSE) have no files without names: memory is one until the end. */
static int open_nameless(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    return access(folder, W_OK | X_OK) == 0 ? memfd_create("output", MFD_CLOEXEC) : -1;
}

int output_begin(const char *path)
{
    char folder[PLACE_BYTES];
    if (path == NULL)
        return CLI_GO_ON;
    if (is_trace(path)) {
        cli_say("%s: is a trace and stays one; name another file with -o", path);
        return CLI_FAILED;
    }
    if (strlen(path) + sizeof ".new" > sizeof folder)
        return fail(path, ENAMETOOLONG);
    strcpy(folder, path);
    int fd = open_nameless(dirname(folder));
    if (fd < 0)
        return fail(path, errno);
    int error = dup2(fd, STDOUT_FILENO) < 0 ? errno : 0;
    close(fd);
    return error == 0 ? CLI_GO_ON : fail(path, error);
}

static int copy_file(const char *path)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666), error = 0;
    if (fd < 0)
        return errno;
    off_t left = lseek(STDOUT_FILENO, 0, SEEK_END);
    lseek(STDOUT_FILENO, 0, SEEK_SET);
    while (left > 0 && error == 0) {
        ssize_t copied = sendfile(fd, STDOUT_FILENO, NULL, (size_t)left);
        error = copied > 0 ? 0 : copied < 0 ? errno : EIO;
        left -= copied > 0 ? copied : 0;
    }
    return close(fd) == 0 || error != 0 ? error : errno;
}

/* A file without name cannot take that of another one: it gets a name beside it first. */
static int name_file(const char *path)
{
    char beside[PLACE_BYTES];
    snprintf(beside, sizeof beside, "%s.new", path);
    unlink(beside); /* of one that was killed between the calls below */
    int error =
        linkat(AT_FDCWD, "/proc/self/fd/1", AT_FDCWD, beside, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
    if (error == EXDEV)
        error = copy_file(beside);
    if (error == 0 && rename(beside, path) != 0)
        error = errno;
    if (error != 0)
        unlink(beside);
    return error;
}

/* A signal that would end the process waits meanwhile. */
static int name_file_undisturbed(const char *path)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    int error = name_file(path);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return error;
}

int output_finish(const char *path, int status)
{
    status = cli_finish(status);
    if (path == NULL || status != CLI_OK)
        return status;
    int error = name_file_undisturbed(path);
    return error == 0 ? CLI_OK : fail(path, error);
}
