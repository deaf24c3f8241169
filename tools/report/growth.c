/* growth.c - what grows from cycle to cycle, in words and as data. */
#include "tools/analysis/growth.h"

#include <math.h>
#include <string.h>

#include "tools/report/report.h"

/* A rate is below a byte where a stack leaks now and then. */
static struct units describe_rate(double bytes)
{
    struct units text;
    if (fabs(bytes) >= 10)
        snprintf(text.at, sizeof text.at, "%s%.40s", bytes < 0 ? "-" : "",
                 units_bytes((uint64_t)(fabs(bytes) + 0.5)).at);
    else
        snprintf(text.at, sizeof text.at, "%.2f B", bytes);
    return text;
}

static struct units describe_level(double bytes)
{
    return units_bytes(bytes < 0 ? 0 : (uint64_t)(bytes + 0.5));
}

/* ", 43.2 KiB an hour"; nothing after a run of less than ten seconds. */
static struct units describe_hour(const struct growth *growth, double rate)
{
    struct units text = {""};
    if ((double)growth->cycle_ns * (double)growth->cycles > 10e9)
        snprintf(text.at, sizeof text.at, ", %.20s an hour",
                 describe_rate(rate * 3600e9 / (double)growth->cycle_ns).at);
    return text;
}

/* "50 cycles (\"round #\", 1.25 s each)" */
static void describe_cycles(const struct growth *growth, char *out, size_t bytes)
{
    char label[PAGE_CELL_BYTES];
    struct units each = units_duration(growth->cycle_ns);
    if (growth->basis == GROWTH_MARKS) {
        page_fit(label, growth->label, 30, false);
        snprintf(out, bytes, "%zu cycles (mark \"%.30s\", %s each)", growth->cycles, label,
                 each.at);
    } else {
        snprintf(out, bytes, "%zu %s of %s", growth->cycles,
                 growth->basis == GROWTH_PERIODS ? "periods" : "parts", each.at);
    }
}

static const char *name_cycle(const struct growth *growth)
{
    return growth->basis == GROWTH_MARKS     ? "a cycle"
           : growth->basis == GROWTH_PERIODS ? "a period"
                                             : "a part";
}

/* "99.2 % sure", and never all of it. */
static struct units describe_confidence(const struct growth *growth)
{
    struct units text;
    if (growth->confidence > 0.999)
        snprintf(text.at, sizeof text.at, "over 99.9 %% sure");
    else
        snprintf(text.at, sizeof text.at, "%.1f %% sure", 100 * growth->confidence);
    return text;
}

/* -- the verdict ------------------------------------------------------------------------------ */

/* Cycles come back to the same point, so growth is a leak or has to be explained; without them it
 * may be all that the program does. */
static void say_found(struct report *report, const char *cycles)
{
    const struct growth *growth = &report->growth;
    const struct growing *most = &growth->growing[0];
    char name[PAGE_CELL_BYTES], others[64] = "";
    double rate = 0;
    for (size_t i = 0; i < growth->found; i++)
        rate += growth->growing[i].trend.rate;
    report_name_group(report, &most->group, name);
    if (growth->found > 1)
        snprintf(others, sizeof others, ", most, %.20s, ", describe_rate(most->trend.rate).at);
    page_paragraph(&report->page, 2, "* ", "%s: %s %s%s over %s, %s, by %s%s%s.",
                   growth->basis == GROWTH_SLICES ? "Grows all the time" : "GROWTH LEAK",
                   describe_rate(rate).at, name_cycle(growth), describe_hour(growth, rate).at,
                   cycles, describe_confidence(growth).at,
                   growth->found > 1 ? units_plural(growth->found, "call stack").at : name, others,
                   growth->found > 1 ? name : "");
}

void report_say_growth(struct report *report)
{
    const struct growth *growth = &report->growth;
    char cycles[160];
    if (growth->basis == GROWTH_UNKNOWN || (growth->found == 0 && growth->basis == GROWTH_SLICES))
        return;
    describe_cycles(growth, cycles, sizeof cycles);
    if (growth->found != 0)
        say_found(report, cycles);
    else
        page_paragraph(&report->page, 2, "* ",
                       "No call stack grows over %s: of %s that changed none holds more and more.",
                       cycles, units_count(growth->tested).at);
}

/* -- the section ------------------------------------------------------------------------------ */

static void print_growing(struct report *report, size_t number)
{
    const struct growth *growth = &report->growth;
    const struct growing *one = &growth->growing[number];
    const struct growth_trend *trend = &one->trend;
    const struct page *page = &report->page;
    fprintf(page->out, "%s%3zu. %s %s%s (%s to %s)%s; %s early, %s late\n", page_bold(page),
            number + 1, describe_rate(trend->rate).at, name_cycle(growth), page_plain(page),
            describe_rate(trend->low).at, describe_rate(trend->high).at,
            describe_hour(growth, trend->rate).at, describe_level(trend->early).at,
            describe_level(trend->late).at);
    report_stack(report, one->group.node);
}

void report_growth(struct report *report)
{
    const struct growth *growth = &report->growth;
    const struct page *page = &report->page;
    char cycles[160];
    if (growth->basis == GROWTH_UNKNOWN || growth->found == 0)
        return;
    describe_cycles(growth, cycles, sizeof cycles);
    page_heading(page, "GROWTH", "over %s", cycles);
    if (growth->basis == GROWTH_SLICES)
        page_paragraph(page, 2, "",
                       "No mark returns %d times and no period is plain to see, so whether these "
                       "give it back at the end of a round is not known.",
                       COURSE_CYCLES_LEAST);
    size_t shown = growth->found < report->top ? growth->found : report->top;
    for (size_t i = 0; i < shown; i++)
        print_growing(report, i);
    if (shown < growth->found)
        page_paragraph(page, 2, "", "... and %s; --all shows them",
                       units_plural(growth->found - shown, "more stack").at);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static void set_trend(json_t *object, const struct growth_trend *trend)
{
    json_object_set_new(object, "early_bytes", json_real(trend->early));
    json_object_set_new(object, "late_bytes", json_real(trend->late));
    json_object_set_new(object, "bytes_a_cycle", json_real(trend->rate));
    json_object_set_new(object, "bytes_a_cycle_low", json_real(trend->low));
    json_object_set_new(object, "bytes_a_cycle_high", json_real(trend->high));
}

json_t *report_json_growth(struct report *report)
{
    static const char *const bases[] = {"unknown", "marks", "periods", "slices"};
    const struct growth *growth = &report->growth;
    json_t *object = json_object(), *stacks = json_array(), *total = json_object();
    if (growth->basis == GROWTH_UNKNOWN) {
        json_decref(object);
        json_decref(stacks);
        json_decref(total);
        return json_null();
    }
    values_set_text(object, "basis", bases[growth->basis]);
    values_set_text(object, "label", growth->label);
    values_set_number(object, "cycles", growth->cycles);
    values_set_number(object, "cycle_ns", growth->cycle_ns);
    values_set_number(object, "tested", growth->tested);
    json_object_set_new(object, "confidence",
                        growth->found == 0 ? json_null() : json_real(growth->confidence));
    set_trend(total, &growth->total);
    json_object_set_new(object, "total", total);
    for (size_t i = 0; i < growth->found && i < report->top; i++) {
        json_t *stack = json_object();
        set_trend(stack, &growth->growing[i].trend);
        json_object_set_new(stack, "frames",
                            report_json_frames(report, growth->growing[i].group.node));
        json_array_append_new(stacks, stack);
    }
    values_set_number(object, "found", growth->found);
    json_object_set_new(object, "stacks", stacks);
    return object;
}
