/* gauge.h - what the system and the heap say of memory, taken down ten times a second by who acts
 * (watch.h): each source as often as it is cheap, so that a sample takes less than two
 * microseconds on average.
 *
 *     each sample   what the heap took
 *     .1 to 1 s     what control groups use, by how near their limits are (bounds.h)
 *     1 s           RssAnon (statm)
 *     2 s           limits; stalls (PSI), of which the kernel makes averages as often
 *     1 to 30 s     what the heap holds, and its flow: the longer that takes the less often
 *     4 s           the machine's memory (meminfo)
 *     30 s          what of this process is in swap space (status)
 *
 * Who judges a request for growth reads what it is judged by anew (gauge_read), but what is in swap
 * space ten times a second at most. Files of the system
 * stay open for all this (os_kept). One caller at a time. */
#ifndef MPRESS_GAUGE_H
#define MPRESS_GAUGE_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/os.h"
#include "preload/mpress_pressure.h"
#include "preload/usage.h"

struct gauge {
    struct os_sizes sizes;
    uint64_t swapped;
    struct usage usage;        /* as usage_estimate has it */
    struct os_machine machine; /* total 0: not known */
    struct os_pressure stalls; /* of the innermost group with a limit, else of the machine */
    bool has_stalls;
    uint64_t taken_rate, given_rate; /* bytes a second, as in struct usage_flow */
    uint64_t samples, sample_ns;     /* so far, and how long they took together */
};

/* From now on the system's numbers beside RssAnon are sampled, too. */
void gauge_follow_system(void);

/* Behind a slow call, or when so much was mapped: more than ever is told at once, though the next
 * sample is not due (usage_note_peak). Outside the door; any thread. */
void gauge_follow_peak(size_t bytes);

/* Takes a sample. */
const struct gauge *gauge_sample(uint64_t now_ns);

/* The same for a thread that may not ask the heap: without its numbers. */
void gauge_sample_system(uint64_t now_ns);

/* Anew what growth is judged by: RssAnon, groups, the heap as it is; `all`: and all the rest. Tens
 * of microseconds. */
const struct gauge *gauge_read(uint64_t now_ns, bool all);

/* What it is now, to the tool that set a budget: for the last time. */
void gauge_tell(int level);

/* As the program sees it: all but the limits and the level. */
void gauge_copy(const struct gauge *from, struct mpress_signals *signals);

void gauge_fork_child(void);

#endif
