/* pauses.h - a request waits before it is answered. Each counts what it took, and returns it, in
 * ns. */
#ifndef MPRESS_PAUSES_H
#define MPRESS_PAUSES_H

#include <stdint.h>

/* So long, as large requests near the limit do; 0: not at all. */
uint64_t pauses_throttle(uint64_t ns);

/* For a moment: there may be more room then. */
uint64_t pauses_hold(void);

#endif
