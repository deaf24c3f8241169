/* usage.h - what the process has of memory, as far as it counts against a limit. */
#ifndef MPRESS_USAGE_H
#define MPRESS_USAGE_H

#include <stdint.h>

#include "allocators/base/os.h"

struct usage {
    uint64_t now_ns;
    uint64_t heap;        /* resident: without what is packed or swapped out */
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

/* Sums over the heap: some ten microseconds. Outside the door. `swapped`: bytes of this process in
 * swap space, which are taken for the heap's, as far as it has so many. */
void usage_read(struct usage *usage, const struct os_sizes *sizes, uint64_t swapped);

/* The same by what the heap took of the system since usage_read was called last: half a
 * microsecond. What the program holds of it, and what could be given back, is as it was then. One
 * caller at a time, of both. */
void usage_estimate(struct usage *usage, const struct os_sizes *sizes, uint64_t swapped);

/* Bytes of blocks of up to 32 KiB that threads took and gave so far, at least: between two slow
 * calls of a thread in a class only the difference is seen. */
struct usage_flow {
    uint64_t taken, given;
};
void usage_read_flow(struct usage_flow *flow);

/* The most that there was, into the slot (budget.h), where the process has grown for a request of
 * so many bytes: that is judged by what was used before and all that it asks for, also where part
 * of it comes of what the heap has. By what the heap took, like usage_estimate. */
void usage_note_peak(const struct os_sizes *sizes, uint64_t swapped, uint64_t grown,
                     uint64_t bytes);

/* Writes it into the slot. */
void usage_publish(const struct usage *usage, int level);
void usage_publish_cold(void); /* what is packed, and came back; asks the heap nothing */
void usage_publish_progress(void);

#endif
