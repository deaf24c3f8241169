/* tuning.h - what a profile for a program should say, and what it promises. */
#ifndef MPRESS_TOOLS_TUNE_TUNING_H
#define MPRESS_TOOLS_TUNE_TUNING_H

#include <stddef.h>
#include <stdint.h>

#include "tools/tune/demand.h"
#include "tools/tune/fit.h"
#include "tools/tune/ladder.h"

/* A class worth adding; it serves the sizes from + 1 to bytes. */
struct exact {
    uint32_t from, bytes;
    uint64_t requests;
    struct loss before, after;
};

/* A class whose threads should begin with larger magazines. */
struct warm {
    uint32_t bytes;
    uint32_t rounds;
    uint64_t calls, doors_before, doors_after;
};

struct tuning {
    struct ladder ladder; /* the library's */
    struct ladder tuned;  /* with the exact classes */
    struct demand demand;
    size_t exacts;
    struct exact exact[FIT_CHOSEN_MOST]; /* by size, as warm */
    size_t warms;
    struct warm warm[LADDER_MOST];
    struct loss before, after; /* of all sizes up to 32 KiB */
};

/* Derives everything from the trace; `ladder` is set already. */
void tuning_make(struct tuning *tuning, const struct trace *trace, struct progress *progress);
void tuning_fini(struct tuning *tuning);

#endif
