/* propose.h - `mpress propose T`: where transactions would pay. */
#ifndef MPRESS_TOOLS_PROPOSE_PROPOSE_H
#define MPRESS_TOOLS_PROPOSE_PROPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/propose/bursts.h"
#include "tools/propose/gain.h"
#include "tools/report/page.h"
#include "tools/symbols/symbols.h"

struct proposal {
    struct burst_scope scope;
    struct gain gain;
    bool is_measured;
    bool pays; /* or it was not measured */
};

enum { PROPOSALS_MOST = 8 };

struct proposals {
    const struct trace *trace;
    uint64_t births; /* of the program */
    size_t count;
    struct proposal all[PROPOSALS_MOST];
    struct symbols *symbols;
};

/* The whole command; the exit status. */
int propose_main(int argc, char **argv);

/* text.c */
void proposals_print(struct proposals *proposals, const struct page *page);
int proposals_print_json(struct proposals *proposals);

#endif
