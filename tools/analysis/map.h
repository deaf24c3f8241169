/* map.h - where the blocks lie at some moments: how full the pages and units of the heap are, and
 * which call stacks pin pages that hold little else.
 *
 * It comes from the addresses in the events, so it costs the program nothing and holds for any
 * allocator; what is free, cached or bookkeeping is what it leaves out. */
#ifndef MPRESS_TOOLS_ANALYSIS_MAP_H
#define MPRESS_TOOLS_ANALYSIS_MAP_H

#include <stddef.h>
#include <stdint.h>

struct analysis;
struct trace_facts;
struct trace_visit;

enum {
    MAPS = 8,      /* when most was resident, at up to six marks, at the end */
    MAP_PINS = 50, /* call stacks of each */
    MAP_PAGE_BYTES = 4096,
    MAP_UNIT_BYTES = 16 * 1024, /* what slabs are made of */
    MAP_HUGE_BYTES =
        32 * 1024 * 1024, /* larger blocks are mapped one by one, apart from the heap */
    MAP_LEVELS = 4,       /* quarters of a page in use; the first is sparse */
};

struct map_unit {
    uint64_t number;  /* address / MAP_UNIT_BYTES */
    uint32_t bytes;   /* of it asked for */
    uint32_t largest; /* asked for at once by a block that lies in it */
};

/* What the blocks of one call stack keep resident. */
struct map_pin {
    uint32_t site;
    uint64_t blocks; /* in sparse pages */
    uint64_t bytes;  /* of these */
    uint64_t pinned; /* what is not in use of those pages, shared by bytes with other stacks */
};

struct map {
    uint64_t time_ns;
    const char *label; /* of the mark; NULL: none */
    size_t units;      /* that hold a block, by address */
    struct map_unit *unit;
    uint64_t pages[MAP_LEVELS]; /* that hold a block; count */
    uint64_t bytes[MAP_LEVELS]; /* in use in them */
    uint64_t huge_blocks;
    uint64_t huge_bytes;
    uint64_t known;  /* what all these blocks can hold */
    uint64_t in_use; /* by the heap's own count at that moment, as `known`; 0: it did not tell. Of
                      * blocks that are older than the trace it does not tell where they lie */
    uint64_t pinned; /* M2: the sum over all stacks, as far as whole bytes go */
    size_t pins;     /* largest first */
    struct map_pin *pin;
};

struct maps {
    size_t count; /* planned: M3: by time, map[0..taken) are there */
    size_t taken;
    size_t largest; /* which of them is the one when most was resident; >= count: none */
    struct map map[MAPS];
};

/* Plans the moments, which samples and marks tell before the events are read. None in a trace of
 * samples, and none before a ring is whole. */
void maps_init(struct analysis *analysis);

/* The sample with the largest resident set since the trace is whole: within 2 %, that with most in
 * use. NULL: there is none. */
const struct trace_sample *maps_find_largest(const struct trace_facts *facts);

/* When the next one is to be taken; UINT64_MAX: at the end, or none is left. */
uint64_t maps_next(const struct maps *maps);

/* All events up to `time_ns` are booked: takes what was planned until then. */
void maps_take(struct analysis *analysis, const struct trace_visit *visit, uint64_t time_ns);

#endif
