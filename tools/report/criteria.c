/* criteria.c - see criteria.h. */
#include "tools/report/criteria.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/report/metrics.h"

/* -- reading ---------------------------------------------------------------------------------- */

static const struct suffix {
    const char *text;
    double factor;
} suffixes[][9] = {
    [METRIC_BYTES] = {{"", 1},
                      {"B", 1},
                      {"K", 1024},
                      {"KiB", 1024},
                      {"M", 1048576},
                      {"MiB", 1048576},
                      {"G", 1073741824},
                      {"GiB", 1073741824}},
    [METRIC_COUNT] = {{"", 1}},
    [METRIC_TIME] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}},
    [METRIC_SHARE] = {{"", 1}, {"%", 0.01}},
};

static const char *const kinds[] = {[METRIC_BYTES] = "bytes (K, M, G: powers of 1024)",
                                    [METRIC_COUNT] = "a number",
                                    [METRIC_TIME] = "a time (ns, us, ms, s, min)",
                                    [METRIC_SHARE] = "a share (0.25 or 25%)"};

static bool read_limit(const char *text, enum metric_kind kind, double *limit)
{
    char *end;
    *limit = strtod(text, &end);
    if (*text < '0' || *text > '9' || !isfinite(*limit))
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

static int refuse_metric(const char *command, const char *text)
{
    char names[512] = "";
    for (unsigned i = 0; i < METRICS; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i == 0 ? "" : ", ",
                 metrics[i].name);
    return cli_refuse(command, "--fail-on '%s': the metrics are %s", text, names);
}

/* Behind the '+' of a change: a share of what was, or so much. */
static bool read_change(const char *text, struct criterion *criterion)
{
    criterion->is_change = true;
    criterion->is_share = strchr(text, '%') != NULL;
    enum metric_kind kind = criterion->is_share ? METRIC_SHARE : metrics[criterion->metric].kind;
    return read_limit(text, kind, &criterion->limit);
}

/* Reads the limit behind the comparison. */
static bool read_rest(const char *text, bool is_diff, struct criterion *criterion)
{
    if (*text == '+')
        return is_diff && read_change(text + 1, criterion);
    return read_limit(text, metrics[criterion->metric].kind, &criterion->limit);
}

int criteria_add(struct criteria *criteria, const char *command, bool is_diff, const char *text)
{
    struct criterion criterion = {.text = text};
    size_t length = strcspn(text, "<>");
    if (criteria->count == CRITERIA_MAX)
        return cli_refuse(command, "--fail-on: at most %d of them", CRITERIA_MAX);
    if (text[length] == '\0')
        return cli_refuse(command, "--fail-on '%s': METRIC>LIMIT or METRIC<LIMIT", text);
    if (!find_metric(text, length, &criterion.metric))
        return refuse_metric(command, text);
    criterion.is_below = text[length] == '<';
    criterion.is_equal = text[length + 1] == '=';
    if (!read_rest(text + length + (criterion.is_equal ? 2 : 1), is_diff, &criterion))
        return cli_refuse(command, "--fail-on '%s': the limit of %s is %s%s", text,
                          metrics[criterion.metric].name, kinds[metrics[criterion.metric].kind],
                          is_diff ? ", or a change: +5%" : "");
    criteria->criterion[criteria->count++] = criterion;
    return CLI_GO_ON;
}

/* -- checking --------------------------------------------------------------------------------- */

static bool is_met(const struct criterion *criterion, double value)
{
    if (value == criterion->limit)
        return criterion->is_equal;
    return criterion->is_below ? value < criterion->limit : value > criterion->limit;
}

/* The number that is held against the limit; NAN: not known. A change from nothing to something is
 * larger than any share. */
static double get_value(const struct criterion *criterion, double value, double before)
{
    if (!criterion->is_change)
        return value;
    double change = value - before;
    if (!criterion->is_share)
        return change;
    return before != 0 ? change / before : change == 0 ? 0 : INFINITY;
}

static void say_met(const struct criterion *criterion, double value, double before)
{
    const struct metric *metric = &metrics[criterion->metric];
    struct units is = metric_describe(metric->kind, value);
    if (criterion->is_change)
        cli_say("failed: %s (%s is %s, was %s)", criterion->text, metric->name, is.at,
                metric_describe(metric->kind, before).at);
    else
        cli_say("failed: %s (%s is %s)", criterion->text, metric->name, is.at);
}

int criteria_check(const struct criteria *criteria, const struct analysis *analysis,
                   const struct analysis *before)
{
    int status = CLI_OK;
    for (size_t i = 0; i < criteria->count; i++) {
        const struct criterion *criterion = &criteria->criterion[i];
        const struct metric *metric = &metrics[criterion->metric];
        double is = metric->get(analysis), was = before == NULL ? 0 : metric->get(before);
        double value = get_value(criterion, is, was);
        if (isnan(value)) {
            cli_say("--fail-on '%s': the trace does not tell %s", criterion->text, metric->name);
            status = CLI_USAGE;
        } else if (is_met(criterion, value)) {
            say_met(criterion, is, was);
            status = status == CLI_OK ? CLI_CRITERIA : status;
        }
    }
    return status;
}
