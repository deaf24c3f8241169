/* tune.h - `mpress tune`: a profile out of a trace, and the proof of it. */
#ifndef MPRESS_TOOLS_TUNE_TUNE_H
#define MPRESS_TOOLS_TUNE_TUNE_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/replay/table.h"
#include "tools/report/page.h"
#include "tools/tune/tuning.h"

int tune_main(int argc, char **argv);

/* write.c: writes the profile beside `path` and renames it, so that nobody reads half of one. A
 * file that is there and no profile is left alone. 0, or 1 after a line on stderr. */
int tune_write(const struct tuning *tuning, const char *path, const char *trace);

/* What it writes. */
void tune_print_profile(const struct tuning *tuning, const char *trace, FILE *out);

/* text.c: what was found, for a person; then what the replay measured. */
void tune_print(const struct tuning *tuning, const struct page *page, const char *trace);
void tune_print_proof(const struct tuning *tuning, const struct page *page,
                      const struct table *table);

/* json.c: the same for programs; `table` may be NULL. 0, or 1. */
int tune_print_json(const struct tuning *tuning, const char *profile, const struct table *table);

#endif
