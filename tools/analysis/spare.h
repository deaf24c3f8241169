/* spare.h - what blocks can hold beyond what was asked for, since the heap rounds sizes up to its
 * classes. The trace tells these (format_heap.h); so it is exact for each block, and costs the
 * program nothing. */
#ifndef MPRESS_TOOLS_ANALYSIS_SPARE_H
#define MPRESS_TOOLS_ANALYSIS_SPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/analysis/held.h"

struct analysis;
struct block;
struct trace_event;

enum { SPARE_CLASS_MOST = 1 << 20 }; /* larger classes are not believed */

struct spare {
    uint64_t blocks;
    uint64_t asked;
    uint64_t spare; /* what they can hold, less `asked` */
};

struct spare_class {
    uint32_t bytes;    /* of the class; 0: what is larger than all of them */
    struct spare all;  /* requests */
    struct spare held; /* when most was resident */
};

/* Of a site. */
struct site_spare {
    uint64_t all;      /* spare bytes over all its requests */
    struct spare held; /* when most was resident */
};

/* A block whose class does not follow from its size: aligned, or realloc left it where it was. */
struct spare_odd {
    uint64_t object; /* 0: the slot is free */
    uint64_t usable;
    uint32_t seat;
};

struct spares {
    bool is_known;             /* the trace tells its classes */
    bool is_all;               /* and what it makes of larger blocks; else they have no spare */
    uint64_t next_ns;          /* an event after it: time for `held`; else UINT64_MAX */
    bool is_taken;             /* `held` is there, */
    uint64_t time_ns;          /* and of that time */
    struct spare all;          /* over all requests, reallocs too */
    struct spare held;         /* blocks alive at time_ns */
    size_t classes;            /* with the one of what is larger, the last */
    struct spare_class *class; /* by size */
    uint16_t *of_grain;        /* the first class that holds so many times 16 bytes */
    uint64_t largest;          /* bytes of the last class that has some */
    struct spare_odd *odd;     /* open addressing, linear probing; the dead ones go as it fills */
    size_t odd_slots;          /* a power of two, or 0 */
    size_t odds;               /* P1: at most half of them */
};

void spares_init(struct analysis *analysis);

/* A block is born, which stands for so many (`one`) at that site. Before live_insert. */
void spares_add(struct analysis *analysis, uint32_t site, const struct trace_event *event,
                const struct amount *one);

/* What a block that is alive can hold; what was asked for it, if the trace tells no classes. */
uint64_t spares_usable(const struct analysis *analysis, const struct block *block);

/* All events up to spares.next_ns are booked, or all. */
void spares_take(struct analysis *analysis);

#endif
