/* write.c - see write.h. */
#define _GNU_SOURCE /* pwrite */
#include "tools/pack/write.h"

#include <errno.h>
#include <unistd.h>

int write_at(int fd, const void *from, size_t bytes, uint64_t offset)
{
    const char *at = from;
    while (bytes > 0) {
        ssize_t done = pwrite(fd, at, bytes, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? errno : EIO;
        at += done;
        bytes -= (size_t)done;
        offset += (size_t)done;
    }
    return 0;
}
