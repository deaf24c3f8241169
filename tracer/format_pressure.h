/* format_pressure.h - the part of format.h about memory that runs short. */
#ifndef MPRESS_TRACER_FORMAT_PRESSURE_H
#define MPRESS_TRACER_FORMAT_PRESSURE_H

#include <stdint.h>

/* Memory runs short, and what was done about it. */
struct trace_pressure {
    uint64_t time_ns;
    uint64_t used; /* of the limit that is nearest; bytes */
    uint64_t limit;
    uint64_t bytes; /* ACTION: by which RssAnon fell; REFUSED: of these requests together */
    uint64_t ns;    /* ACTION: it took; WARNING: until 90 % of the limit at the soonest */
    uint32_t count; /* REFUSED: requests since the record before; each is a FAILED event, too */
    uint8_t what;   /* enum trace_pressure_what */
    uint8_t level;  /* 0 calm, 1 monitor, 2 gentle, 3 aggressive, 4 emergency: LEVEL: from now on;
                     * ACTION: whose step it is a part of */
    uint8_t is_foreseen; /* ACTION: by a forecast alone */
    uint8_t percent;     /* WARNING: the chance that 90 % are reached within a minute */
    char action[16];     /* ACTION: its word in MPRESS_PRESSURE_ACTIONS, NUL-terminated */
};

enum trace_pressure_what {
    TRACE_PRESSURE_LEVEL = 1,
    TRACE_PRESSURE_ACTION,
    TRACE_PRESSURE_REFUSED,
    TRACE_PRESSURE_WARNING,
    TRACE_PRESSURE_CALMED, /* that warning holds no more */
};

_Static_assert(sizeof(struct trace_pressure) == 64, "file format");

#endif
