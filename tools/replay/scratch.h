/* scratch.h - files for the time of a replay: on disk, as they may be larger than memory, and
 * without names, so that nothing is left behind. */
#ifndef MPRESS_TOOLS_REPLAY_SCRATCH_H
#define MPRESS_TOOLS_REPLAY_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

/* TMPDIR, or /var/tmp: /tmp is memory on many systems. */
const char *scratch_folder(void);

/* Its descriptor; -1: errno says why. */
int scratch_open(void);

/* 0 or an errno value. */
int scratch_write(int fd, const void *from, size_t bytes, uint64_t at);

/* One line: there is no room for the replay of `what`, by such an error. */
void scratch_say(const char *what, int error);

#endif
