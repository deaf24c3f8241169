/* metrics.h - what can be said of a whole trace in one number. */
#ifndef MPRESS_TOOLS_REPORT_METRICS_H
#define MPRESS_TOOLS_REPORT_METRICS_H

#include "tools/analysis/analysis.h"
#include "tools/units.h"

enum metric_kind { METRIC_BYTES, METRIC_COUNT, METRIC_TIME /* ns */, METRIC_SHARE /* 0..1 */ };

struct metric {
    const char *name; /* on the command line and in JSON */
    const char *title;
    enum metric_kind kind;
    double (*get)(const struct analysis *analysis); /* NAN where a trace does not tell */
};

enum { METRICS = 18 };
extern const struct metric metrics[METRICS];

/* A value >= 0 of that kind as people read it. */
struct units metric_describe(enum metric_kind kind, double value);

#endif
