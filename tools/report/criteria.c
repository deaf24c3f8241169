/* criteria.c - see criteria.h. The metrics are rows. */
#include "tools/report/criteria.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/units.h"

enum kind { BYTES, COUNT, TIME, SHARE };

/* -- metrics: NAN where a trace does not tell ------------------------------------------------- */

static double get_not_freed(const struct analysis *analysis)
{
    return (double)analysis->total.now.bytes;
}

static double get_not_freed_blocks(const struct analysis *analysis)
{
    return (double)analysis->total.now.blocks;
}

static double get_peak(const struct analysis *analysis)
{
    return (double)analysis->peak_bytes;
}

static double get_rss(const struct analysis *analysis)
{
    const struct look *look = analysis_find_rss_peak(analysis);
    return look == NULL || look->sample.rss == 0 ? NAN : (double)look->sample.rss;
}

static double get_resident_heap(const struct analysis *analysis)
{
    uint64_t most = 0;
    analysis_get_overhead(analysis, &most);
    return most == 0 ? NAN : (double)most;
}

static double get_fragmentation(const struct analysis *analysis)
{
    const struct look *look = analysis_find_rss_peak(analysis);
    return look == NULL || !look->is_known ? NAN : look->fragmentation;
}

static double get_allocations(const struct analysis *analysis)
{
    return (double)analysis->allocations;
}

static double get_allocated(const struct analysis *analysis)
{
    return (double)analysis->allocated_bytes;
}

static double get_temporary(const struct analysis *analysis)
{
    return analysis_is_estimate(analysis) ? NAN : (double)analysis->temporary;
}

static double get_failed(const struct analysis *analysis)
{
    return (double)analysis->failed;
}

static double get_dropped(const struct analysis *analysis)
{
    return (double)analysis->totals.dropped;
}

static double get_duration(const struct analysis *analysis)
{
    return (double)analysis_since_start(analysis, analysis->last_ns);
}

static const struct metric {
    const char *name;
    enum kind kind;
    double (*get)(const struct analysis *analysis);
} metrics[] = {
    {"not_freed", BYTES, get_not_freed},
    {"not_freed_blocks", COUNT, get_not_freed_blocks},
    {"peak", BYTES, get_peak},
    {"rss", BYTES, get_rss},
    {"resident_heap", BYTES, get_resident_heap},
    {"fragmentation", SHARE, get_fragmentation},
    {"allocations", COUNT, get_allocations},
    {"allocated", BYTES, get_allocated},
    {"temporary", COUNT, get_temporary},
    {"failed", COUNT, get_failed},
    {"dropped", COUNT, get_dropped},
    {"duration", TIME, get_duration},
};

enum { METRICS = sizeof metrics / sizeof metrics[0] };

/* -- reading ---------------------------------------------------------------------------------- */

static const struct suffix {
    const char *text;
    double factor;
} suffixes[][9] = {
    [BYTES] = {{"", 1},
               {"B", 1},
               {"K", 1024},
               {"KiB", 1024},
               {"M", 1048576},
               {"MiB", 1048576},
               {"G", 1073741824},
               {"GiB", 1073741824}},
    [COUNT] = {{"", 1}},
    [TIME] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}},
    [SHARE] = {{"", 1}, {"%", 0.01}},
};

static const char *const kinds[] = {[BYTES] = "bytes (K, M, G: powers of 1024)",
                                    [COUNT] = "a number",
                                    [TIME] = "a time (ns, us, ms, s, min)",
                                    [SHARE] = "a share (0.25 or 25%)"};

static bool read_limit(const char *text, enum kind kind, double *limit)
{
    char *end;
    *limit = strtod(text, &end);
    if (end == text || !isfinite(*limit) || *limit < 0)
        return false;
    for (const struct suffix *suffix = suffixes[kind]; suffix->text != NULL; suffix++) {
        if (strcmp(end, suffix->text) == 0) {
            *limit *= suffix->factor;
            return true;
        }
    }
    return false;
}

static bool find_metric(const char *text, size_t length, unsigned *number)
{
    for (unsigned i = 0; i < METRICS; i++) {
        if (strlen(metrics[i].name) == length && memcmp(metrics[i].name, text, length) == 0) {
            *number = i;
            return true;
        }
    }
    return false;
}

static int refuse_metric(const char *text)
{
    char names[512] = "";
    for (unsigned i = 0; i < METRICS; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i == 0 ? "" : ", ",
                 metrics[i].name);
    return cli_refuse("report", "--fail-on '%s': the metrics are %s", text, names);
}

int criteria_add(struct criteria *criteria, const char *text)
{
    struct criterion criterion = {.text = text};
    size_t length = strcspn(text, "<>");
    if (criteria->count == CRITERIA_MAX)
        return cli_refuse("report", "--fail-on: at most %d of them", CRITERIA_MAX);
    if (text[length] == '\0')
        return cli_refuse("report", "--fail-on '%s': METRIC>LIMIT or METRIC<LIMIT", text);
    if (!find_metric(text, length, &criterion.metric))
        return refuse_metric(text);
    criterion.is_below = text[length] == '<';
    criterion.is_equal = text[length + 1] == '=';
    const char *limit = text + length + (criterion.is_equal ? 2 : 1);
    enum kind kind = metrics[criterion.metric].kind;
    if (!read_limit(limit, kind, &criterion.limit))
        return cli_refuse("report", "--fail-on '%s': the limit of %s is %s", text,
                          metrics[criterion.metric].name, kinds[kind]);
    criteria->criterion[criteria->count++] = criterion;
    return CLI_GO_ON;
}

/* -- checking --------------------------------------------------------------------------------- */

static struct units describe(enum kind kind, double value)
{
    struct units text;
    switch (kind) {
    case BYTES:
        return units_bytes((uint64_t)value);
    case COUNT:
        return units_count((uint64_t)value);
    case TIME:
        return units_duration((uint64_t)value);
    default:
        snprintf(text.at, sizeof text.at, "%.1f %%", 100 * value);
        return text;
    }
}

static bool is_met(const struct criterion *criterion, double value)
{
    if (value == criterion->limit)
        return criterion->is_equal;
    return criterion->is_below ? value < criterion->limit : value > criterion->limit;
}

int criteria_check(const struct criteria *criteria, const struct analysis *analysis)
{
    int status = CLI_OK;
    for (size_t i = 0; i < criteria->count; i++) {
        const struct criterion *criterion = &criteria->criterion[i];
        const struct metric *metric = &metrics[criterion->metric];
        double value = metric->get(analysis);
        if (isnan(value)) {
            cli_say("--fail-on '%s': this trace does not tell %s", criterion->text, metric->name);
            status = CLI_FAILED;
        } else if (is_met(criterion, value)) {
            cli_say("failed: %s (%s is %s)", criterion->text, metric->name,
                    describe(metric->kind, value).at);
            status = status == CLI_OK ? CLI_CRITERIA : status;
        }
    }
    return status;
}
