/* tree.h - call stacks of one measure, joined where they agree: a tree of callers. */
#ifndef MPRESS_TOOLS_EXPORT_TREE_H
#define MPRESS_TOOLS_EXPORT_TREE_H

#include "tools/export/calls.h"

struct branch {
    uint32_t function;
    uint32_t parent;
    uint32_t first, next;      /* first child, next sibling; 0: none. Largest first */
    uint32_t children;         /* how many */
    uint64_t value;            /* of all stacks that go through here */
    const struct frame *frame; /* of one of them */
};

/* Branch 0 is the root, which is no function. */
struct tree {
    struct store *store;
    struct index index;
    struct branch *branch;
    uint32_t branches;
    size_t room;
};

/* By function, outermost at the root; `inverted`: by address, innermost at the root. */
void tree_init(struct tree *tree, struct calls *calls, enum measure measure, bool inverted);
void tree_fini(struct tree *tree);

#endif
