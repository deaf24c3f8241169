/* diff.h - `mpress diff`: two traces side by side. Call stacks are matched by the names of their
 * functions, so that neither another build nor other addresses stand between them. */
#ifndef MPRESS_TOOLS_DIFF_DIFF_H
#define MPRESS_TOOLS_DIFF_DIFF_H

#include "tools/export/calls.h"
#include "tools/report/report.h"

/* What a stack did in the two traces. */
struct pair {
    uint32_t first;  /* of its functions in diff.function, innermost first */
    uint32_t frames; /* how many */
    struct amount before, after;
};

struct diff {
    enum measure measure;
    size_t depth; /* frames that decide */
    struct report before, after;
    struct store *store;
    struct calls calls; /* names of both */
    struct index index;
    uint32_t *function;
    size_t functions, function_room;
    struct pair *pair; /* after diff_join by the size of the change, growth first */
    size_t pairs, pair_room;
};

int diff_main(int argc, char **argv);

/* Fills in the pairs. join.c */
void diff_join(struct diff *diff);

/* What changed under a stack; positive: more. */
double diff_change(const struct pair *pair);

/* False: estimates whose difference may be chance (95 %). */
bool diff_is_certain(const struct pair *pair);

void diff_text(const struct diff *diff, size_t top);
int diff_json(const struct diff *diff, size_t top);
json_t *diff_make_json(const struct diff *diff, size_t top);

#endif
