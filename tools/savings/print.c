/* print.c - what was measured, for people and for programs. */
#include <inttypes.h>
#include <stdlib.h>

#include "tools/savings/savings.h"
#include "tools/units.h"
#include "tools/values.h"

#define SAVINGS_SCHEMA "mpress-savings/1"

static bool has_failed(const struct savings *savings, size_t row)
{
    return savings->table->row[row].error[0] != '\0';
}

/* -- text ------------------------------------------------------------------------------------- */

static struct units describe_saved(const struct saved *saved)
{
    struct units text, bytes = units_bytes((uint64_t)llabs(saved->bytes));
    if (!saved->is_certain)
        snprintf(text.at, sizeof text.at, "within noise");
    else
        snprintf(text.at, sizeof text.at, "%s%.20s %+.1f %%", saved->bytes < 0 ? "-" : "", bytes.at,
                 100 * saved->share);
    return text;
}

static void print_row(const struct savings *savings, const struct page *page, size_t row)
{
    const struct row *one = &savings->table->row[row];
    fprintf(page->out, "  %-26s", savings->candidate[row].name);
    if (has_failed(savings, row)) {
        fprintf(page->out, " failed\n");
        return;
    }
    fprintf(page->out, "%11s%11s %6.1f %%", units_bytes(one->stats.resident_peak.median).at,
            units_bytes(one->stats.resident_mean.median).at,
            100 * table_fragmentation(savings->table, one));
    struct saved saved = savings_read(savings, row);
    if (row != 0 && !has_failed(savings, 0))
        fprintf(page->out, "  %s", describe_saved(&saved).at);
    fputc('\n', page->out);
}

/* The candidate that saves most; 0: none does. */
static size_t find_best(const struct savings *savings)
{
    size_t best = 0;
    int64_t most = 0;
    for (size_t i = 1; i < savings->table->rows; i++) {
        struct saved saved = savings_read(savings, i);
        if (!has_failed(savings, i) && !has_failed(savings, 0) && saved.is_certain &&
            saved.bytes > most) {
            best = i;
            most = saved.bytes;
        }
    }
    return best;
}

static bool has_profile(const struct savings *savings)
{
    for (size_t i = 0; i < savings->table->rows; i++) {
        if (savings->candidate[i].kind >= CANDIDATE_CLASSES)
            return true;
    }
    return false;
}

/* So that it is worth to be written. */
static bool profile_saves(const struct savings *savings)
{
    for (size_t i = 1; i < savings->table->rows; i++) {
        struct saved saved = savings_read(savings, i);
        if (savings->candidate[i].kind >= CANDIDATE_CLASSES && !has_failed(savings, i) &&
            saved.is_certain && saved.bytes > 0)
            return true;
    }
    return false;
}

static void print_verdict(const struct savings *savings, const struct page *page)
{
    size_t best = find_best(savings);
    struct saved saved = savings_read(savings, best);
    if (has_failed(savings, 0))
        return;
    if (best == 0)
        page_paragraph(page, 2, "", "Nothing of this would save memory at the peak.");
    else
        page_paragraph(page, 2, "", "Least at the peak: %s, %s (%.1f %%) less than as it is.",
                       savings->candidate[best].name, units_bytes((uint64_t)saved.bytes).at,
                       100 * saved.share);
    if (!has_profile(savings))
        page_paragraph(page, 2, "", "No size class or magazine of its own would pay.");
    else if (profile_saves(savings))
        page_command(page, 2, "mpress tune", savings->table->options->trace, "writes the profile");
}

void savings_print(const struct savings *savings, const struct page *page)
{
    const struct table *table = savings->table;
    page_heading(page, "SAVINGS", "by replay; %s asked for at the peak",
                 units_bytes(table_asked(table)).at);
    fprintf(page->out, "  %s%-26s%11s%11s %8s  %s%s\n", page_dim(page), "resident", "at peak",
            "mean", "above", "saved at peak", page_plain(page));
    for (size_t i = 0; i < table->rows; i++)
        print_row(savings, page, i);
    fputc('\n', page->out);
    print_verdict(savings, page);
    page_paragraph(page, 2, "",
                   "Medians of %s; above: what is resident at the peak beyond what is asked for. "
                   "Within noise: the runs of one differ by more.",
                   units_plural(table->options->runs, "run").at);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_candidate(const struct savings *savings, size_t row)
{
    const struct row *one = &savings->table->row[row];
    json_t *object = json_object();
    values_set_text(object, "candidate", savings->candidate[row].key);
    if (has_failed(savings, row)) {
        values_set_text(object, "error", one->error);
        return object;
    }
    json_object_set_new(object, "peak_rss_bytes", table_figure_value(&one->stats.resident_peak));
    json_object_set_new(object, "mean_rss_bytes", table_figure_value(&one->stats.resident_mean));
    json_object_set_new(object, "fragmentation",
                        json_real(table_fragmentation(savings->table, one)));
    if (row == 0 || has_failed(savings, 0))
        return object;
    struct saved saved = savings_read(savings, row);
    json_object_set_new(object, "saved_bytes", json_integer(saved.bytes));
    values_set_number(object, "noise_bytes", saved.noise);
    json_object_set_new(object, "certain", json_boolean(saved.is_certain));
    return object;
}

int savings_print_json(const struct savings *savings)
{
    json_t *root = json_object(), *array = json_array();
    values_set_text(root, "schema", SAVINGS_SCHEMA);
    values_set_text(root, "trace", savings->table->options->trace);
    values_set_number(root, "runs", savings->table->options->runs);
    values_set_number(root, "peak_asked_bytes", table_asked(savings->table));
    for (size_t i = 0; i < savings->table->rows; i++)
        json_array_append_new(array, make_candidate(savings, i));
    json_object_set_new(root, "candidates", array);
    return values_print(root, 6);
}
