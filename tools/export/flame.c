/* flame.c - a flame graph (Gregg 2016, "The Flame Graph"), callers above callees: a frame is as
 * wide as what its stacks hold. flame.js makes it move. */
#include <stdio.h>
#include <string.h>

#include "preload/mpress.h"
#include "tools/export/embed.h"
#include "tools/export/tree.h"
#include "tools/units.h"
#include "tools/values.h"

enum {
    LEFT = 10,
    WHOLE = 1180, /* width of the root; as in flame.js */
    TOP = 64,
    ROW = 17,
    COLOURS = 8,
    LEAST_PIXELS_INVERSE = 5, /* what is narrower than 1/5 pixel is not drawn */
};

struct flame {
    const struct calls *calls;
    const struct tree *tree;
    const struct measure_words *words;
    uint64_t left_away; /* frames too narrow to see */
};

/* Text of XML; what is no UTF-8 or a control character becomes '?'. */
static void print_text(const char *text)
{
    json_t *clean = values_text(text);
    for (const char *at = json_string_value(clean); *at != '\0'; at++) {
        switch (*at) {
        case '<':
            fputs("&lt;", stdout);
            break;
        case '>':
            fputs("&gt;", stdout);
            break;
        case '&':
            fputs("&amp;", stdout);
            break;
        case '"':
            fputs("&quot;", stdout);
            break;
        default:
            putchar((unsigned char)*at < ' ' ? '?' : *at);
        }
    }
    json_decref(clean);
}

static struct units describe(const struct flame *flame, uint64_t value)
{
    return flame->words->is_bytes ? units_bytes(value) : units_count(value);
}

static uint64_t get_whole(const struct flame *flame)
{
    return flame->tree->branch[0].value;
}

static bool is_visible(const struct flame *flame, const struct branch *branch)
{
    return (double)branch->value * WHOLE * LEAST_PIXELS_INVERSE >= (double)get_whole(flame);
}

/* A function has one colour wherever it is. */
static unsigned choose_colour(const struct flame *flame, uint32_t number)
{
    const struct branch *branch = &flame->tree->branch[number];
    return number == 0 ? 0 : (branch->function * 2654435761U >> 16) % COLOURS;
}

static unsigned find_depth(const struct flame *flame, uint32_t number)
{
    unsigned deepest = 0;
    for (uint32_t i = flame->tree->branch[number].first; i != 0; i = flame->tree->branch[i].next) {
        unsigned depth = is_visible(flame, &flame->tree->branch[i]) ? find_depth(flame, i) + 1 : 0;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

/* As much of the name as fits; flame.js does the same again when widths change. */
static void print_label(const char *name, double pixels)
{
    char label[WHOLE / 7 + 3];
    int letters = (int)((pixels - 4) / 7.3);
    if (letters < 3)
        return;
    if (strlen(name) > (size_t)letters)
        snprintf(label, sizeof label, "%.*s..", letters - 2, name);
    else
        snprintf(label, sizeof label, "%s", name);
    print_text(label);
}

static void print_frame(const struct flame *flame, uint32_t number, uint64_t before, unsigned depth)
{
    const struct branch *branch = &flame->tree->branch[number];
    const char *name = number == 0 ? "all" : calls_get_name(flame->calls, branch->function);
    double whole = (double)get_whole(flame);
    double x = (double)before / whole, width = (double)branch->value / whole;
    printf("<g class=\"h%u\" data-d=\"%u\" data-x=\"%.9f\" data-w=\"%.9f\" data-n=\"",
           choose_colour(flame, number), depth, x, width);
    print_text(name);
    fputs("\"><title>", stdout);
    print_text(name);
    printf(": %s, ", describe(flame, branch->value).at);
    print_text(units_percent(branch->value, get_whole(flame)).at);
    fputs("</title>", stdout);
    printf("<rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\"/><text x=\"%.2f\" y=\"%u\">",
           LEFT + x * WHOLE, TOP + depth * ROW, width * WHOLE, ROW - 1, LEFT + x * WHOLE + 3,
           TOP + depth * ROW + ROW - 5);
    print_label(name, width * WHOLE);
    fputs("</text></g>\n", stdout);
}

static void print_frames(struct flame *flame, uint32_t number, uint64_t before, unsigned depth)
{
    print_frame(flame, number, before, depth);
    for (uint32_t i = flame->tree->branch[number].first; i != 0; i = flame->tree->branch[i].next) {
        const struct branch *child = &flame->tree->branch[i];
        if (is_visible(flame, child))
            print_frames(flame, i, before, depth + 1);
        else
            flame->left_away++;
        before += child->value;
    }
}

/* As much of the command line as fits the title. */
static void print_command(const struct trace_facts *facts)
{
    char text[WHOLE / 12];
    size_t used = 0;
    if (facts->arguments == 0)
        print_text(facts->exe);
    for (size_t i = 0; i < facts->arguments && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : " ",
                                 facts->argument[i]);
    if (facts->arguments != 0)
        print_text(text);
}

static void print_head(const struct flame *flame, const struct analysis *analysis)
{
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\">\n",
           2 * LEFT + WHOLE, TOP + (find_depth(flame, 0) + 2) * ROW);
    printf("<!-- mpress %s -->\n<style>\n%s</style>\n", MPRESS_VERSION, embed_flame_css);
    printf("<text class=\"title\" x=\"%d\" y=\"22\">%s: ", LEFT, flame->words->title);
    print_command(analysis->facts);
    printf("</text>\n<text id=\"info\" class=\"quiet\" x=\"%d\" y=\"44\">%s%s in all</text>\n",
           LEFT, describe(flame, get_whole(flame)).at, flame->words->is_bytes ? "" : " calls");
    printf("<text id=\"reset\" class=\"button\" x=\"%d\" y=\"44\" text-anchor=\"end\" "
           "style=\"display:none\">whole picture (Esc)</text>\n",
           LEFT + WHOLE - 90);
    printf("<text id=\"search\" class=\"button\" x=\"%d\" y=\"44\" text-anchor=\"end\">search (/)"
           "</text>\n",
           LEFT + WHOLE);
}

void export_flame(const struct export_source *source, enum measure measure)
{
    struct calls calls;
    struct tree tree;
    calls_init(&calls, source);
    tree_init(&tree, &calls, measure, false);
    struct flame flame = {.calls = &calls, .tree = &tree, .words = &measure_words[measure]};
    print_head(&flame, source->analysis);
    if (get_whole(&flame) == 0)
        printf("<text x=\"%d\" y=\"%d\">nothing of this kind in the trace</text>\n", LEFT,
               TOP + ROW);
    else
        print_frames(&flame, 0, 0, 0);
    if (flame.left_away != 0)
        printf("<!-- %s too narrow to draw -->\n", units_plural(flame.left_away, "frame").at);
    if (get_whole(&flame) != 0)
        printf("<script><![CDATA[\n%s]]></script>\n", embed_flame_js);
    fputs("</svg>\n", stdout);
    tree_fini(&tree);
    calls_fini(&calls);
}
