/* report.h - `mpress report`: its parts, all over one finished analysis. */
#ifndef MPRESS_TOOLS_REPORT_REPORT_H
#define MPRESS_TOOLS_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tools/analysis/analysis.h"
#include "tools/analysis/groups.h"
#include "tools/analysis/growth.h"
#include "tools/analysis/resident.h"
#include "tools/report/page.h"
#include "tools/report/suppress.h"
#include "tools/symbols/symbols.h"
#include "tools/units.h"
#include "tools/values.h"

struct report {
    const char *path;
    size_t top;   /* stacks in each list; SIZE_MAX: all */
    size_t depth; /* frames of each stack */
    struct trace *trace;
    struct analysis *analysis;
    struct suppressions suppressions;
    struct groups groups;
    struct growth growth;
    struct resident *resident;
    struct symbols *symbols;
    struct page page;
};

/* The traces of a folder as a tree, to stdout; the exit status. tree.c */
int report_tree(const char *folder, bool colour_wanted, bool as_json);

/* Reads the trace and analyses it. 0, or 1 after a line on stderr. */
int report_init(struct report *report, const char *path, bool wants_progress);
void report_fini(struct report *report);

/* Before the groups are made: takes out the losses that a file (NULL: that of MPRESS_SUPPRESSIONS)
 * suppresses. CLI_GO_ON, or CLI_FAILED after a line. */
int report_suppress(struct report *report, const char *path);

/* Unites stacks that agree in the frames shown, and judges them. */
void report_group(struct report *report);

/* What `mpress record` ends with: the verdict, and where the rest is. 0, or 1 after a line. */
int report_print_summary(const char *path, FILE *out);

void report_text(struct report *report);    /* text.c */
void report_header(struct report *report);  /* header.c */
void report_verdict(struct report *report); /* verdict.c */
void report_signal(struct report *report);  /* stacks.c ... */
void report_stacks_at_end(struct report *report);
void report_stacks_lost(struct report *report);
void report_suppressed(struct report *report);
void report_stacks_at_peak(struct report *report);
void report_stacks_hot(struct report *report);
void report_stacks_temporary(struct report *report);
void report_stacks_copied(struct report *report);
void report_fragmentation(struct report *report); /* tables.c ... */
void report_growth(struct report *report);        /* growth.c */
void report_say_growth(struct report *report);    /* of the verdict */
void report_stages(struct report *report);        /* stages.c */
void report_pressure(struct report *report);      /* pressure.c */
void report_memory(struct report *report);        /* memory.c */
void report_scaling(struct report *report);       /* patterns.c ... */
void report_lives(struct report *report);
void report_flows(struct report *report);
void report_transactions(struct report *report); /* txns.c */
void report_sizes(struct report *report);
void report_lifetimes(struct report *report);
void report_threads(struct report *report);
void report_reallocs(struct report *report);
void report_resident(struct report *report);     /* resident.c */
void report_map(struct report *report);          /* map.c */
void report_spares(struct report *report);       /* spare.c */
void report_unwritten(struct report *report);    /* unwritten.c */
void report_rate(struct report *report);         /* rate.c */
void report_latency(struct report *report);      /* latency.c */
int report_json(struct report *report);          /* json.c: to stdout; the exit status */
json_t *report_make_json(struct report *report); /* the same as data */

/* "killed or still running", "exit"...: how the trace ends. */
const char *report_describe_end(const struct report *report);

/* The command line as a reader sees it, each argument cut to `most` columns. */
struct report_text {
    char at[1024];
};
struct report_text report_describe_command(const struct trace_facts *facts, size_t most);

/* A message about the trace without its path in front, which stands above it already. */
const char *report_strip_path(const struct report *report, const char *message);

/* "12.4 MiB", in a sampled trace "12.4 MiB (9.80 MiB to 15.3 MiB)". */
struct units report_describe_bytes(const struct report *report, const struct amount *amount);

/* The frames of a stack, a line each. */
void report_stack(struct report *report, uint32_t node);

/* What JSON has of a stack, of resident memory, and of where the blocks lie. */
json_t *report_json_frames(struct report *report, uint32_t node);
json_t *report_json_resident(struct report *report);
json_t *report_json_groups(struct report *report, enum groups_order order);
json_t *report_json_heap(const struct resident_moment *moment); /* its part of that moment */
json_t *report_json_growth(struct report *report);
json_t *report_json_maps(struct report *report);
json_t *report_json_spares(struct report *report);
json_t *report_json_unwritten(struct report *report);
json_t *report_json_rate(struct report *report);
json_t *report_json_latency(const struct report *report);
json_t *report_json_scaling(struct report *report);
json_t *report_json_flows(const struct report *report);
json_t *report_json_lives(const uint64_t life[LIFE_CLASSES]);
json_t *report_json_stages(struct report *report);
json_t *report_json_transactions(struct report *report);
json_t *report_json_pressure(const struct report *report);
json_t *report_json_suppressed(const struct report *report);

/* A chart of '#' over the time of the run, chart.c; `describe` makes words of the largest value. */
enum { CHART_COLUMNS = 64 };
typedef struct units chart_describe(double value);
void report_chart(const struct report *report, const double value[CHART_COLUMNS], size_t rows,
                  chart_describe *describe);

/* The innermost function of a group and who called it, in a few words. */
void report_name_group(struct report *report, const struct group *group, char out[PAGE_CELL_BYTES]);

#endif
