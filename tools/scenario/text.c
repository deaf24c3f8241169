/* text.c - an experiment on a terminal of 80 columns (output.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/report/page.h"
#include "tools/scenario/gaps.h"
#include "tools/scenario/limits.h"
#include "tools/scenario/output.h"

enum { CHOICE_INDENT = 14, INDENT = 16, STRATEGY_INDENT = 31 };

const char *output_verdict_word(const struct verdict *verdict)
{
    if (verdict->is_passed)
        return "passed";
    return verdict->is_possible && verdict->is_failed ? "failed" : "no verdict";
}

static unsigned count_missed(const struct verdict *verdict)
{
    unsigned missed = 0;
    for (unsigned row = 0; row < VERDICT_ROWS; row++) {
        const struct verdict_criterion *criterion = &verdict->row[row];
        missed += criterion->is_asked && criterion->is_known && !criterion->is_met;
    }
    return missed;
}

struct output_verdict output_verdict(const struct verdict *verdict)
{
    struct output_verdict text;
    const char *word = output_verdict_word(verdict);
    unsigned unknown = verdict->asked - verdict->measured;
    size_t used = (size_t)snprintf(text.at, sizeof text.at, "%s", word);
    if (verdict->asked == 0)
        snprintf(text.at + used, sizeof text.at - used, ": no criterion is asked for");
    else if (!verdict->is_possible)
        snprintf(text.at + used, sizeof text.at - used, ": the baseline is too noisy");
    else if (verdict->is_failed && unknown == 0)
        snprintf(text.at + used, sizeof text.at - used, ": %u of %u not met", count_missed(verdict),
                 verdict->asked);
    else if (verdict->is_failed)
        snprintf(text.at + used, sizeof text.at - used, ": %u of %u not met, %u not measured",
                 count_missed(verdict), verdict->asked, unknown);
    else if (unknown > 0)
        snprintf(text.at + used, sizeof text.at - used, ": %u of %u criteria measured",
                 verdict->measured, verdict->asked);
    return text;
}

struct output_value output_value(enum verdict_row row, double value)
{
    struct output_value text;
    if (!isfinite(value))
        snprintf(text.at, sizeof text.at, "%s", isnan(value) ? "-" : "never");
    else if (row == VERDICT_GRACEFUL)
        snprintf(text.at, sizeof text.at, "%s", value > 0.5 ? "yes" : "no");
    else if (row == VERDICT_RECOVERY)
        snprintf(text.at, sizeof text.at, "%.1f s", value);
    else if (row == VERDICT_BREAKING_POINT)
        snprintf(text.at, sizeof text.at, "%s", output_bytes(value).at);
    else if (row == VERDICT_IMPROVEMENT)
        snprintf(text.at, sizeof text.at, "%.1f %%", 100 * value);
    else if (row == VERDICT_DEGRADATION)
        snprintf(text.at, sizeof text.at, "%.*f x", value < 1000 ? 2 : 0, value);
    else
        snprintf(text.at, sizeof text.at, "%.2f", value);
    if (row == VERDICT_DEGRADATION && isinf(value))
        snprintf(text.at, sizeof text.at, "infinite");
    return text;
}

void output_wrapped(const char *text, size_t used, size_t indent, FILE *out)
{
    enum { COLUMNS = 80 };
    bool is_first = true;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        if (used + !is_first + length > COLUMNS && used > indent) {
            fprintf(out, "\n%*s", (int)indent, "");
            used = indent;
            is_first = true;
        }
        if (length > COLUMNS - used) /* a word that no line has room for is broken */
            length = COLUMNS - used;
        used += (size_t)fprintf(out, "%s%.*s", is_first ? "" : " ", (int)length, text);
        is_first = false;
        text += length + (text[length] == ' ');
    }
    fprintf(out, "\n");
}

struct output_value output_share(double share)
{
    struct output_value text;
    snprintf(text.at, sizeof text.at, isnan(share) ? "-" : "%.0f %%", 100 * share);
    return text;
}

/* -- head ------------------------------------------------------------------------------------- */

