/* place.h - where the parts of an installation are, found from where this program is. */
#ifndef MPRESS_TOOLS_PLACE_H
#define MPRESS_TOOLS_PLACE_H

#include <stdbool.h>
#include <stddef.h>

enum { PLACE_BYTES = 4096 };

/* The absolute path of libmpress.so: $MPRESS_LIBRARY, or beside this program as installed
 * (../lib...), or in the build tree (../preload). 0, or ENOENT and what was tried in `path`. */
int place_find_library(char path[PLACE_BYTES]);

/* The absolute path of another file in the folder of `library`. False: it is not there. */
bool place_find_beside(const char *library, const char *name, char path[PLACE_BYTES]);

/* The absolute path of `name`, which need not exist; ENAMETOOLONG or what getcwd says. */
int place_make_absolute(const char *name, char path[PLACE_BYTES]);

/* LD_PRELOAD separates its paths by blanks and colons, and knows no quoting. */
bool place_can_preload(const char *library);

/* Its value for `library` in front of what it names already (`before`, may be NULL); for free.
 * NULL: no memory. */
char *place_join_preload(const char *library, const char *before);

/* Sets LD_PRELOAD to `library`, in front of what it names already. 0, or what setenv says. */
int place_preload(const char *library);

#endif
