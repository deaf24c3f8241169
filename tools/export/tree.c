/* tree.c - see tree.h. */
#define _GNU_SOURCE /* qsort_r */
#include "tools/export/tree.h"

#include <stdlib.h>

struct wanted {
    const struct tree *tree;
    uint32_t parent;
    uint32_t function;
    uint64_t ip; /* 0: any */
};

static bool is_branch(const void *wanted_, uint32_t number)
{
    const struct wanted *wanted = wanted_;
    const struct branch *branch = &wanted->tree->branch[number];
    return branch->parent == wanted->parent && branch->function == wanted->function &&
           (wanted->ip == 0 || branch->frame->ip == wanted->ip);
}

static struct branch *add_branch(struct tree *tree)
{
    if (tree->branches == tree->room) {
        size_t room = 2 * tree->room + 1024;
        tree->branch =
            store_grow(tree->store, tree->branch, tree->room, room, sizeof(struct branch));
        tree->room = room;
    }
    return &tree->branch[tree->branches++];
}

static uint32_t get_branch(struct tree *tree, uint32_t parent, const struct call *call,
                           bool by_address)
{
    struct wanted wanted = {tree, parent, call->function, by_address ? call->frame->ip : 0};
    uint64_t hash = ((uint64_t)parent << 32 | call->function) + wanted.ip * UINT64_C(0x100000001b3);
    uint32_t next = tree->branches;
    uint32_t number = index_get(&tree->index, hash, is_branch, &wanted, next);
    if (number == next)
        *add_branch(tree) =
            (struct branch){.function = call->function, .parent = parent, .frame = call->frame};
    return number;
}

static void add_stack(struct tree *tree, const struct call *call, size_t count, uint64_t value,
                      bool inverted)
{
    uint32_t at = 0;
    tree->branch[0].value += value;
    for (size_t i = 0; i < count; i++) {
        at = get_branch(tree, at, &call[inverted ? i : count - 1 - i], inverted);
        tree->branch[at].value += value;
    }
}

static int compare(const void *a, const void *b, void *branch_)
{
    const struct branch *branch = branch_;
    const struct branch *one = &branch[*(const uint32_t *)a],
                        *other = &branch[*(const uint32_t *)b];
    if (one->value != other->value)
        return one->value < other->value ? -1 : 1;
    return one < other ? 1 : -1;
}

/* From the smallest on, each in front of its siblings. */
static void link_children(struct tree *tree)
{
    uint32_t *by_value = store_alloc(tree->store, tree->branches, sizeof *by_value);
    for (uint32_t i = 1; i < tree->branches; i++)
        by_value[i - 1] = i;
    qsort_r(by_value, tree->branches - 1, sizeof *by_value, compare, tree->branch);
    for (uint32_t i = 0; i + 1 < tree->branches; i++) {
        struct branch *branch = &tree->branch[by_value[i]];
        struct branch *parent = &tree->branch[branch->parent];
        branch->next = parent->first;
        parent->first = by_value[i];
        parent->children++;
    }
    store_free(by_value);
}

void tree_init(struct tree *tree, struct calls *calls, enum measure measure, bool inverted)
{
    struct store *store = store_create();
    const struct analysis *analysis = calls->source->analysis;
    *tree = (struct tree){.store = store, .index = {.store = store}};
    *add_branch(tree) = (struct branch){0};
    for (size_t i = 0; i < analysis->sites; i++) {
        struct call call[CALLS_MAX];
        uint64_t value = measure_get(analysis, &analysis->site[i], measure);
        if (value != 0)
            add_stack(tree, call, calls_read(calls, analysis->site[i].node, call), value, inverted);
    }
    link_children(tree);
}

void tree_fini(struct tree *tree)
{
    store_destroy(tree->store);
}
