/* resident.h - accounts for all resident memory of the process: what each part of it holds, and
 * which call stacks mapped what the program mapped by itself. */
#ifndef MPRESS_TOOLS_ANALYSIS_RESIDENT_H
#define MPRESS_TOOLS_ANALYSIS_RESIDENT_H

#include "tools/analysis/analysis.h"

enum resident_part {
    RESIDENT_HEAP,      /* of the library: blocks, free memory and bookkeeping */
    RESIDENT_TRACER,    /* with the part of the trace file that is being written */
    RESIDENT_MAPPED,    /* private memory from mmap, mremap, brk and sbrk of the program */
    RESIDENT_FILES,     /* files that it mapped by mmap */
    RESIDENT_SHARED,    /* shared memory that is in no file */
    RESIDENT_STACKS,    /* of threads */
    RESIDENT_LIBRARIES, /* executable and libraries: code, constants and data */
    RESIDENT_REST,      /* mapped by nobody we saw: libc, the loader, or before the trace began */
    RESIDENT_PARTS,
};

/* The process at the time of a table. */
struct resident_moment {
    bool is_known;
    uint64_t time_ns;
    uint64_t rss; /* the sum of the parts */
    uint64_t swapped;
    uint64_t part[RESIDENT_PARTS];
    const struct look *look; /* of the same time, or NULL */
};

/* What one call stack mapped. */
struct resident_site {
    uint32_t node;
    uint64_t calls;
    uint64_t bytes;      /* mapped in all */
    uint64_t mapped[2];  /* at the two moments: address space, */
    uint64_t present[2]; /* and what of it was resident */
};

enum resident_when { RESIDENT_LARGEST, RESIDENT_LAST };

struct resident {
    struct resident_moment moment[2]; /* by enum resident_when */
    size_t tables;
    uint64_t calls;    /* that mapped */
    uint64_t unmapped; /* calls that unmapped */
    size_t sites;      /* largest first: at the largest table, then at the last */
    struct resident_site *site;
};

/* Lives in the analysis's memory. The analysis has run. */
struct resident *resident_read(struct analysis *analysis);

#endif
