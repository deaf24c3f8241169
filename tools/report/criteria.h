/* criteria.h - conditions on a trace for build servers: --fail-on 'peak>1G'. */
#ifndef MPRESS_TOOLS_REPORT_CRITERIA_H
#define MPRESS_TOOLS_REPORT_CRITERIA_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/analysis/analysis.h"

enum { CRITERIA_MAX = 32 };

struct criterion {
    const char *text; /* as it was given */
    unsigned metric;  /* number of a row of metrics */
    bool is_below;    /* fails below the limit, else above it */
    bool is_equal;    /* and at the limit, too */
    bool is_change;   /* of the change between two traces, */
    bool is_share;    /* as a share of what was */
    double limit;     /* bytes, counts, ns, shares */
};

struct criteria {
    size_t count;
    struct criterion criterion[CRITERIA_MAX];
};

/* Reads "METRIC>LIMIT", also >=, <, <=; of two traces also "METRIC>+CHANGE" and "METRIC>+5%".
 * CLI_GO_ON, or CLI_USAGE after a line. */
int criteria_add(struct criteria *criteria, const char *command, bool is_diff, const char *text);

/* `before` may be NULL. One line on stderr for each that holds. CLI_OK; CLI_CRITERIA if one does;
 * CLI_USAGE if one cannot be told. */
int criteria_check(const struct criteria *criteria, const struct analysis *analysis,
                   const struct analysis *before);

#endif
