/* resident.h - the process's resident memory without a file. Exact, as the counters in statm and
 * status are not on every kernel: these are kept in batches, for each CPU or thread. */
#ifndef MPRESS_TESTS_SEMANTICS_RESIDENT_H
#define MPRESS_TESTS_SEMANTICS_RESIDENT_H

#include <fcntl.h>

#include "tests/semantics/check.h"

static inline size_t anonymous_bytes(void)
{
    char text[4096];
    size_t kib = 0;
    int rollup = open("/proc/self/smaps_rollup", O_RDONLY);
    ssize_t bytes = rollup >= 0 ? read(rollup, text, sizeof(text) - 1) : -1;
    CHECK(bytes > 0);
    close(rollup);
    text[bytes] = '\0';
    const char *line = strstr(text, "\nAnonymous:");
    CHECK(line != NULL && sscanf(line, "\nAnonymous: %zu kB", &kib) == 1);
    return kib << 10;
}

#endif
