/* text.c - the findings in 80 columns: what is lost where, what the profile does about it. */
#include <stdlib.h>
#include <string.h>

#include "tools/tune/tune.h"
#include "tools/units.h"

enum { CLASSES_SHOWN = 10, SIZES_SHOWN = 2, RUNS_LEAST = 3 };

static struct units mean_bytes(double bytes)
{
    return units_bytes(bytes > 0 ? (uint64_t)(bytes + 0.5) : 0);
}

/* "7.9 %" */
static struct units ratio(double part, double whole)
{
    struct units text;
    if (whole <= 0)
        snprintf(text.at, sizeof text.at, "-");
    else
        snprintf(text.at, sizeof text.at, "%.1f %%", 100 * part / whole);
    return text;
}

/* -- classes ---------------------------------------------------------------------------------- */

/* One class of the library and the sizes that it serves. */
struct served {
    uint32_t from, bytes;
    uint64_t requests;
    struct loss before, after;
};

static void fill_served(const struct tuning *tuning, size_t rung, struct served *served)
{
    served->bytes = tuning->ladder.rung[rung].bytes;
    served->from = rung == 0 ? 0 : tuning->ladder.rung[rung - 1].bytes;
    served->before = demand_lose(&tuning->demand, &tuning->ladder, served->from, served->bytes);
    served->after = demand_lose(&tuning->demand, &tuning->tuned, served->from, served->bytes);
    served->requests = 0;
    for (uint32_t size = served->from + (rung != 0); size <= served->bytes; size++)
        served->requests += tuning->demand.use[size].requests;
}

static int compare_lost(const void *a, const void *b)
{
    const struct served *one = a, *other = b;
    return (one->before.mean < other->before.mean) - (one->before.mean > other->before.mean);
}

/* The sizes asked for most, each with its share of the class. */
static void print_sizes(const struct tuning *tuning, const struct served *served, FILE *out)
{
    uint64_t below = UINT64_MAX;
    for (int shown = 0; shown < SIZES_SHOWN; shown++) {
        uint32_t top = 0;
        uint64_t most = 0;
        for (uint32_t size = served->from + 1; size <= served->bytes; size++) {
            uint64_t requests = tuning->demand.use[size].requests;
            if (requests < below && requests > most) {
                top = size;
                most = requests;
            }
        }
        if (most == 0)
            break;
        fprintf(out, "%s%u: %.0f %%", shown == 0 ? "" : ", ", top,
                100 * (double)most / (double)served->requests);
        below = most;
    }
    fputc('\n', out);
}

static void print_served(const struct tuning *tuning, const struct page *page,
                         const struct served *served)
{
    fprintf(page->out, "  %6u %12s ", served->bytes, units_count(served->requests).at);
    fprintf(page->out, "%10s ", mean_bytes(served->before.mean_asked).at);
    fprintf(page->out, "%10s ", mean_bytes(served->before.mean).at);
    fprintf(page->out, "%10s  ", mean_bytes(served->after.mean).at);
    print_sizes(tuning, served, page->out);
}

static void print_classes(const struct tuning *tuning, const struct page *page)
{
    static struct served served[LADDER_MOST];
    for (size_t rung = 0; rung < tuning->ladder.rungs; rung++)
        fill_served(tuning, rung, &served[rung]);
    qsort(served, tuning->ladder.rungs, sizeof served[0], compare_lost);
    page_heading(page, "CLASSES", "those that lose most bytes to rounding up, averages over time");
    fprintf(page->out, "  %s%6s %12s %10s %10s %10s  %s%s\n", page_dim(page), "class", "requests",
            "asked for", "lost", "then", "sizes asked for most", page_plain(page));
    for (size_t i = 0; i < CLASSES_SHOWN && i < tuning->ladder.rungs; i++) {
        if (served[i].before.mean > 0)
            print_served(tuning, page, &served[i]);
    }
}

/* -- the profile ------------------------------------------------------------------------------ */

static void print_exacts(const struct tuning *tuning, const struct page *page)
{
    page_heading(page, "EXACT CLASSES", "%zu of 16 that a profile can add", tuning->exacts);
    if (tuning->exacts == 0) {
        page_paragraph(page, 2, "", "None saves the slab of 16 KiB that it would bind.");
        return;
    }
    fprintf(page->out, "  %s%6s %12s %22s %20s%s\n", page_dim(page), "class", "requests",
            "lost on average", "at the peak", page_plain(page));
    for (size_t i = 0; i < tuning->exacts; i++) {
        const struct exact *exact = &tuning->exact[i];
        fprintf(page->out, "  %6u %12s ", exact->bytes, units_count(exact->requests).at);
        fprintf(page->out, "%9s -> ", mean_bytes(exact->before.mean).at);
        fprintf(page->out, "%9s ", mean_bytes(exact->after.mean).at);
        fprintf(page->out, "%8s -> ", mean_bytes(exact->before.peak).at);
        fprintf(page->out, "%8s\n", mean_bytes(exact->after.peak).at);
    }
}

static void print_warms(const struct tuning *tuning, const struct page *page)
{
    page_heading(page, "WARM MAGAZINES", "%zu classes", tuning->warms);
    if (tuning->warms == 0) {
        page_paragraph(page, 2, "",
                       "None: magazines of 8 rounds that double on use serve these threads well.");
        return;
    }
    fprintf(page->out, "  %s%6s %7s %14s %26s%s\n", page_dim(page), "class", "rounds", "calls",
            "to the slow door", page_plain(page));
    for (size_t i = 0; i < tuning->warms; i++) {
        const struct warm *warm = &tuning->warm[i];
        fprintf(page->out, "  %6u %7u %14s ", warm->bytes, warm->rounds,
                units_count(warm->calls).at);
        fprintf(page->out, "%11s -> ", units_count(warm->doors_before).at);
        fprintf(page->out, "%11s\n", units_count(warm->doors_after).at);
    }
}

