/* output.c - see output.h. */
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#include "tools/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    int fd = open(dirname(folder), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(path, errno);
    int error = dup2(fd, STDOUT_FILENO) < 0 ? errno : 0;
    close(fd);
    return error == 0 ? CLI_GO_ON : fail(path, error);
}

/* A file without name cannot take that of another one: it gets a name beside it first. */
static int name_file(const char *path)
{
    char beside[PLACE_BYTES];
    snprintf(beside, sizeof beside, "%s.new", path);
    unlink(beside); /* of one that was killed between the two calls below */
    if (linkat(AT_FDCWD, "/proc/self/fd/1", AT_FDCWD, beside, AT_SYMLINK_FOLLOW) != 0)
        return errno;
    if (rename(beside, path) == 0)
        return 0;
    int error = errno;
    unlink(beside);
    return error;
}

int output_finish(const char *path, int status)
{
    status = cli_finish(status);
    if (path == NULL || status != CLI_OK)
        return status;
    int error = name_file(path);
    return error == 0 ? CLI_OK : fail(path, error);
}
