/* chart.c - see chart.h */
#include "tools/scenario/chart.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 900, HEIGHT = 290, LEFT = 80, RIGHT = 20, TOP = 46, BOTTOM = 34, TICKS = 4 };

/* Names of marks: rows of text, and how wide a letter is, about. */
enum { ROW = 13, LETTER = 7, NAME_GAP = 4 };

#define COLORS_LIGHT                                                                               \
    ".k0{--k:#c33}.k1{--k:#333}.k2{--k:#27c}.k3{--k:#197b4f}.k4{--k:#a3a}"                         \
    ".grid{stroke:#ddd}.mark{stroke:#999}text{fill:#555}"
#define COLORS_DARK                                                                                \
    ".k0{--k:#f77}.k1{--k:#ddd}.k2{--k:#6af}.k3{--k:#5d9}.k4{--k:#d8d}"                            \
    ".grid{stroke:#333}.mark{stroke:#777}text{fill:#aaa}"

const char chart_style[] =
    "svg{width:100%;height:auto}text{font:12px system-ui,sans-serif}"
    ".line{fill:none;stroke:var(--k);stroke-width:1.6}.dot{fill:var(--k)}.key{color:var(--k)}"
    ".thin{stroke-dasharray:1 3}.shade{fill:var(--k);opacity:.15}" COLORS_LIGHT
    "@media(prefers-color-scheme:dark){" COLORS_DARK "}";

void chart_print_text(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '<' || *text == '&' || *text == '>')
            fprintf(out, "&#%d;", *text);
        else if ((unsigned char)*text >= ' ')
            fputc(*text, out);
    }
}

/* -- axes ------------------------------------------------------------------------------------- */

static double place_x(const struct chart *chart, double x)
{
    double span = chart->x_most - chart->x_least;
    return LEFT + (span == 0 ? 0 : (x - chart->x_least) / span) * (WIDTH - LEFT - RIGHT);
}

/* Of the axis' length. */
static double find_share(const struct chart *chart, double y)
{
    if (chart->y_most <= chart->y_least)
        return 0;
    if (chart->is_log)
        return log(fmax(y, chart->y_least) / chart->y_least) / log(chart->y_most / chart->y_least);
    return (y - chart->y_least) / (chart->y_most - chart->y_least);
}

static double place_y(const struct chart *chart, double y)
{
    return HEIGHT - BOTTOM - fmin(1, fmax(0, find_share(chart, y))) * (HEIGHT - TOP - BOTTOM);
}

struct units chart_name_bytes(double value)
{
    return units_bytes((uint64_t)fmax(0, value));
}

struct units chart_name_seconds(double value)
{
    struct units text;
    snprintf(text.at, sizeof text.at, "%.0f s", value);
    return text;
}

struct units chart_name_duration(double value)
{
    return units_duration((uint64_t)(value * 1e9 + 0.5));
}

struct units chart_name_factor(double value)
{
    struct units text;
    snprintf(text.at, sizeof text.at, "%.1f x", value);
    return text;
}

static void draw_tick_y(const struct chart *chart, double y)
{
    double at = place_y(chart, y);
    fprintf(chart->out,
            "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
            LEFT, WIDTH - RIGHT, at, at, LEFT - 6, at + 4, chart->name_y(y).at);
}

void chart_begin(const struct chart *chart)
{
    fprintf(chart->out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, HEIGHT);
    for (int i = 0; i <= TICKS; i++) {
        double x = chart->x_least + (chart->x_most - chart->x_least) * i / TICKS;
        fprintf(chart->out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                place_x(chart, x), HEIGHT - BOTTOM + 18, chart->name_x(x).at);
        if (!chart->is_log)
            draw_tick_y(chart, chart->y_least + (chart->y_most - chart->y_least) * i / TICKS);
    }
    for (double y = chart->y_least; chart->is_log && y < 1.001 * chart->y_most; y *= 10)
        draw_tick_y(chart, y);
}

void chart_end(const struct chart *chart)
{
    fprintf(chart->out, "</svg>\n");
}

/* -- what is in it ---------------------------------------------------------------------------- */

void chart_begin_line(const struct chart *chart, enum chart_color color, bool is_dashed)
{
    fprintf(chart->out, "<polyline class=\"line k%d\"%s points=\"", (int)color,
            is_dashed ? " stroke-dasharray=\"6 3\"" : "");
}

void chart_add_point(const struct chart *chart, double x, double y)
{
    fprintf(chart->out, "%.1f,%.1f ", place_x(chart, x), place_y(chart, y));
}

void chart_end_line(const struct chart *chart)
{
    fprintf(chart->out, "\"/>");
}

void chart_dot(const struct chart *chart, double x, double y, double radius, enum chart_color color)
{
    fprintf(chart->out, "<circle class=\"dot k%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>",
            (int)color, place_x(chart, x), place_y(chart, y), radius);
}

/* The first row that is free there; CHART_MARK_ROWS: none is. */
static int find_row(const struct chart *chart, double at)
{
    int row = 0;
    while (row < CHART_MARK_ROWS && chart->row_ends[row] > at)
        row++;
    return row;
}

/* Behind its line, in a row of its own; before it at the chart's end. What would lie on others is
 * left out. */
static void print_name(struct chart *chart, double at, int row, const char *name)
{
    double end = at + NAME_GAP + LETTER * (double)strlen(name);
    bool is_last = end > WIDTH;
    if (row == CHART_MARK_ROWS)
        return;
    chart->row_ends[row] = end;
    fprintf(chart->out, "<text x=\"%.1f\" y=\"%d\"%s>", is_last ? at - NAME_GAP : at + NAME_GAP,
            ROW * (row + 1) - 3, is_last ? " text-anchor=\"end\"" : "");
    chart_print_text(name, chart->out);
    fprintf(chart->out, "</text>");
}

void chart_mark(struct chart *chart, double x, const char *name)
{
    double at = place_x(chart, x);
    int row = name == NULL ? CHART_MARK_ROWS : find_row(chart, at);
    fprintf(chart->out, "<line class=\"mark%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>",
            name == NULL ? " thin" : "", at, at, row == CHART_MARK_ROWS ? TOP : ROW * row,
            HEIGHT - BOTTOM);
    if (name != NULL)
        print_name(chart, at, row, name);
}

void chart_found(const struct chart *chart, const struct chart_found *found)
{
    double x = place_x(chart, found->x);
    double left = fmax(LEFT, place_x(chart, found->high)), right = place_x(chart, found->low);
    fprintf(chart->out,
            "<rect class=\"shade k0\" x=\"%.1f\" width=\"%.1f\" y=\"%d\" height=\"%d\"/>", left,
            fmax(0, right - left), TOP, HEIGHT - TOP - BOTTOM);
    fprintf(chart->out,
            "<line class=\"line k0\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" "
            "stroke-dasharray=\"4 3\"/><text x=\"%.1f\" y=\"%d\"%s>",
            x, x, TOP, HEIGHT - BOTTOM, x > WIDTH / 2.0 ? x - 4 : x + 4, HEIGHT - BOTTOM - 8,
            x > WIDTH / 2.0 ? " text-anchor=\"end\"" : "");
    chart_print_text(found->name, chart->out);
    fprintf(chart->out, "</text>");
}

void chart_print_key(const struct chart_key *keys, size_t count, FILE *out)
{
    fprintf(out, "<p>");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "<span class=\"key k%d\">&#9632;</span> %s &nbsp; ", (int)keys[i].color,
                keys[i].name);
    fprintf(out, "</p>\n");
}
