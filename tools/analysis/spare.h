/* spare.h - what blocks can hold beyond what was asked for, since the heap rounds sizes up to its
 * classes. The trace tells these (format_heap.h); so it is exact for each block, and costs the
 * program nothing. */
#ifndef MPRESS_TOOLS_ANALYSIS_SPARE_H
#define MPRESS_TOOLS_ANALYSIS_SPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/analysis/held.h"
#include "tools/trace/objects.h"

struct analysis;
struct trace_event;
struct trace_object;
struct trace_visit;

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
    struct objects odd;        /* seat -> what the block can hold, of those alive of which that does
                                * not follow from the size: aligned, or realloc left it there */
    uint32_t removed_seat;     /* which of these was removed last; 0: that was none, */
    uint64_t removed_usable;   /* and what it could hold */
};

void spares_init(struct analysis *analysis);

void spares_fini(struct spares *spares);

/* A block is born, which stands for so many (`one`) at that site; what the event ends was removed.
 */
void spares_add(struct analysis *analysis, uint32_t site, const struct trace_event *event,
                const struct amount *one);

/* A block dies. */
void spares_remove(struct analysis *analysis, uint32_t seat);

/* What a block that is alive can hold; what was asked for it, if the trace tells no classes. */
uint64_t spares_usable(const struct analysis *analysis, const struct trace_object *object);

/* All events up to spares.next_ns are booked, and the visit has read one more, `event`; or all are,
 * and it is NULL. */
void spares_take(struct analysis *analysis, const struct trace_visit *visit,
                 const struct trace_event *event);

#endif
