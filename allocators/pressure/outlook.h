/* outlook.h - the course of the heap's own size, taken down by whoever gives memory back
 * (scavenge.h), and what the forecaster makes of it.
 *
 * Costs no system call: what the system says of limits is asked by who wants to know. */
#ifndef MPRESS_PRESSURE_OUTLOOK_H
#define MPRESS_PRESSURE_OUTLOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/pressure/forecast.h"

void outlook_init(bool is_on);

/* Looks at the heap if the last look is a tenth of a second ago. Under the scavenger's lock. */
void outlook_tick(uint64_t now_ns);

struct outlook {
    uint64_t heap_bytes; /* the heap's pages, as at the last look */
    int64_t growth;      /* of them, bytes a second, in the last one */
    struct forecast_reading reading;
};

/* What is to be expected of a limit, of which `used` bytes are used now, by the heap and by others.
 * False: the option is off, the heap has been small, or it is too early. */
bool outlook_read(uint64_t now_ns, uint64_t used, uint64_t limit, struct outlook *outlook);

/* The child's heap is another one, and its time begins. */
void outlook_fork_child(void);

#endif
