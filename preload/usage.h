/* usage.h - what the process has of memory, as far as it counts against a limit. */
#ifndef MPRESS_USAGE_H
#define MPRESS_USAGE_H

#include <stdint.h>

struct usage {
    uint64_t now_ns;
    uint64_t heap;        /* resident */
    uint64_t kept;        /* the part of it that can be given back */
    uint64_t live;        /* the part that the program holds */
    uint64_t asked;       /* what it asked for of that, about */
    uint64_t objects;     /* blocks that it holds */
    uint64_t parked_hits; /* of heap_stats */
    uint64_t mapped;      /* by the program */
    uint64_t rss_anon;
    uint64_t used; /* by this process */
    uint64_t all;  /* by its family, if a budget is for that; without what a fork left it with */
};

/* Sums over the heap: some ten microseconds. Outside the door. */
void usage_read(struct usage *usage);

/* Writes it into the slot (budget.h). */
void usage_publish(const struct usage *usage, int level);
void usage_publish_progress(void);

#endif