static void print_choices(const struct pressure *pressure, FILE *out)
{
    const struct pressure_mechanism *mechanism = pressure_find_taken(pressure);
    fprintf(out, "pressure    %s: ", mechanism->name);
    output_wrapped(mechanism->enforces, 14 + strlen(mechanism->name), CHOICE_INDENT, out);
    fprintf(out, "            a budget is of ");
    output_wrapped(mechanism->unit, 27, CHOICE_INDENT, out);
    for (size_t i = 0; i < pressure->choices; i++) {
        const struct pressure_choice *choice = &pressure->choice[i];
        if (choice->is_taken)
            continue;
        fprintf(out, "            not %s: ", choice->mechanism->name);
        output_wrapped(choice->why, 18 + strlen(choice->mechanism->name), CHOICE_INDENT, out);
    }
}

/* The command in what is left of the line; an argument may be a whole script. */
static void print_program(char *const *arguments, FILE *out)
{
    char command[PAGE_CELL_BYTES] = "", cell[PAGE_CELL_BYTES];
    size_t used = 0;
    for (; *arguments != NULL && used + 1 < sizeof command; arguments++)
        used += (size_t)snprintf(command + used, sizeof command - used, "%s%s",
                                 used == 0 ? "" : " ", *arguments);
    page_fit(cell, command, 68, false);
    fprintf(out, "program     %s\n", cell);
}

static void print_trace(const struct plan *plan, FILE *out)
{
    char trace[PAGE_CELL_BYTES], with[PAGE_CELL_BYTES], text[2 * PAGE_CELL_BYTES + 16];
    page_fit(trace, plan->trace, 50, true);
    page_fit(with, plan->with == NULL ? "mpress" : plan->with, 40, false);
    snprintf(text, sizeof text, "%s under %s", trace, with);
    fprintf(out, "replay      ");
    output_wrapped(text, 12, CHOICE_INDENT, out);
    if (plan->how == NULL)
        return;
    fprintf(out, "            ");
    output_wrapped(plan->how, 12, CHOICE_INDENT, out);
}

/* The peak is of what budgets are of. */
static void print_baseline(const struct experiment *experiment, FILE *out)
{
    const struct experiment_lap *lap = &experiment->calibration;
    const char *window = plan_is_finite(experiment->plan) ? "run" : "window";
    char text[256];
    snprintf(text, sizeof text, "%s of %s (spread %.1f %%), peak %s%s, resident up to %s",
             units_plural(lap->windows, window).at,
             output_service(experiment, experiment->baseline).at,
             100 * experiment->verdict.figures.noise, output_bytes(experiment->peak).at,
             experiment->is_growing ? " so far (it still grew)" : "",
             output_bytes(lap->resident_most).at);
    fprintf(out, "baseline    ");
    output_wrapped(text, 12, CHOICE_INDENT, out);
    fprintf(out, "\n");
}

static void print_head(const struct experiment *experiment, FILE *out)
{
    const struct plan *plan = experiment->plan;
    fprintf(out, "SCENARIO  %.40s%s%s%.20s\n", plan->shape.name, plan->is_ramp ? ", ramp" : "",
            plan->name == NULL ? "" : ", ", plan->name == NULL ? "" : plan->name);
    if (plan->trace == NULL)
        print_program(plan->arguments, out);
    else
        print_trace(plan, out);
    print_choices(&experiment->pressure, out);
    print_baseline(experiment, out);
}

/* -- levels ----------------------------------------------------------------------------------- */

static void print_level(const struct experiment *experiment, const struct experiment_lap *level,
                        FILE *out)
{
    fprintf(out, "%10s  %4.0f %%  ", output_bytes(level->budget).at,
            100 * level->budget / experiment->peak);
    if (level->end != CURVE_HELD) {
        fprintf(out, "%s: %.*s\n", curve_end_name(level->end),
                (int)(58 - strlen(curve_end_name(level->end))), level->why);
        return;
    }
    double median = output_median(experiment, level), factor = output_factor(experiment, level);
    fprintf(out, "%9s %7.*f x %7zu %10s %10s %5.1f %%\n", output_service(experiment, median).at,
            factor < 1000 ? 2 : 0, factor, level->windows, output_bytes(level->resident_most).at,
            output_rate(experiment, level, level->minor_faults + level->major_faults).at,
            level->costed > 0 ? 100 * fmin(1, level->stalled / level->costed) : 0);
}

