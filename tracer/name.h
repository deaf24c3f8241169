/* name.h - names of files that are new: an existing one is never overwritten. */
#ifndef MPRESS_TRACER_NAME_H
#define MPRESS_TRACER_NAME_H

enum { NAME_BYTES = 4096 };

/* Makes a path absolute, %p (process id) kept. 0 or ENAMETOOLONG. */
int name_make_absolute(const char *path, char absolute[NAME_BYTES]);

/* Creates a file that did not exist: a.mpt, or a.PID.mpt, a.PID.2.mpt, a.PID.3.mpt... Its name goes
 * to `path`, its descriptor to *fd; 0 or an errno value. Those that exist are shown to `met`, which
 * may be NULL. */
int name_create(const char *pattern, char path[NAME_BYTES], int *fd, void (*met)(const char *));

#endif
