/* actions.h - the single things that are done when memory runs short (actions.def): which of them
 * may be done, and what each came to so far. */
#ifndef MPRESS_ACTIONS_H
#define MPRESS_ACTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/pressure/pressure.h"

enum action {
#define ACTION(name, word, from, what) ACTION_##name,
#include "preload/actions.def"
#undef ACTION
    ACTIONS
};

#define ACTIONS_ALL ((1U << ACTIONS) - 1)

const char *actions_word(enum action action);
enum pressure_level actions_from(enum action action);

/* "all", "none", "trim,compact" (these), "-refuse,-call" (all but these), as a set of bits. False:
 * the text says something else. */
bool actions_parse(const char *text, uint32_t *set);

/* From now on only these. */
void actions_allow(uint32_t set);
bool actions_may(enum action action);

/* It was done, took so long, and gained so many bytes (REFUSE: did not give them). */
void actions_note(enum action action, uint64_t bytes, uint64_t ns);

struct action_counts {
    uint64_t runs, bytes, ns;
};
void actions_read(enum action action, struct action_counts *counts);

#endif
