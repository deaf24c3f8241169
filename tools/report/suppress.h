/* suppress.h - losses that are known and accepted: a file in LeakSanitizer's syntax.
 *
 *     # a comment
 *     leak:parse_options          what a stack with such a function, file or module lost
 *     leak:^main$                 ^ and $: the whole name
 *     leak:libcrypto*so           *: anything */
#ifndef MPRESS_TOOLS_REPORT_SUPPRESS_H
#define MPRESS_TOOLS_REPORT_SUPPRESS_H

#include "tools/analysis/analysis.h"
#include "tools/symbols/symbols.h"

struct suppression {
    const char *pattern;
    struct amount amount; /* what it took out of the losses */
};

struct suppressions {
    size_t count;
    struct suppression *suppression;
    struct amount amount; /* of all */
};

/* Reads `path`, or, if that is NULL, the file that MPRESS_SUPPRESSIONS names, if any; then takes
 * what matches out of the analysis's losses. Each stack counts by itself: what is lost by way of a
 * suppressed block has a stack of its own. CLI_GO_ON, or CLI_FAILED after a line. */
int suppress(struct suppressions *suppressions, const char *path, struct analysis *analysis,
             struct symbols *symbols);

/* LeakSanitizer's patterns; NULL matches nothing. */
bool suppress_matches(const char *pattern, const char *text);

#endif
