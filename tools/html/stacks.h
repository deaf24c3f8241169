/* stacks.h - all call stacks of a page as one tree of callers, with some numbers at each branch;
 * only the branches that matter go into the page. */
#ifndef MPRESS_TOOLS_HTML_STACKS_H
#define MPRESS_TOOLS_HTML_STACKS_H

#include <jansson.h>

#include "tools/export/calls.h"

enum { STACKS_COLUMNS = 6 };

struct stack_branch {
    uint32_t function;
    uint32_t parent;                /* S1: smaller than its own number; branch 0 is the root */
    uint32_t kept;                  /* number in the page + 1; 0: too small for it */
    bool is_cut;                    /* some that it calls are not in the page */
    uint64_t value[STACKS_COLUMNS]; /* S2: at least the sum of what its children have */
};

struct stacks {
    struct store *store;
    struct index index;
    struct stack_branch *branch;
    uint32_t branches;
    size_t room;
};

void stacks_init(struct stacks *stacks, struct store *store);

/* A stack, innermost first, with its numbers; the branch of its innermost function. */
uint32_t stacks_add(struct stacks *stacks, const struct call *call, size_t count,
                    const uint64_t value[STACKS_COLUMNS]);

/* Chooses what goes into the page: what has the largest share of some column. */
void stacks_choose(struct stacks *stacks);

/* Number in the page of a branch, or of the nearest one that calls it. */
uint32_t stacks_find_kept(const struct stacks *stacks, uint32_t branch);

/* {"parent", "name" (number in "names"), "cut", "names" and one array for each of the `column`
 * names; a NULL there ends them. */
json_t *stacks_make(const struct stacks *stacks, const struct calls *calls,
                    const char *const column[STACKS_COLUMNS]);

#endif
