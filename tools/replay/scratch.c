/* scratch.c - see scratch.h */
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#include "tools/replay/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"

const char *scratch_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder != NULL && folder[0] != '\0' ? folder : "/var/tmp";
}

/* Some file systems (NFS, FUSE) have no files without names: it loses its own at once. */
static int open_named(void)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/mpress-replay-XXXXXX", scratch_folder());
    if (length < 0 || (size_t)length >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

int scratch_open(void)
{
    int fd = open(scratch_folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR) ? open_named() : fd;
}

int scratch_write(int fd, const void *from, size_t bytes, uint64_t at)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t wrote = pwrite(fd, (const char *)from + done, bytes - done, (off_t)(at + done));
        if (wrote < 0 && errno != EINTR)
            return errno;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return 0;
}

void scratch_say(const char *what, int error)
{
    cli_say("%s: no room for the replay in %s: %s; TMPDIR names another folder", what,
            scratch_folder(), strerror(error));
}
