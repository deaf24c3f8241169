/* criteria.h - conditions on a trace for build servers: --fail-on 'peak>1G'. */
#ifndef MPRESS_TOOLS_REPORT_CRITERIA_H
#define MPRESS_TOOLS_REPORT_CRITERIA_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/analysis/analysis.h"

enum { CRITERIA_MAX = 32 };

struct criterion {
    const char *text; /* as it was given */
    unsigned metric;  /* number of a row in criteria.c */
    bool is_below;    /* fails below the limit, else above it */
    bool is_equal;    /* and at the limit, too */
    double limit;     /* bytes, counts, ns, shares */
};

struct criteria {
    size_t count;
    struct criterion criterion[CRITERIA_MAX];
};

/* Reads "METRIC>LIMIT", also >=, <, <=. CLI_GO_ON, or CLI_USAGE after a line. */
int criteria_add(struct criteria *criteria, const char *text);

/* One line on stderr for each that is met. CLI_OK; CLI_CRITERIA if one is; CLI_FAILED if one cannot
 * be told from this trace. */
int criteria_check(const struct criteria *criteria, const struct analysis *analysis);

#endif