static void print_levels(const struct experiment *experiment, FILE *out)
{
    bool is_finite = plan_is_finite(experiment->plan);
    fprintf(out, "    BUDGET  of peak    %6s   vs base %7s   RESIDENT %10s  STALLED\n",
            experiment->plan->metric != NULL ? "METRIC" : "TIME", is_finite ? "RUNS" : "WINDOWS",
            is_finite ? "FAULTS/RUN" : "FAULTS/s");
    for (size_t i = 0; i < experiment->levels; i++)
        print_level(experiment, &experiment->level[i], out);
    if (experiment->levels < experiment->planned)
        fprintf(out, "%zu of %zu levels were not reached\n",
                experiment->planned - experiment->levels, experiment->planned);
    fprintf(out, "\n");
}

/* Whether what broke it was the budget. */
static void print_backstop(const struct experiment *experiment, FILE *out)
{
    const struct pressure_backstop *told = &experiment->backstop;
    char text[256] = "";
    if (told->head_room == 0)
        return;
    size_t used =
        (size_t)snprintf(text, sizeof text, "RLIMIT_DATA, %s beyond what the budget leaves",
                         output_bytes((double)told->head_room).at);
    if (experiment->denied > 0)
        snprintf(text + used, sizeof text - used,
                 "; that, not the budget, refused in %u of the %u runs that broke",
                 experiment->denied, experiment->broken);
    fprintf(out, "BACKSTOP        ");
    output_wrapped(text, INDENT, INDENT, out);
    if (told->outside > 0) {
        fprintf(out, "%*soutside the library: ", INDENT, "");
        output_wrapped(told->name, INDENT + 21, INDENT, out);
    }
    if (told->unreached > 0)
        fprintf(out, "%*swith rights of its own, so that nobody can move it\n", INDENT, "");
}

/* -- what follows ----------------------------------------------------------------------------- */

static void print_recovery(const struct experiment *experiment, FILE *out)
{
    const struct curve_figures *figures = &experiment->verdict.figures;
    char text[256];
    if (experiment->plan->recovery == 0) {
        fprintf(out, "RECOVERY        not waited for\n");
        return;
    }
    if (experiment->release.windows == 0) {
        fprintf(out, "RECOVERY        none: %.58s\n",
                experiment->release.why[0] == '\0' ? "it was gone" : experiment->release.why);
        return;
    }
    snprintf(text, sizeof text, "%s, then %.2f x; resident %+.0f %%%s",
             experiment->is_recovery_cut ? "not while there was time"
                                         : output_value(VERDICT_RECOVERY, figures->recovery).at,
             figures->slowdown, 100 * figures->retention,
             plan_is_finite(experiment->plan) ? " (fresh runs)" : "");
    fprintf(out, "RECOVERY        ");
    output_wrapped(text, INDENT, INDENT, out);
}

/* How far off it may be, and how that is known. */
static void print_certainty(const struct experiment *experiment, FILE *out)
{
    const struct bisect *bisect = &experiment->bisect;
    const struct belief_figures *figures = &bisect->figures;
    char text[256];
    snprintf(text, sizeof text, "95 %% sure: %s to %s; %s, %s%s", output_bytes(figures->low).at,
             output_bytes(figures->high).at, units_plural(bisect->probes, "probe").at,
             units_plural(bisect->runs, "run").at,
             experiment->is_out_of_time  ? ", out of time"
             : !experiment->is_confirmed ? ", not confirmed"
                                         : "");
    fprintf(out, "%*s", INDENT, "");
    output_wrapped(text, INDENT, INDENT, out);
    if (bisect->is_varying)
        fprintf(out, "%*shalf of the runs break there: their needs spread by %s\n", INDENT, "",
                output_bytes(figures->spread).at);
    else
        fprintf(out, "%*sbroken at %s, held at %s\n", INDENT, "", output_bytes(bisect->bad).at,
                output_bytes(bisect->good).at);
}

