/* page.h - text of at most 80 columns, with colour where it is wanted. */
#ifndef MPRESS_TOOLS_REPORT_PAGE_H
#define MPRESS_TOOLS_REPORT_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { PAGE_COLUMNS = 80, PAGE_CELL_BYTES = 512 };

struct page {
    FILE *out;
    bool has_colour;
};

/* Colour if `out` is a terminal, unless the user said no (NO_COLOR, --no-color, TERM=dumb). */
void page_init(struct page *page, FILE *out, bool colour_wanted);

/* "" or the escape sequence: for use within a format. */
const char *page_bold(const struct page *page);
const char *page_dim(const struct page *page);
const char *page_plain(const struct page *page);

/* A section: blank line, its name in bold; with a heading, what it says in one go. */
void page_title(const struct page *page, const char *name);
void page_heading(const struct page *page, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A paragraph, wrapped at 80 columns; later lines are indented like the first. `mark` stands in
 * front of the first ("* "), blanks as wide in front of the others. */
void page_paragraph(const struct page *page, int indent, const char *mark, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "COMMAND PATH   meaning"; the meaning on a line of its own where one line is too short. */
void page_command(const struct page *page, int indent, const char *command, const char *path,
                  const char *meaning);

/* A bar of '#' for a share of the whole, at most `width` wide; at least '.' if part is not 0. */
void page_make_bar(char *out, size_t width, double part, double whole);

/* Copies `text` so that it takes at most `width` columns, cutting "..." into it: at its start when
 * its end matters (paths), else in the middle. Control characters become '?'. Width >= 8. */
void page_fit(char out[PAGE_CELL_BYTES], const char *text, size_t width, bool end_matters);

#endif
