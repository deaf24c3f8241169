/* savings.h - `mpress report --savings T`: how much less would be resident under another heap, or
 * under this one in another way; by replaying the trace under each. */
#ifndef MPRESS_TOOLS_SAVINGS_SAVINGS_H
#define MPRESS_TOOLS_SAVINGS_SAVINGS_H

#include <stdbool.h>

#include "tools/report/page.h"
#include "tools/replay/table.h"

int savings_main(int argc, char **argv);

enum candidate_kind {
    CANDIDATE_PLAIN,
    CANDIDATE_SPACED_4, /* mpress with so many classes in a doubling */
    CANDIDATE_SPACED_2,
    CANDIDATE_CLASSES, /* mpress with the size classes that `mpress tune` finds */
    CANDIDATE_PROFILE, /* and the magazines */
    CANDIDATE_KINDS,
};

/* One way to serve the trace's requests. */
struct candidate {
    const char *name; /* for people */
    const char *key;  /* for programs */
    const char *with; /* PLAIN: as `mpress replay --with` takes it */
    enum candidate_kind kind;
};

struct savings {
    const struct table *table;         /* a row for each candidate, the first is what others are
                                        * compared with */
    const struct candidate *candidate; /* of each row */
};

/* What is saved at the peak, below 0: what it costs; and as a share. Runs differ by some bytes
 * (`noise`): what is within that is none. */
struct saved {
    int64_t bytes;
    double share;
    uint64_t noise;
    bool is_certain;
};
struct saved savings_read(const struct savings *savings, size_t row);

/* print.c */
void savings_print(const struct savings *savings, const struct page *page);
int savings_print_json(const struct savings *savings);

#endif