static void print_search(const struct experiment *experiment, FILE *out)
{
    const struct bisect *bisect = &experiment->bisect;
    if (experiment->is_unlimited && !experiment->has_searched)
        fprintf(out, "BREAKING POINT  not known: nothing limited it\n");
    if (!experiment->has_searched)
        return;
    if (bisect->bad == 0) {
        fprintf(out, "BREAKING POINT  none down to %s (%s%s)\n", output_bytes(bisect->good).at,
                units_plural(bisect->probes, "probe").at,
                experiment->is_out_of_time ? ", out of time" : "");
        return;
    }
    if (bisect->good == 0) {
        fprintf(out, "BREAKING POINT  above %s: %s\n", output_bytes(bisect->bad).at,
                curve_end_name(bisect->kind));
        return;
    }
    fprintf(out, "BREAKING POINT  %s, %.0f %% of the peak: %s\n",
            output_bytes(bisect_get_result(bisect)).at,
            100 * bisect_get_result(bisect) / experiment->peak, curve_end_name(bisect->kind));
    print_certainty(experiment, out);
}

static void print_shift(const struct experiment_strategy *strategy, FILE *out)
{
    const struct improvement_shift *it = &strategy->shift;
    char text[256];
    if (!strategy->is_measured || (strategy->without.bad == 0 && !it->is_open))
        return; /* nothing breaks it, or nobody looked */
    if (isnan(it->shift))
        snprintf(text, sizeof text, "where it breaks %s it: no time was left",
                 strategy->without.bad > 0 ? "with" : "without");
    else
        snprintf(text, sizeof text, "breaks %s %s for %s, %+.0f %% (%+.0f..%+.0f)%s%s",
                 strategy->with.bad > 0 ? "at" : "nowhere down to",
                 output_bytes(bisect_get_result(&strategy->with)).at,
                 output_bytes(bisect_get_result(&strategy->without)).at, -100 * it->shift,
                 -100 * it->interval.high, -100 * it->interval.low,
                 it->is_counted ? "" : "; not counted: ", it->is_counted ? "" : it->objection);
    fprintf(out, "%*s", STRATEGY_INDENT, "");
    output_wrapped(text, STRATEGY_INDENT, STRATEGY_INDENT, out);
}

static void print_improvement(const struct improvement *it, FILE *out)
{
    char text[256];
    snprintf(text, sizeof text, "resident %+.1f %% (%+.1f..%+.1f), time %+.1f %%%s%s",
             -100 * it->reduction, -100 * it->reduction_interval.high,
             -100 * it->reduction_interval.low, 100 * it->overhead,
             it->is_counted ? "" : "; not counted: ", it->is_counted ? "" : it->objection);
    output_wrapped(text, STRATEGY_INDENT, STRATEGY_INDENT, out);
}

static void print_strategies(const struct experiment *experiment, FILE *out)
{
    for (size_t i = 0; i < experiment->plan->strategies; i++) {
        const struct experiment_strategy *strategy = &experiment->strategies[i];
        fprintf(out, "%s %-14.14s ", i == 0 ? "STRATEGY       " : "               ",
                strategy->what->name);
        if (strategy->is_measured)
            print_improvement(&strategy->improvement, out);
        else
            output_wrapped(strategy->why, STRATEGY_INDENT, STRATEGY_INDENT, out);
        print_shift(strategy, out);
    }
}

static void print_time(const struct experiment *experiment, FILE *out)
{
    const struct schedule *schedule = &experiment->schedule;
    fprintf(out, "TIME            %s", output_time(experiment->total).at);
    if (!isinf(schedule->whole))
        fprintf(out, " of at most %s", output_time(schedule->whole).at);
    fprintf(out, "%s\n", schedule->notes == 0 ? "" : "; to keep that:");
    for (size_t i = 0; i < schedule->notes; i++) {
        fprintf(out, "%*s", INDENT, "");
        output_wrapped(schedule->note[i], INDENT, INDENT, out);
    }
}

/* -- verdict ---------------------------------------------------------------------------------- */

