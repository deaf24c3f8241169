/* own.c - the program's own numbers on a terminal of 80 columns (output.h): how long its units of
 * work took, what it waited for and held, and how long its allocations took. Without pressure, and
 * at the lowest level that it held. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/scenario/output.h"

#define UNTOUCHED 0.05 /* of what is resident: worth a word */
enum { INDENT = 16 };

struct units output_time(double seconds)
{
    return isnan(seconds) ? (struct units){"-"} : units_duration((uint64_t)(seconds * 1e9));
}

struct units output_service(const struct experiment *experiment, double value)
{
    struct units text = output_time(value);
    if (experiment->plan->metric != NULL && !isnan(value))
        snprintf(text.at, sizeof text.at, "%.4g", value);
    return text;
}

double output_median(const struct experiment *experiment, const struct experiment_lap *lap)
{
    double *service = lap_copy_services(experiment, lap);
    double median = sample_median(service, lap->windows);
    free(service);
    return median;
}

double output_factor(const struct experiment *experiment, const struct experiment_lap *lap)
{
    return output_median(experiment, lap) / experiment->baseline;
}

struct units output_rate(const struct experiment *experiment, const struct experiment_lap *lap,
                         uint64_t count)
{
    bool is_more = lap->end == CURVE_KILLED || lap->end == CURVE_FAILED; /* that run is no window */
    double runs = (double)lap->windows + is_more;
    double many = plan_is_finite(experiment->plan) ? runs : lap->costed;
    return units_count(many > 0 ? (uint64_t)((double)count / many + 0.5) : 0);
}

struct units output_bytes(double bytes)
{
    return units_bytes((uint64_t)fmax(0, bytes));
}

const struct experiment_lap *output_lowest(const struct experiment *experiment)
{
    const struct experiment_lap *lowest = NULL;
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        if (level->end == CURVE_HELD && (lowest == NULL || level->budget < lowest->budget))
            lowest = level;
    }
    return lowest;
}

/* -- times ------------------------------------------------------------------------------------ */

static void print_times(const struct experiment *experiment, const struct experiment_lap *lap,
                        const char *name, FILE *out)
{
    struct experiment_times times;
    if (lap->windows == 0)
        return;
    lap_read_times(experiment, lap, &times);
    fprintf(out, "%-10s  %11s  %10s", name, units_count(times.count).at,
            output_service(experiment, times.p50).at);
    fprintf(out, "  %10s  %10s  %10s\n", output_service(experiment, times.p95).at,
            output_service(experiment, times.p99).at, output_service(experiment, times.most).at);
}

static void print_all_times(const struct experiment *experiment, FILE *out)
{
    struct experiment_times times;
    lap_read_times(experiment, &experiment->calibration, &times);
    if (times.count == 0)
        return;
    bool is_metric = experiment->plan->metric != NULL;
    fprintf(out, "%s OF %-*s         p50         p95         p99 %11s\n",
            is_metric ? "METRIC" : "TIMES", is_metric ? 13 : 14,
            output_times_of(experiment, &times), is_metric ? "highest" : "longest");
    print_times(experiment, &experiment->calibration, "baseline", out);
    for (size_t i = 0; i < experiment->levels; i++)
        print_times(experiment, &experiment->level[i], output_bytes(experiment->level[i].budget).at,
                    out);
    print_times(experiment, &experiment->release, "after", out);
    print_times(experiment, &experiment->release_again, "once more", out);
    fprintf(out, "\n");
}

const char *output_times_of(const struct experiment *experiment,
                            const struct experiment_times *times)
{
    return times->is_of_units                 ? "units"
           : plan_is_finite(experiment->plan) ? "runs"
           : experiment->plan->load != NULL   ? "loads"
                                              : "windows";
}

/* -- memory and waits ------------------------------------------------------------------------- */

static void print_row(const char *heading, const char *text, FILE *out)
{
    fprintf(out, "%-15s ", heading);
    output_wrapped(text, INDENT, INDENT, out);
}

static void print_parts(const struct victim_parts *parts, FILE *out)
{
    char text[256], shared[64] = "", swapped[64] = "";
    if (parts->anon + parts->file + parts->shmem == 0) {
        fprintf(out, "RESIDENT        nobody looked while there was any: runs are too short\n");
        return;
    }
    if (parts->shmem > 0)
        snprintf(shared, sizeof shared, ", %s shared", output_bytes(parts->shmem).at);
    if (parts->swap > 0)
        snprintf(swapped, sizeof swapped, ", %s swapped", output_bytes(parts->swap).at);
    snprintf(text, sizeof text, "%s anonymous, %s of files%s%s", output_bytes(parts->anon).at,
             output_bytes(parts->file).at, shared, swapped);
    print_row("RESIDENT", text, out);
}

/* Of the time that costs were counted in. */
static double share_of(double seconds, const struct experiment_lap *lap)
{
    return lap->costed > 0 ? 100 * seconds / lap->costed : 0;
}

static void print_stalls(const struct experiment_lap *lap, FILE *out)
{
    char text[256];
    if (isnan(lap->stalls.some)) {
        fprintf(out, "STALLS          the kernel does not tell (no /proc/pressure/memory)\n");
        return;
    }
    snprintf(text, sizeof text, "some %.1f %%, full %.1f %% of the time (%s, by the kernel)",
             share_of(lap->stalls.some, lap),
             isnan(lap->stalls.full) ? 0 : share_of(lap->stalls.full, lap),
             lap->stalls.is_of_group ? "its group" : "the machine");
    print_row("STALLS", text, out);
}

