/* bounds.h - the limits that the system sets the process, and how near they are. */
#ifndef MPRESS_BOUNDS_H
#define MPRESS_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

struct bounds_reading {
    uint64_t used;
    uint64_t limit;
};

/* `one`, which has a limit, is nearer to it than `other`, which may have none. */
static inline bool bounds_is_nearer(const struct bounds_reading *one,
                                    const struct bounds_reading *other)
{
    return other->limit == 0 ||
           (double)one->used / (double)one->limit > (double)other->used / (double)other->limit;
}

/* The limit of which the largest part is used: of the control group and those around it (without
 * pages of files, which give way), of RLIMIT_AS (without what only the heap's reservation takes)
 * and of RLIMIT_DATA. False: there is none. The limits are looked up once a second. One caller at a
 * time. */
bool bounds_read(struct bounds_reading *reading, uint64_t now_ns);

/* Memory that the control groups leave, or that the machine has. */
uint64_t bounds_total(void);

#endif
