/* target.h - can this program be recorded? Looked at before it starts, so that the answer is a
 * line and not an empty trace. */
#ifndef MPRESS_TOOLS_TARGET_H
#define MPRESS_TOOLS_TARGET_H

#include <stddef.h>

enum { TARGET_PATH_BYTES = 4096, TARGET_WHY_BYTES = 2 * 4096 };

enum target_verdict {
    TARGET_FINE = 0,
    TARGET_NOT_RUNNABLE = 126, /* there, but LD_PRELOAD or the system will not have it */
    TARGET_NOT_FOUND = 127,
};

/* Finds `name` as the shell would (PATH when it has no slash) and writes its path; then looks
 * whether a preloaded library can reach it, following the #! line of a script. `why` gets one line,
 * for TARGET_FINE of what will be missing: mostly none. The values are the exit statuses that
 * shells use. */
enum target_verdict target_find(const char *name, char path[TARGET_PATH_BYTES],
                                char why[TARGET_WHY_BYTES]);

#endif
