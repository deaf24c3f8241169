/* table.c - the results on a terminal of 80 columns. */
#include "tools/replay/table.h"

#include <math.h>
#include <string.h>

#include "tools/units.h"

enum { NAME_COLUMNS = 10 };

uint64_t table_operations(const struct table *table)
{
    return table->compiled->program->operations * table->options->copies * table->options->rounds;
}

uint64_t table_asked(const struct table *table)
{
    return table->compiled->program->peak_bytes * table->options->copies;
}

uint64_t table_recorded_heap(const struct table *table)
{
    uint64_t most = 0;
    if (table->source->trace == NULL)
        return 0;
    const struct trace_facts *facts = trace_facts(table->source->trace);
    for (size_t i = 0; i < facts->samples; i++) {
        const struct trace_sample *sample = &facts->sample[i];
        uint64_t heap =
            sample->live + sample->external + sample->cached + sample->dirty + sample->meta;
        if (sample->live != 0 && heap > most)
            most = heap;
    }
    return most;
}

double table_fragmentation(const struct table *table, const struct row *row)
{
    uint64_t asked = table_asked(table);
    return asked == 0 ? 0 : (double)row->stats.resident_peak.median / (double)asked - 1;
}

double table_rate(const struct table *table, const struct row *row)
{
    uint64_t ns = row->stats.wall_ns.median;
    return ns == 0 ? 0 : (double)table_operations(table) * 1e9 / (double)ns;
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
    fprintf(out, " %4s %4s", short_duration((uint64_t)(latency->mean + 0.5)).at,
            short_duration(latency->p50).at);
    fprintf(out, " %5s %5s", short_duration(latency->p99).at, short_duration(latency->most).at);
}

static void print_row(const struct table *table, const struct row *row, FILE *out)
{
    const struct stats *stats = &row->stats;
    const char *name = row->allocator->name;
    bool is_long = strlen(name) > NAME_COLUMNS;
    fprintf(out, "%s%s%-*s", is_long ? name : "", is_long ? "\n" : "", NAME_COLUMNS,
            is_long ? "" : name);
    if (row->error[0] != '\0') {
        fprintf(out, " failed: %s\n", row->error);
        return;
    }
    fprintf(out, " %8s %3.0f%%", units_duration(stats->wall_ns.median).at,
            100 * stats_spread(&stats->wall_ns));
    fprintf(out, " %6.1f", table_rate(table, row) / 1e6);
    print_latency(&stats->latency, out);
    if (row->allocator->is_none) { /* no memory either */
        fputc('\n', out);
        return;
    }
    fprintf(out, " %9s", units_bytes(stats->resident_peak.median).at);
    fprintf(out, " %9s", units_bytes(stats->resident_mean.median).at);
    fprintf(out, " %6.3f\n", table_fragmentation(table, row));
}

static void print_head(const struct table *table, FILE *out)
{
    const struct program_header *program = table->compiled->program;
    fprintf(out, "%s: ", source_name(table->source));
    fprintf(out, "%s in ", units_plural(table_operations(table), "operation").at);
    fprintf(out, "%s",
            units_plural(program->threads * (uint64_t)table->options->copies, "thread").at);
    fprintf(out, "\nat most %s asked for at a time, ", units_bytes(table_asked(table)).at);
    fprintf(out, "at most %s\n",
            units_plural(program->peak_objects * table->options->copies, "block").at);
    if (table->options->copies > 1 || table->options->rounds > 1)
        fprintf(out, "copies side by side: %u, rounds one after another: %u\n",
                table->options->copies, table->options->rounds);
    fputc('\n', out);
}

/* How often something is done that takes so many ns, per second. */
static double rate_of(double ns)
{
    return ns > 0 ? 1e9 / ns : 0;
}

static uint64_t find_least_wall(const struct table *table)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < table->rows; i++) {
        const struct row *row = &table->row[i];
        if (row->error[0] == '\0' && row->stats.wall_ns.least < least)
            least = row->stats.wall_ns.least;
    }
    return least;
}

static void print_overhead(const struct table *table, FILE *out)
{
    uint64_t operations = table_operations(table);
    if (table->overhead_ns == 0 || operations == 0)
        return;
    double each = (double)table->overhead_ns / (double)operations;
    if (table->overhead_ns > find_least_wall(table)) {
        fprintf(out, "What the replay itself takes is lost in what else the machine does.\n");
        return;
    }
    fprintf(out,
            "The replay itself takes %.1f ns of each operation: with calls that do nothing it\n",
            each);
    fprintf(out, "does %s.\n", units_rate(rate_of(each)).at);
}

