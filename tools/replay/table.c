/* table.c - the results on a terminal of 80 columns. */
#include "tools/replay/table.h"

#include <string.h>

#include "tools/units.h"

enum { NAME_COLUMNS = 10 };

double table_fragmentation(const struct table *table, const struct row *row)
{
    uint64_t asked = table->compiled->program->peak_bytes;
    return asked == 0 ? 0 : (double)row->stats.resident_peak.median / (double)asked - 1;
}

double table_rate(const struct table *table, const struct row *row)
{
    uint64_t ns = row->stats.wall_ns.median;
    return ns == 0 ? 0 : (double)table->compiled->program->operations * 1e9 / (double)ns;
}

/* "12", "840", "1.2u", "3.4m": four columns for a latency. */
static struct units short_duration(uint64_t ns)
{
    static const char letters[] = "num";
    struct units text;
    double value = (double)ns;
    unsigned letter = 0;
    while (value >= 999.5 && letter < 3) {
        value /= 1000;
        letter++;
    }
    if (letter == 0)
        snprintf(text.at, sizeof(text.at), "%.0f", value);
    else if (letter == 3)
        snprintf(text.at, sizeof(text.at), "%.1fs", value);
    else
        snprintf(text.at, sizeof(text.at), value < 9.95 ? "%.1f%c" : "%.0f%c", value,
                 letters[letter]);
    return text;
}

static void print_latency(const struct stats_latency *latency, FILE *out)
{
    if (!latency->is_known) {
        fprintf(out, " %4s %4s %5s %5s", "-", "-", "-", "-");
        return;
    }
    fprintf(out, " %4s %4s", short_duration(latency->p50).at, short_duration(latency->p99).at);
    fprintf(out, " %5s %5s", short_duration(latency->p999).at, short_duration(latency->most).at);
}

static void print_row(const struct table *table, const struct row *row, FILE *out)
{
    const struct stats *stats = &row->stats;
    fprintf(out, "%-*.*s", NAME_COLUMNS, NAME_COLUMNS, row->allocator->name);
    if (row->error[0] != '\0') {
        fprintf(out, " failed: %s\n", row->error);
        return;
    }
    fprintf(out, " %8s %3.0f%%", units_duration(stats->wall_ns.median).at,
            100 * stats_spread(&stats->wall_ns));
    fprintf(out, " %6.1f", table_rate(table, row) / 1e6);
    print_latency(&stats->latency, out);
    fprintf(out, " %9s", units_bytes(stats->resident_peak.median).at);
    fprintf(out, " %9s", units_bytes(stats->resident_mean.median).at);
    fprintf(out, " %6.3f\n", table_fragmentation(table, row));
}

static void print_head(const struct table *table, FILE *out)
{
    const struct program_header *program = table->compiled->program;
    fprintf(out, "%s: ", table->facts->path);
    fprintf(out, "%s in ", units_plural(program->operations, "operation").at);
    fprintf(out, "%s", units_plural(program->threads, "thread").at);
    fprintf(out, "\nat most %s asked for at a time, ", units_bytes(program->peak_bytes).at);
    fprintf(out, "at most %s\n\n", units_plural(program->peak_objects, "block").at);
}

static void print_overhead(const struct table *table, FILE *out)
{
    const struct program_header *program = table->compiled->program;
    if (table->overhead_ns == 0 || program->operations == 0)
        return;
    double each = (double)table->overhead_ns / (double)program->operations;
    fprintf(out,
            "The replay itself takes %.1f ns of each operation (a run of calls that do nothing).\n",
            each);
}

/* What a profile is made for: the bytes that rounding up to size classes takes. */
static void print_profile(const struct table *table, FILE *out)
{
    fprintf(out, "profile: mpress with MPRESS_PROFILE=%s.\n", table->options->profile);
    for (size_t i = 0; i < table->rows; i++) {
        const struct row *row = &table->row[i];
        if (row->error[0] == '\0' && row->knows_internal)
            fprintf(out, "%s: rounding up takes %s at the peak, %s on average.\n",
                    row->allocator->name, units_bytes(row->stats.internal_peak.median).at,
                    units_bytes(row->stats.internal_mean.median).at);
    }
}

static void print_notes(const struct table *table, FILE *out)
{
    const struct program_header *program = table->compiled->program;
    fprintf(out, "\nMedians of %s; \xc2\xb1: (longest - shortest) / median.\n",
            units_plural(table->options->runs, "run").at);
    if (table->options->is_timed)
        fprintf(out, "Latencies of single calls, from a run of their own: ns; u: us, m: ms.\n");
    if (table->options->profile != NULL)
        print_profile(table, out);
    fprintf(out, "RSS: above that before the first call. frag: peak RSS / most asked for - 1.\n");
    print_overhead(table, out);
    if (program->skipped != 0)
        fprintf(out, "Left out: %s (blocks older than the trace, failed allocations).\n",
                units_plural(program->skipped, "event").at);
    if (table->options->is_verified)
        fprintf(out, "Verified: contents, alignment and zeroing of every block.\n");
}

void table_print(const struct table *table, FILE *out)
{
    print_head(table, out);
    fprintf(out, "%-*s %8s %4s %6s %4s %4s %5s %5s %9s %9s %6s\n", NAME_COLUMNS, "allocator",
            "time", "  \xc2\xb1", "M/s", "p50", "p99", "p99.9", "max", "peak RSS", "mean RSS",
            "frag");
    for (size_t i = 0; i < table->rows; i++)
        print_row(table, &table->row[i], out);
    print_notes(table, out);
}
