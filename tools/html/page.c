/* page.c - the page: markup and style of our own, the data as JSON, then the scripts, which make
 * the rest. */
#define _GNU_SOURCE /* open_memstream */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/export/embed.h"
#include "tools/html/html.h"

static const char *const scripts[] = {
    embed_base_js,   embed_timeline_js, embed_stacks_js,  embed_treemap_js, embed_heap_map_js,
    embed_tables_js, embed_patterns_js, embed_compare_js, embed_main_js,
};

/* In JSON a < stands in texts only, where an escape means the same: so nothing of the data can
 * end the script element or begin another one. */
static int write_data(const char *at, size_t bytes, void *context)
{
    (void)context;
    for (const char *end = at + bytes; at < end;) {
        const char *sign = memchr(at, '<', (size_t)(end - at));
        size_t plain = (size_t)((sign != NULL ? sign : end) - at);
        fwrite(at, 1, plain, stdout);
        if (sign != NULL)
            fputs("\\u003c", stdout);
        at += plain + (sign != NULL);
    }
    return ferror(stdout) ? -1 : 0;
}

int html_page(json_t *data)
{
    printf("%s<style>\n%s</style>\n%s<script type=\"application/json\" id=\"data\">",
           embed_head_html, embed_page_css, embed_body_html);
    int failed = json_dump_callback(data, write_data, NULL, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(data);
    fputs("</script>\n<script>\n(function () {\n\"use strict\";\n", stdout);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        fputs(scripts[i], stdout);
    fputs("})();\n</script>\n</body>\n</html>\n", stdout);
    return failed != 0 || ferror(stdout) ? CLI_FAILED : CLI_OK;
}

/* Texts of a trace may be no UTF-8. */
static json_t *make_whole_text(char *text)
{
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    for (char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    }
    return json_string(text);
}

json_t *html_make_text(struct report *report, void (*print)(struct report *report))
{
    struct page page = report->page;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL)
        return json_null();
    report->page = (struct page){.out = out};
    print(report);
    report->page = page;
    fclose(out);
    json_t *value = make_whole_text(text);
    free(text);
    return value;
}