static void print_environments(const struct table *table, FILE *out)
{
    for (size_t i = 0; i < table->rows; i++) {
        const struct allocator *allocator = table->row[i].allocator;
        if (allocator->is_path)
            fprintf(out, "%s: %s\n", allocator->name, allocator->library);
        for (size_t k = 0; k < allocator->variables; k++)
            fprintf(out, "%s: %s\n", allocator->name, allocator->variable[k]);
    }
}

static void print_pace(const struct table *table, FILE *out)
{
    uint64_t most = 0;
    for (size_t i = 0; i < table->rows; i++)
        most =
            table->row[i].stats.behind_ns.most > most ? table->row[i].stats.behind_ns.most : most;
    if (table->options->speed == 1)
        fprintf(out, "At the recorded speed");
    else
        fprintf(out, "At %g times the recorded speed", table->options->speed);
    fprintf(out, "; no call came more than %s late.\n", units_duration(most).at);
}

/* Does memory grow from round to round? */
static void print_rounds(const struct table *table, FILE *out)
{
    for (size_t i = 0; i < table->rows; i++) {
        const struct row *row = &table->row[i];
        if (row->error[0] != '\0' || row->allocator->is_none)
            continue;
        fprintf(out, "%s: %s resident with everything freed behind the first round, ",
                row->allocator->name, units_bytes(row->stats.resident_first.median).at);
        fprintf(out, "%s\nbehind the last.\n", units_bytes(row->stats.resident_last.median).at);
    }
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

/* What a busy machine does to runs of milliseconds is more than what allocators differ by. */
static void print_shortness(const struct table *table, FILE *out)
{
    const uint64_t long_enough_ns = 100000000, wanted_ns = 500000000;
    uint64_t least = UINT64_MAX; /* of the medians */
    double spread = 0;
    for (size_t i = 0; i < table->rows; i++) {
        const struct stats_figure *wall = &table->row[i].stats.wall_ns;
        if (table->row[i].error[0] != '\0' || wall->median == 0)
            continue;
        least = wall->median < least ? wall->median : least;
        spread = fmax(spread, stats_spread(wall));
    }
    uint64_t rounds = table->options->rounds * (wanted_ns / least + 1);
    rounds = rounds < OPTIONS_RUNS_MOST ? rounds : OPTIONS_RUNS_MOST;
    if (least < long_enough_ns && spread > 0.1 && table->options->speed == 0 &&
        rounds > table->options->rounds)
        fprintf(out, "Runs so short differ much: --repeat %llu makes them longer.\n",
                (unsigned long long)rounds);
}

static size_t count_failed(const struct table *table)
{
    size_t failed = 0;
    for (size_t i = 0; i < table->rows; i++)
        failed += table->row[i].error[0] != '\0';
    return failed;
}

static void print_notes(const struct table *table, FILE *out)
{
    const struct program_header *program = table->compiled->program;
    fprintf(out, "\nMedians of %s; \xc2\xb1: (longest - shortest) / median.\n",
            units_plural(table->options->runs, "run").at);
    if (table->options->is_timed)
        fprintf(out, "Latencies of single calls, from a run of their own: ns; u: us, m: ms.\n");
    print_shortness(table, out);
    print_environments(table, out);
    if (table->options->profile != NULL)
        print_profile(table, out);
    fprintf(out, "RSS: above that before the first call. frag: peak RSS / most asked for - 1.\n");
    if (table_recorded_heap(table) != 0)
        fprintf(out, "Recorded: a resident heap of at most %s under mpress.\n",
                units_bytes(table_recorded_heap(table)).at);
    print_overhead(table, out);
    if (table->options->speed > 0)
        print_pace(table, out);
    if (table->options->rounds > 1)
        print_rounds(table, out);
    if (program->txns != 0)
        fprintf(out,
                "Transactions: %s of %s as such where the allocator has them; the blocks of\n"
                "others, and elsewhere, by malloc and free.\n",
                units_count(program->txns_whole).at, units_count(program->txns).at);
    if (program->skipped != 0)
        fprintf(out, "Left out: %s (blocks older than the trace, failed allocations).\n",
                units_plural(program->skipped, "event").at);
    if (table->options->is_verified)
        fprintf(out, "Verified: contents (no overlaps), alignment and zeroing of every block%s.\n",
                count_failed(table) != 0 ? " of the others" : "");
}

void table_print(const struct table *table, FILE *out)
{
    print_head(table, out);
    fprintf(out, "%-*s %8s %4s %6s %4s %4s %5s %5s %9s %9s %6s\n", NAME_COLUMNS, "allocator",
            "time", "  \xc2\xb1", "M/s", "mean", "p50", "p99", "max", "peak RSS", "mean RSS",
            "frag");
    for (size_t i = 0; i < table->rows; i++)
        print_row(table, &table->row[i], out);
    print_notes(table, out);
}
