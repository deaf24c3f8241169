/* complaint.h - what programs say whose request for memory was refused, also those that exit with 0
 * then. */
#ifndef MPRESS_TOOLS_SCENARIO_COMPLAINT_H
#define MPRESS_TOOLS_SCENARIO_COMPLAINT_H

#include <stdbool.h>
#include <stddef.h>

/* May a line of this text be one? Some 10 GB a second: a program is not to be slower as it says
 * much. */
bool complaint_may_be_in(const char *text, size_t length);

/* Is this line one? */
bool complaint_is(const char *line, size_t length);

#endif
