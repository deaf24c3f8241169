/* tree.c - the traces of a folder as the family that their processes were. */
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/family.h"
#include "tools/report/report.h"
#include "tools/units.h"
#include "tools/values.h"

#define TREE_SCHEMA "mpress-family/1"

enum { INDENT = 2, INDENT_MOST = 24 };

/* Who came from whom, by number; NONE: from nobody in the folder. */
struct tree {
    struct family family;
    size_t *from;
    enum family_link *link;
    struct page page;
};

#define NONE SIZE_MAX

static const char *const links[] = {[FAMILY_FIRST] = "",
                                    [FAMILY_BECAME] = "then ",
                                    [FAMILY_FORKED] = "forked ",
                                    [FAMILY_STARTED] = "started "};

static struct units describe_life(const struct family_member *member)
{
    if (member->end_ns > member->start_ns)
        return units_duration(member->end_ns - member->start_ns);
    return (struct units){.at = "no end"};
}

static void print_member(const struct tree *tree, size_t number, size_t depth)
{
    const struct family_member *member = &tree->family.member[number];
    const char *slash = strrchr(member->path, '/');
    size_t indent = INDENT * (depth + 1) < INDENT_MOST ? INDENT * (depth + 1) : INDENT_MOST;
    char text[PAGE_CELL_BYTES], line[2 * PAGE_CELL_BYTES], cut[PAGE_CELL_BYTES];
    page_fit(cut, slash == NULL ? member->path : slash + 1, 30, true);
    snprintf(text, sizeof text, "%s%llu, %s, %s in %.30s: ", links[tree->link[number]],
             (unsigned long long)member->pid, describe_life(member).at,
             units_bytes(member->bytes).at, cut);
    snprintf(line, sizeof line, "%s%s", text, member->command);
    page_fit(cut, line, sizeof cut - 1, false); /* for the control characters */
    fprintf(tree->page.out, "%*s%.*s\n", (int)indent, "", (int)(PAGE_COLUMNS - indent), cut);
}

/* What a process became stands below it, its children further in. */
static void print_below(const struct tree *tree, size_t number, size_t depth)
{
    print_member(tree, number, depth);
    for (size_t i = 0; i < tree->family.members; i++) {
        if (tree->from[i] == number && tree->link[i] != FAMILY_BECAME)
            print_below(tree, i, depth + 1);
    }
    for (size_t i = 0; i < tree->family.members; i++) {
        if (tree->from[i] == number && tree->link[i] == FAMILY_BECAME)
            print_below(tree, i, depth);
    }
}

static void find_origins(struct tree *tree, struct store *store)
{
    size_t members = tree->family.members;
    tree->from = store_alloc(store, members, sizeof tree->from[0]);
    tree->link = store_alloc(store, members, sizeof tree->link[0]);
    for (size_t i = 0; i < members; i++) {
        size_t from = NONE;
        tree->link[i] = family_find_origin(&tree->family, i, &from);
        tree->from[i] = tree->link[i] == FAMILY_FIRST ? NONE : from;
    }
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_member(const struct tree *tree, size_t number)
{
    static const char *const how[] = {[FAMILY_FIRST] = "first",
                                      [FAMILY_BECAME] = "became",
                                      [FAMILY_FORKED] = "forked",
                                      [FAMILY_STARTED] = "started"};
    const struct family_member *member = &tree->family.member[number];
    size_t from = tree->from[number];
    json_t *object = json_object();
    values_set_text(object, "path", member->path);
    values_set_text(object, "command", member->command);
    values_set_number(object, "pid", member->pid);
    values_set_number(object, "bytes", member->bytes);
    values_set_number(object, "start_ns", member->start_ns);
    if (member->end_ns > member->start_ns)
        values_set_number(object, "duration_ns", member->end_ns - member->start_ns);
    json_object_set_new(object, "runs", json_boolean(member->is_alive && member->end_ns == 0));
    values_set_text(object, "how", how[tree->link[number]]);
    values_set_text(object, "from", from == NONE ? NULL : tree->family.member[from].path);
    return object;
}

static int print_json(const struct tree *tree)
{
    json_t *root = json_object(), *members = json_array();
    values_set_text(root, "schema", TREE_SCHEMA);
    for (size_t i = 0; i < tree->family.members; i++)
        json_array_append_new(members, make_member(tree, i));
    json_object_set_new(root, "traces", members);
    return values_print(root, 0);
}

/* -- text ------------------------------------------------------------------------------------- */

static int print_text(struct tree *tree, bool colour_wanted)
{
    page_init(&tree->page, stdout, colour_wanted);
    page_heading(&tree->page, "FAMILY", "%s", units_plural(tree->family.members, "trace").at);
    for (size_t i = 0; i < tree->family.members; i++) {
        if (tree->from[i] == NONE)
            print_below(tree, i, 0);
    }
    return CLI_OK;
}

int report_tree(const char *folder, bool colour_wanted, bool as_json)
{
    struct tree tree;
    family_init_folder(&tree.family, folder);
    if (tree.family.members == 0) {
        cli_say("%s: a folder without traces (*.mpt)", folder);
        return CLI_FAILED;
    }
    struct store *store = store_create();
    find_origins(&tree, store);
    int status = as_json ? print_json(&tree) : print_text(&tree, colour_wanted);
    store_destroy(store);
    family_fini(&tree.family);
    return status;
}
