/* chart.h - one chart of a page, as SVG. Colours are the page's (chart_style): light or dark. */
#ifndef MPRESS_TOOLS_SCENARIO_CHART_H
#define MPRESS_TOOLS_SCENARIO_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tools/units.h"

enum chart_color { CHART_RED, CHART_INK, CHART_BLUE, CHART_GREEN, CHART_VIOLET, CHART_COLORS };

/* What a page needs in its style element. */
extern const char chart_style[];

enum { CHART_MARK_ROWS = 3, CHART_COLUMNS = 400 };

struct chart {
    FILE *out;
    double x_least, x_most; /* the axis may fall: x_least is at the left */
    double y_least, y_most;
    bool is_log;                      /* of y; y_least > 0 then */
    double row_ends[CHART_MARK_ROWS]; /* where the last name of a mark ends in it */
    struct units (*name_x)(double x); /* the names of values on an axis */
    struct units (*name_y)(double y);
};

void chart_begin(const struct chart *chart);
void chart_end(const struct chart *chart);

/* A line through points, dashed or not. */
void chart_begin_line(const struct chart *chart, enum chart_color color, bool is_dashed);
void chart_add_point(const struct chart *chart, double x, double y);
void chart_end_line(const struct chart *chart);

void chart_dot(const struct chart *chart, double x, double y, double radius,
               enum chart_color color);

/* A vertical line, with a name at its top as far as there is room; NULL: a thin one. */
void chart_mark(struct chart *chart, double x, const char *name);

/* What ends here, by a broken line with a name, and how sure that is, by a shade. */
struct chart_found {
    double x, low, high;
    const char *name;
};
void chart_found(const struct chart *chart, const struct chart_found *found);

/* What the colours mean. */
struct chart_key {
    enum chart_color color;
    const char *name;
};
void chart_print_key(const struct chart_key *keys, size_t count, FILE *out);

struct units chart_name_bytes(double value);
struct units chart_name_seconds(double value);  /* of a clock: "120 s" */
struct units chart_name_duration(double value); /* "1.25 us" */
struct units chart_name_factor(double value);

/* Text of others in a page: no markup, no control characters. */
void chart_print_text(const char *text, FILE *out);

#endif