static void print_injected(const struct experiment_lap *lap, FILE *out)
{
    const struct pressure_injected *injected = &lap->injected;
    char text[256], held[64] = "", fetched[64] = "", call[64] = "";
    if (injected->held > 0)
        snprintf(held, sizeof held, ", %.1f %% held", share_of(injected->held, lap));
    if (injected->fetched > 0)
        snprintf(fetched, sizeof fetched, ", %.1f %% for packed memory",
                 share_of(injected->fetched, lap));
    if (lap->injected_p99 > 0)
        snprintf(call, sizeof call, "; p99 of a call %s", output_time(lap->injected_p99).at);
    snprintf(text, sizeof text, "%.1f %% of the time asleep%s%s%s", share_of(injected->slept, lap),
             held, fetched, call);
    print_row("INJECTED", text, out);
}

/* Waits are of first threads only: all of them would be dear. */
static void print_waits(const struct experiment *experiment, const struct experiment_lap *lap,
                        FILE *out)
{
    bool is_finite = plan_is_finite(experiment->plan);
    const struct experiment_lap *base = &experiment->calibration;
    char text[256];
    snprintf(text, sizeof text, "%s minor, %s major a %s; %s, %s without pressure",
             output_rate(experiment, lap, lap->minor_faults).at,
             output_rate(experiment, lap, lap->major_faults).at, is_finite ? "run" : "second",
             output_rate(experiment, base, base->minor_faults).at,
             output_rate(experiment, base, base->major_faults).at);
    print_row("FAULTS", text, out);
    snprintf(text, sizeof text,
             "for a processor %.1f %% of the time; %.1f %% without pressure (%s)",
             share_of(lap->run_wait, lap), share_of(base->run_wait, base),
             is_finite ? "its first process, first thread"
                       : "the first threads of its processes, added up");
    print_row("WAITING", text, out);
    print_stalls(lap, out);
    if (lap->is_injected_known)
        print_injected(lap, out);
}

/* -- allocations ------------------------------------------------------------------------------ */

struct calls {
    double p50, p99;
    uint64_t count; /* that were timed */
};

/* What the clock cannot tell from one of its steps. */
static struct units call_of(double seconds, double step)
{
    struct units text = output_time(seconds);
    if (seconds <= step)
        snprintf(text.at, sizeof text.at, "<= %.20s", output_time(step).at);
    return text;
}

static void print_calls(const char *name, struct calls base, struct calls low, double step,
                        const char *more, FILE *out)
{
    char text[256];
    if (base.count == 0 || low.count == 0)
        return;
    snprintf(text, sizeof text, "p50 %s -> %s, p99 %s -> %s%s", call_of(base.p50, step).at,
             call_of(low.p50, step).at, call_of(base.p99, step).at, call_of(low.p99, step).at,
             more);
    print_row(name, text, out);
}

static void print_latency(const struct experiment *experiment, const struct experiment_lap *low,
                          FILE *out)
{
    const struct experiment_lap *base = &experiment->calibration;
    const struct curve_figures *figures = &experiment->verdict.figures;
    double step = experiment->clock_step;
    char text[160];
    print_calls("SLOW CALLS", (struct calls){base->slow_p50, base->slow_p99, base->slow_calls},
                (struct calls){low->slow_p50, low->slow_p99, low->slow_calls}, step, "", out);
    snprintf(text, sizeof text, "(without pressure -> there; at worst D50 %s, D99 %s)",
             output_value(VERDICT_DEGRADATION, figures->latency[0]).at,
             output_value(VERDICT_DEGRADATION, figures->latency[1]).at);
    print_row("", text, out);
    print_calls("FAST CALLS", (struct calls){base->fast_p50, base->fast_p99, base->fast_calls},
                (struct calls){low->fast_p50, low->fast_p99, low->fast_calls}, step, "; 1 in 64",
                out);
    print_calls("FREES", (struct calls){base->free_p50, base->free_p99, base->fast_frees},
                (struct calls){low->free_p50, low->free_p99, low->fast_frees}, step, "; 1 in 64",
                out);
}

/* What only the library in the program can tell. */
static void print_heap(const struct experiment *experiment, const struct experiment_lap *low,
                       FILE *out)
{
    fprintf(out,
            "COVERAGE        %.0f %% of RssAnon is heap; %.0f %% with what the program mapped\n",
            100 * low->coverage, 100 * low->accounted);
    if (low->untouched > UNTOUCHED * low->resident_mean)
        fprintf(out, "                (%s more counts, which it has not touched)\n",
                output_bytes(low->untouched).at);
    fprintf(out, "IN THE HEAP     %.0f %% asked for; %.0f blocks a MiB, %.0f at first\n",
            100 * low->asked_share, low->objects, experiment->calibration.objects);
}

void output_own(const struct experiment *experiment, FILE *out)
{
    const struct experiment_lap *low = output_lowest(experiment);
    print_all_times(experiment, out);
    if (low == NULL)
        return;
    fprintf(out, "At %s, the lowest level held:\n", output_bytes(low->budget).at);
    print_parts(&low->parts, out);
    print_waits(experiment, low, out);
    if (low->slow_calls > 0) {
        print_latency(experiment, low, out);
        print_heap(experiment, low, out);
    }
    fprintf(out, "\n");
}
