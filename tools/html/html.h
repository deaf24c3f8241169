/* html.h - a report, or a comparison, as one page for a browser that needs nothing else: no
 * network, no other file. What comes out of a trace is in it as data only, never as markup. */
#ifndef MPRESS_TOOLS_HTML_HTML_H
#define MPRESS_TOOLS_HTML_HTML_H

#include <jansson.h>

#include "tools/diff/diff.h"
#include "tools/report/report.h"

/* To stdout; the exit status. report.c, diff.c */
int html_report(struct report *report);
int html_diff(struct diff *diff);

/* The page around `data`, which is gone then. page.c */
int html_page(json_t *data);

/* The maps of analysis/map.h. maps.c */
json_t *html_make_maps(const struct analysis *analysis);

/* What report_text, or report_verdict, prints, without colour. */
json_t *html_make_text(struct report *report, void (*print)(struct report *report));

#endif
