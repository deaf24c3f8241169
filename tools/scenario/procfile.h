/* procfile.h - a file of /proc that is read again and again stays open: to open and close it takes
 * five times as long as to read it. */
#ifndef MPRESS_TOOLS_SCENARIO_PROCFILE_H
#define MPRESS_TOOLS_SCENARIO_PROCFILE_H

#include <stddef.h>

enum { PROCFILE_MOST = 256 }; /* at the same time; others are opened each time */

struct procfile {
    int fd; /* 0: it is not open */
};

/* All of it as text, or as much as there is room for; 0 bytes when there is nothing. Of one that
 * is not there any more, as whose it was has ended, a new one is looked for: `path`. */
size_t procfile_read(struct procfile *file, const char *path, char *text, size_t capacity);

void procfile_close(struct procfile *file);

#endif
