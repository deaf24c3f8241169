/* chart.c - a quantity over the time of the run, in characters. */
#include "tools/report/report.h"

/* A cell is filled if the column reaches at least to its middle; the lowest row shows anything. */
static void draw_row(const double value[CHART_COLUMNS], double limit, char out[CHART_COLUMNS + 1])
{
    size_t used = 0;
    for (size_t i = 0; i < CHART_COLUMNS; i++) {
        out[i] = value[i] > limit ? '#' : ' ';
        used = value[i] > limit ? i + 1 : used;
    }
    out[used] = '\0';
}

void report_chart(const struct report *report, const double value[CHART_COLUMNS], size_t rows,
                  chart_describe *describe)
{
    const struct analysis *analysis = report->analysis;
    FILE *out = report->page.out;
    double most = 0;
    for (size_t i = 0; i < CHART_COLUMNS; i++)
        most = value[i] > most ? value[i] : most;
    for (size_t row = rows; row-- > 0;) {
        char line[CHART_COLUMNS + 1];
        draw_row(value, row == 0 ? 0 : most * ((double)row + 0.5) / (double)rows, line);
        fprintf(out, "  %10s |%s\n",
                row + 1 == rows ? describe(most).at
                : row == 0      ? "0"
                                : "",
                line);
    }
    fprintf(out, "  %10s +0%*s\n", "", CHART_COLUMNS - 1,
            units_duration(analysis_since_start(analysis, analysis->last_ns)).at);
}
