/* strategies.h - what the heap's strategies are worth, for the API and for who asks from outside.
 */
#ifndef MPRESS_STRATEGIES_H
#define MPRESS_STRATEGIES_H

#include <stdbool.h>

#include "preload/mpress_strategy.h"

/* Lets the heap have the habits that the tool, or an option, wants just now; what was kept goes
 * back when it is to be kept no more. One caller at a time, without locks. */
void strategies_choose(void);

/* False: there is none of that number. */
bool strategies_read(size_t index, struct mpress_strategy *into);

#endif
