/* bounds.h - the limits that the system sets the process, and how near they are. */
#ifndef MPRESS_BOUNDS_H
#define MPRESS_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/os.h"

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

/* What the control groups that have a limit, the innermost four of the process's own and those
 * around it, use now. `taken`: what this process took of the system so far; UINT64_MAX: all is read
 * anew. A group is read again when an eighth of what is left of its limit may be used, by the pace
 * of the last time, or this process has taken a 32nd of that; twice a second at least, once where
 * less than half is used, each time from nine tenths on. Limits are looked at every two seconds,
 * which groups there are every 16; their pages of files, which are dear to ask for and count only
 * near a limit, every two seconds where seven tenths are used with them, each time from nine on.
 * One caller at a time, of all of this. */
void bounds_sample(uint64_t now_ns, const struct os_sizes *sizes, uint64_t taken);

/* As sampled last: the limit of which the largest part is used: of the groups (memory.max, or the
 * lower memory.high; without pages of files, which give way), of RLIMIT_AS (without what only the
 * heap's reservation takes) and of RLIMIT_DATA. False: there is none. */
bool bounds_read(struct bounds_reading *reading);

/* The same of that group alone whose memory.max leaves least: there growth ends with SIGKILL. While
 * the machine has swap space (`machine_swaps`), of those that may not use it. */
bool bounds_read_group(struct bounds_reading *reading, bool machine_swaps);

/* For how long the innermost of them had to wait for memory. False: it does not say. */
bool bounds_read_stalls(struct os_pressure *stalls);

/* Memory that the control groups leave, or that the machine has. */
uint64_t bounds_total(void);

/* Closes the files, and forgets which groups there are. */
void bounds_close(void);

#endif