static void print_criterion(const struct experiment *experiment, enum verdict_row row, FILE *out)
{
    const struct verdict_criterion *criterion = &experiment->verdict.row[row];
    char interval[104] = "";
    if (criterion->is_known && row != VERDICT_GRACEFUL)
        snprintf(interval, sizeof interval, "%s .. %s",
                 output_value(row, criterion->interval.low).at,
                 output_value(row, criterion->interval.high).at);
    fprintf(out, "  %-15s %10s %10s", verdict_row_name(row), output_value(row, criterion->value).at,
            output_value(row, experiment->plan->bounds.at[row]).at);
    if (!criterion->is_known)
        fprintf(out, "  not measured: %s\n", gaps_explain(experiment, row));
    else if (criterion->is_asked)
        fprintf(out, "  %-22s %6s  %s\n", interval, output_share(criterion->confidence).at,
                criterion->is_met ? "met" : "not met");
    else
        fprintf(out, "%s%s\n", *interval == '\0' ? "" : "  ", interval);
}

static void print_grace(const struct curve_figures *figures, FILE *out)
{
    char text[128];
    snprintf(text, sizeof text, "%s%s%s%s",
             figures->is_clean ? "" : "killed, hung or failed without a word above the floor; ",
             figures->is_monotone ? "" : "not monotone; ",
             figures->is_without_cliff ? "" : "a cliff; ",
             figures->is_recovering ? "" : "no recovery;");
    fprintf(out, "  not graceful: ");
    output_wrapped(text, INDENT, INDENT, out);
    if (!figures->is_without_cliff)
        fprintf(out, "  cliff: %.1f x for 5 %% of the peak; one step carries %.0f %% of ln D\n",
                figures->steepest, 100 * figures->cliff);
}

static void print_needed(const struct verdict *verdict, FILE *out)
{
    char text[256];
    size_t used = (size_t)snprintf(text, sizeof text, "Nothing passes without");
    for (unsigned row = 0; row < VERDICT_ROWS; row++) {
        if (verdict->row[row].is_needed && !verdict->row[row].is_known)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, " %s,", verdict_row_name(row));
    }
    snprintf(text + used - 1, sizeof text - used + 1, "; --require NAME=none asks for less.");
    fprintf(out, "  ");
    output_wrapped(text, 2, 2, out);
}

static void print_limits(const struct experiment *experiment, FILE *out)
{
    const struct limits limits = limits_add_up(experiment);
    char text[256];
    if (limits.levels == 0)
        return;
    snprintf(text, sizeof text,
             "At %zu of %zu levels %s: up to %.1f times the budget stayed in use.", limits.levels,
             experiment->levels,
             limits.is_open ? "nothing limited it, so that they tell nothing"
                            : "it kept what it had, and was refused more at most",
             limits.most);
    fprintf(out, "  ");
    output_wrapped(text, 2, 2, out);
}

void output_verdict_reasons(const struct experiment *experiment, FILE *out)
{
    const struct verdict *verdict = &experiment->verdict;
    if (!verdict->is_possible)
        fprintf(
            out,
            "  The baseline spreads by %.0f %%: above %.0f %% nothing can be told from noise.\n",
            100 * verdict->figures.noise, 100 * CURVE_NOISE_MOST);
    print_limits(experiment, out);
    if (!verdict->is_whole && !verdict->is_failed)
        print_needed(verdict, out);
}

static void print_verdict(const struct experiment *experiment, FILE *out)
{
    const struct verdict *verdict = &experiment->verdict;
    fprintf(out, "\nVERDICT            measured      bound  95 %% interval          sure\n");
    for (unsigned row = 0; row < VERDICT_ROWS; row++)
        print_criterion(experiment, row, out);
    if (!verdict->figures.is_graceful)
        print_grace(&verdict->figures, out);
    output_verdict_reasons(experiment, out);
    fprintf(out, "%s  (own time: %.2f %% of one core)\n", output_verdict(verdict).at,
            100 * experiment->own_processor / experiment->total);
}

void output_text(const struct experiment *experiment, FILE *out)
{
    print_head(experiment, out);
    print_levels(experiment, out);
    output_own(experiment, out);
    print_backstop(experiment, out);
    print_recovery(experiment, out);
    print_search(experiment, out);
    print_strategies(experiment, out);
    print_time(experiment, out);
    print_verdict(experiment, out);
}
