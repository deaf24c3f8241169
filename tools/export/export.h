/* export.h - a finished analysis in the formats of other programs: what each call stack holds, as
 * lines, pictures, and files that profile viewers read. All of them go to stdout. */
#ifndef MPRESS_TOOLS_EXPORT_EXPORT_H
#define MPRESS_TOOLS_EXPORT_EXPORT_H

#include <stdbool.h>

#include "tools/analysis/analysis.h"
#include "tools/symbols/symbols.h"

struct export_source {
    struct analysis *analysis;
    struct symbols *symbols;
};

/* What a call stack is measured by. */
enum measure {
    MEASURE_END,         /* bytes not freed */
    MEASURE_LOST,        /* of these, those that nothing points to any more */
    MEASURE_PEAK,        /* bytes held when the heap was largest */
    MEASURE_ALLOCATIONS, /* calls */
    MEASURE_BYTES,       /* asked for by all of them */
    MEASURE_TEMPORARY,   /* calls whose block was freed at once */
    MEASURES,
};

struct measure_words {
    const char *name;  /* on the command line */
    const char *title; /* in pictures */
    bool is_bytes;     /* else a count */
};
extern const struct measure_words measure_words[MEASURES];

/* NULL is the first one. False: there is none of that name. */
bool measure_find(const char *name, enum measure *measure);
uint64_t measure_get(const struct analysis *analysis, const struct site *site,
                     enum measure measure);

/* The same with the blocks and, in a sampled trace, the variance. A count is in `bytes`. */
struct amount measure_get_amount(const struct analysis *analysis, const struct site *site,
                                 enum measure measure);

/* Lines "a;b;c 123", outermost function first: what flame-graph programs read. */
void export_folded(const struct export_source *source, enum measure measure);

/* A flame graph: SVG that can be zoomed and searched in a browser, and needs nothing else. */
void export_flame(const struct export_source *source, enum measure measure);

/* The JSON of https://www.speedscope.app, all measures in one file. */
void export_speedscope(const struct export_source *source);

/* A profile of pprof's (profile.proto), compressed: what is in use, was allocated, and was held at
 * the peak. Memory: about 8 bytes a frame of each stack. CLI_OK, or CLI_FAILED after a line. */
int export_pprof(const struct export_source *source);

/* The file of Valgrind's massif, which ms_print and massif-visualizer read. */
void export_massif(const struct export_source *source);

#endif
