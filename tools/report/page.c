/* page.c - wraps, cuts and colours. */
#define _GNU_SOURCE /* fileno, isatty */
#include "tools/report/page.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void page_init(struct page *page, FILE *out, bool colour_wanted)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    bool is_dumb = terminal == NULL || strcmp(terminal, "dumb") == 0;
    page->out = out;
    page->has_colour = colour_wanted && (no_colour == NULL || *no_colour == '\0') && !is_dumb &&
                       isatty(fileno(out)) == 1;
}

const char *page_bold(const struct page *page)
{
    return page->has_colour ? "\033[1m" : "";
}

const char *page_dim(const struct page *page)
{
    return page->has_colour ? "\033[2m" : "";
}

const char *page_plain(const struct page *page)
{
    return page->has_colour ? "\033[0m" : "";
}

void page_title(const struct page *page, const char *name)
{
    fprintf(page->out, "\n%s%s%s\n", page_bold(page), name, page_plain(page));
}

void page_heading(const struct page *page, const char *name, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(page->out, "\n%s%s%s  ", page_bold(page), name, page_plain(page));
    vfprintf(page->out, format, list);
    fputc('\n', page->out);
    va_end(list);
}

/* Bytes of `text` for a line of `width` columns: up to a blank if there is one. */
static size_t find_break(const char *text, size_t width)
{
    size_t length = strlen(text);
    if (length <= width)
        return length;
    for (size_t at = width; at > 0; at--) {
        if (text[at] == ' ')
            return at;
    }
    return width;
}

void page_paragraph(const struct page *page, int indent, const char *mark, const char *format, ...)
{
    char text[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    size_t width = PAGE_COLUMNS - (size_t)indent - strlen(mark);
    int blanks = indent + (int)strlen(mark);
    bool is_first = true;
    for (const char *at = text; *at != '\0';) {
        size_t length = find_break(at, width);
        if (is_first)
            fprintf(page->out, "%*s%s", indent, "", mark);
        else
            fprintf(page->out, "%*s", blanks, "");
        fprintf(page->out, "%.*s\n", (int)length, at);
        at += length;
        at += strspn(at, " ");
        is_first = false;
    }
}

void page_command(const struct page *page, int indent, const char *command, const char *path,
                  const char *meaning)
{
    size_t width = (size_t)indent + strlen(command) + 1 + strlen(path) + 3 + strlen(meaning);
    fprintf(page->out, "%*s%s %s", indent, "", command, path);
    if (width > PAGE_COLUMNS)
        fprintf(page->out, "\n%*s", indent, "");
    fprintf(page->out, "   %s\n", meaning);
}

void page_make_bar(char *out, size_t width, double part, double whole)
{
    double share = whole > 0 ? part / whole : 0;
    size_t length = (size_t)((share > 1 ? 1 : share) * (double)width + 0.5);
    memset(out, '#', length);
    out[length] = '\0';
    if (length == 0 && part > 0)
        strcpy(out, ".");
}

static void copy_printable(char *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        out[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
}

void page_fit(char out[PAGE_CELL_BYTES], const char *text, size_t width, bool end_matters)
{
    size_t length = strlen(text);
    if (width >= PAGE_CELL_BYTES)
        width = PAGE_CELL_BYTES - 1;
    if (length <= width) {
        copy_printable(out, text, length);
        out[length] = '\0';
        return;
    }
    size_t head = end_matters ? 0 : (width - 3) / 2;
    size_t tail = width - 3 - head;
    copy_printable(out, text, head);
    memcpy(out + head, "...", 3);
    copy_printable(out + head + 3, text + length - tail, tail);
    out[width] = '\0';
}
