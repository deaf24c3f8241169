/* ladder.h - the size classes of libmpress.so, asked of the library itself. */
#ifndef MPRESS_TOOLS_TUNE_LADDER_H
#define MPRESS_TOOLS_TUNE_LADDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LADDER_MOST = 256, LADDER_BYTES_MOST = 32 * 1024 };

struct ladder {
    size_t rungs;
    struct rung {
        uint32_t bytes;
        uint32_t first_rounds; /* of a thread's magazines */
        uint32_t most_rounds;
    } rung[LADDER_MOST]; /* by size */
};

/* Runs this program once more under the library, without any profile. False: a line was said. */
bool ladder_read(struct ladder *ladder);

/* The second start: prints a line for each class. Returns the exit status. */
int ladder_print(void);

/* The first rung that holds so many bytes; `rungs`: none does. */
size_t ladder_find(const struct ladder *ladder, uint64_t bytes);

/* The sizes that a profile may make classes: every 16 bytes, as the library's table tells them
 * apart. */
enum { LADDER_GRAIN = 16, LADDER_POINTS = LADDER_BYTES_MOST / LADDER_GRAIN };
uint32_t ladder_point_bytes(size_t point);
size_t ladder_point_of(uint64_t bytes); /* the first that holds so many, up to LADDER_BYTES_MOST */

#endif
