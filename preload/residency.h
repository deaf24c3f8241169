/* residency.h - what of the memory that this library knows of is really there: blocks and mappings
 * count against a limit from the moment they are asked for, and many are never touched. */
#ifndef MPRESS_RESIDENCY_H
#define MPRESS_RESIDENCY_H

#include <stdint.h>

struct residency {
    uint64_t heap;   /* bytes of the heap, and of what this library mapped besides */
    uint64_t mapped; /* of what the program mapped to write to */
};

/* Asks the kernel for each page (mincore): some two milliseconds a GiB that is there. */
void residency_read(struct residency *residency);

/* Writes it into the slot (budget.h), with RssAnon of the same moment; so seldom that it takes
 * half a percent of the time. One caller at a time. */
void residency_publish(uint64_t now_ns, uint64_t rss_anon);
void residency_fork_child(void); /* behind that of the slot */

#endif