/* -- the promise ------------------------------------------------------------------------------ */

static void print_promise_row(const struct page *page, const char *name, double before,
                              double after, double asked)
{
    fprintf(page->out, "  %-30s %10s %7s ", name, mean_bytes(before).at, ratio(before, asked).at);
    fprintf(page->out, "%13s %7s\n", mean_bytes(after).at, ratio(after, asked).at);
}

static void print_promise(const struct tuning *tuning, const struct page *page)
{
    const struct loss *before = &tuning->before, *after = &tuning->after;
    page_heading(page, "PREDICTION",
                 "bytes that rounding up takes, and their share of those asked"
                 " for");
    fprintf(page->out, "  %s%-30s %18s %21s%s\n", page_dim(page), "", "without", "with the profile",
            page_plain(page));
    print_promise_row(page, "on average over time", before->mean, after->mean, before->mean_asked);
    print_promise_row(page, "when most was asked for", before->peak, after->peak,
                      before->peak_asked);
    print_promise_row(page, "summed over all requests", before->requests, after->requests,
                      before->requests_asked);
}

static void print_head(const struct tuning *tuning, const struct page *page, const char *trace)
{
    const struct demand *demand = &tuning->demand;
    page_paragraph(
        page, 0, "",
        "%s: %s in %s, at most %s asked for at a time. In size classes: %s of the requests, %s of "
        "the bytes; what is larger or aligned apart, no profile changes.",
        trace, units_plural(demand->requests, "request").at,
        units_plural(demand->threads, "thread").at, units_bytes(demand->peak_bytes).at,
        units_percent(demand->requests - demand->outside, demand->requests).at,
        ratio(tuning->before.mean_asked * demand->span_ns, demand->all_asked_ns).at);
}

void tune_print(const struct tuning *tuning, const struct page *page, const char *trace)
{
    print_head(tuning, page, trace);
    if (!tuning->demand.is_complete)
        page_paragraph(page, 0, "* ", "Whether all events are there is not proven: %s",
                       tuning->demand.incomplete_why.text);
    print_classes(tuning, page);
    print_exacts(tuning, page);
    print_warms(tuning, page);
    print_promise(tuning, page);
}

/* -- the proof -------------------------------------------------------------------------------- */

static void print_measured(const struct page *page, const char *name,
                           const struct stats_figure *without, const struct stats_figure *with,
                           struct units (*text)(uint64_t))
{
    double change =
        without->median == 0 ? 0 : 100 * ((double)with->median / (double)without->median - 1);
    double spread =
        stats_spread(without) > stats_spread(with) ? stats_spread(without) : stats_spread(with);
    fprintf(page->out, "  %-28s %12s ", name, text(without->median).at);
    fprintf(page->out, "%12s %+9.1f %% %8.1f %%\n", text(with->median).at, change, 100 * spread);
}

/* What follows from the figures: an effect counts when it is larger than the spread of the runs. */
static void print_judgement(const struct tuning *tuning, const struct page *page,
                            const struct table *table)
{
    const struct stats *without = &table->row[0].stats, *with = &table->row[1].stats;
    unsigned runs = table->options->runs;
    double promised = tuning->before.peak - tuning->after.peak;
    double lost = (double)without->internal_peak.median - (double)with->internal_peak.median;
    double rss = (double)without->resident_peak.median - (double)with->resident_peak.median;
    bool is_less = with->resident_peak.most < without->resident_peak.least;
    page_paragraph(page, 2, "", "Rounding took %s less at the peak; predicted were %s.",
                   mean_bytes(lost).at, mean_bytes(promised).at);
    if (is_less)
        page_paragraph(page, 2, "",
                       "It pays: every run with the profile took less memory at its"
                       " peak than any without, %s in the median.",
                       mean_bytes(rss).at);
    else
        page_paragraph(page, 2, "",
                       "It does not pay in memory: the peaks with and without it"
                       " overlap, or it is larger with the profile.");
    if (runs < RUNS_LEAST)
        page_paragraph(page, 2, "", "So few runs prove nothing about the time.");
    else if (with->wall_ns.least > without->wall_ns.most)
        page_paragraph(page, 2, "", "It costs time: every run with it took longer.");
    else if (with->wall_ns.most < without->wall_ns.least)
        page_paragraph(page, 2, "", "It saves time: every run with it was shorter.");
    else
        page_paragraph(page, 2, "", "The times overlap: no difference is proven.");
}

void tune_print_proof(const struct tuning *tuning, const struct page *page,
                      const struct table *table)
{
    const struct stats *without = &table->row[0].stats, *with = &table->row[1].stats;
    page_heading(page, "PROOF", "the trace replayed, medians of %u runs each, in turns",
                 table->options->runs);
    fprintf(page->out, "  %s%-28s %12s %12s %11s %10s%s\n", page_dim(page), "", "without", "with",
            "change", "spread", page_plain(page));
    print_measured(page, "peak resident memory", &without->resident_peak, &with->resident_peak,
                   units_bytes);
    print_measured(page, "mean resident memory", &without->resident_mean, &with->resident_mean,
                   units_bytes);
    print_measured(page, "lost to rounding at the peak", &without->internal_peak,
                   &with->internal_peak, units_bytes);
    print_measured(page, "lost to rounding on average", &without->internal_mean,
                   &with->internal_mean, units_bytes);
    print_measured(page, "page faults", &without->minor_faults, &with->minor_faults, units_count);
    print_measured(page, "time", &without->wall_ns, &with->wall_ns, units_duration);
    print_judgement(tuning, page, table);
}
