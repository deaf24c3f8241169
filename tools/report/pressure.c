/* pressure.c - how near memory came to its limits, what was foreseen of that, and what was done. */
#include <string.h>

#include "tools/report/report.h"
#include "tools/units.h"
#include "tools/values.h"

enum { ROWS = 20, ACTIONS_MOST = 16 };

static const char *const levels[] = {"calm", "monitor", "gentle", "aggressive", "emergency"};
enum { LEVELS = sizeof levels / sizeof levels[0] };

static const char *level_name(unsigned level)
{
    return level < LEVELS ? levels[level] : "?";
}

/* -- sums ------------------------------------------------------------------------------------- */

struct action {
    const char *name;
    uint64_t runs, foreseen, bytes, ns;
};

struct sums {
    size_t actions;
    struct action action[ACTIONS_MOST]; /* in the order of their first runs */
    uint64_t refused, refused_bytes, warnings;
    unsigned highest; /* level */
};

static struct action *find_action(struct sums *sums, const char *name)
{
    for (size_t i = 0; i < sums->actions; i++) {
        if (strcmp(sums->action[i].name, name) == 0)
            return &sums->action[i];
    }
    if (sums->actions == ACTIONS_MOST)
        return NULL;
    sums->action[sums->actions] = (struct action){.name = name};
    return &sums->action[sums->actions++];
}

static void add(struct sums *sums, const struct trace_pressure *pressure)
{
    struct action *action;
    switch (pressure->what) {
    case TRACE_PRESSURE_ACTION:
        if ((action = find_action(sums, pressure->action)) == NULL)
            return;
        action->runs++;
        action->foreseen += pressure->is_foreseen != 0;
        action->bytes += pressure->bytes;
        action->ns += pressure->ns;
        break;
    case TRACE_PRESSURE_REFUSED:
        sums->refused += pressure->count;
        sums->refused_bytes += pressure->bytes;
        break;
    case TRACE_PRESSURE_WARNING:
        sums->warnings++;
        break;
    case TRACE_PRESSURE_LEVEL:
        sums->highest = pressure->level > sums->highest ? pressure->level : sums->highest;
        break;
    default:
        break;
    }
}

static void add_all(struct sums *sums, const struct trace_facts *facts)
{
    *sums = (struct sums){0};
    for (size_t i = 0; i < facts->pressures; i++)
        add(sums, &facts->pressure[i]);
}

/* -- text ------------------------------------------------------------------------------------- */

static bool is_shown(const struct trace_pressure *pressure)
{
    return pressure->what == TRACE_PRESSURE_LEVEL || pressure->what == TRACE_PRESSURE_WARNING ||
           pressure->what == TRACE_PRESSURE_CALMED || pressure->what == TRACE_PRESSURE_REFUSED;
}

static void print_use(FILE *out, const struct trace_pressure *pressure)
{
    fprintf(out, "%s of %s, %s", units_bytes(pressure->used).at, units_bytes(pressure->limit).at,
            units_percent(pressure->used, pressure->limit).at);
}

static void print_row(const struct report *report, const struct trace_pressure *pressure)
{
    FILE *out = report->page.out;
    uint64_t after = analysis_since_start(report->analysis, pressure->time_ns);
    fprintf(out, "  %12s  ", units_duration(after).at);
    switch (pressure->what) {
    case TRACE_PRESSURE_LEVEL:
        fprintf(out, "%-11s ", level_name(pressure->level));
        print_use(out, pressure);
        break;
    case TRACE_PRESSURE_REFUSED:
        fprintf(out, "%-11s %s, %s together", "refused",
                units_plural(pressure->count, "request").at, units_bytes(pressure->bytes).at);
        break;
    case TRACE_PRESSURE_WARNING:
        fprintf(out, "%-11s 90 %% in %s at the soonest, chance %u %% within a minute", "warning",
                pressure->ns == UINT64_MAX ? "time" : units_duration(pressure->ns).at,
                pressure->percent);
        break;
    default:
        fputs("no warning any more", out);
    }
    fputc('\n', out);
}

static void print_rows(const struct report *report)
{
    const struct trace_facts *facts = report->analysis->facts;
    size_t rows = 0, shown = 0;
    for (size_t i = 0; i < facts->pressures; i++)
        rows += is_shown(&facts->pressure[i]);
    for (size_t i = 0; i < facts->pressures && shown < ROWS; i++) {
        if (!is_shown(&facts->pressure[i]))
            continue;
        print_row(report, &facts->pressure[i]);
        shown++;
    }
    if (rows > shown)
        fprintf(report->page.out, "  and %s (--json has all)\n",
                units_plural(rows - shown, "more change").at);
}

static void print_actions(const struct report *report, const struct sums *sums)
{
    FILE *out = report->page.out;
    if (sums->actions > 0)
        fputs("\n  action            runs   foreseen       gained         time\n", out);
    for (size_t i = 0; i < sums->actions; i++) {
        const struct action *action = &sums->action[i];
        fprintf(out, "  %-12s %9s %10s %12s %12s\n", action->name, units_count(action->runs).at,
                units_count(action->foreseen).at, units_bytes(action->bytes).at,
                units_duration(action->ns).at);
    }
}

void report_pressure(struct report *report)
{
    const struct trace_facts *facts = report->analysis->facts;
    struct sums sums;
    if (facts->pressures == 0)
        return;
    add_all(&sums, facts);
    page_heading(&report->page, "PRESSURE", "how near its limits memory came, and what was done");
    print_rows(report);
    print_actions(report, &sums);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static const char *what_name(unsigned what)
{
    static const char *const names[] = {"?", "level", "action", "refused", "warning", "calmed"};
    return what < sizeof names / sizeof names[0] ? names[what] : "?";
}

static json_t *make_row(const struct analysis *analysis, const struct trace_pressure *pressure)
{
    json_t *row = json_object();
    values_set_number(row, "after_ns", analysis_since_start(analysis, pressure->time_ns));
    values_set_text(row, "what", what_name(pressure->what));
    values_set_text(row, "level", level_name(pressure->level));
    values_set_number(row, "used", pressure->used);
    values_set_number(row, "limit", pressure->limit);
    if (pressure->what == TRACE_PRESSURE_ACTION) {
        values_set_text(row, "action", pressure->action);
        values_set_number(row, "gained", pressure->bytes);
        values_set_number(row, "ns", pressure->ns);
        json_object_set_new(row, "foreseen", json_boolean(pressure->is_foreseen));
    } else if (pressure->what == TRACE_PRESSURE_REFUSED) {
        values_set_number(row, "requests", pressure->count);
        values_set_number(row, "bytes", pressure->bytes);
    } else if (pressure->what == TRACE_PRESSURE_WARNING) {
        values_set_number(row, "percent", pressure->percent);
        json_object_set_new(row, "soonest_ns",
                            pressure->ns == UINT64_MAX ? json_null() : values_number(pressure->ns));
    }
    return row;
}

json_t *report_json_pressure(const struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct trace_facts *facts = analysis->facts;
    json_t *object = json_object(), *rows = json_array();
    struct sums sums;
    add_all(&sums, facts);
    values_set_text(object, "highest", level_name(sums.highest));
    values_set_number(object, "refused", sums.refused);
    values_set_number(object, "refused_bytes", sums.refused_bytes);
    values_set_number(object, "warnings", sums.warnings);
    for (size_t i = 0; i < facts->pressures; i++)
        json_array_append_new(rows, make_row(analysis, &facts->pressure[i]));
    json_object_set_new(object, "course", rows);
    return object;
}
