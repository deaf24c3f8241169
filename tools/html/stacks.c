/* stacks.c - see stacks.h. */
#define _GNU_SOURCE /* qsort_r */
#include "tools/html/stacks.h"

#include <stdlib.h>

#include "tools/report/page.h"
#include "tools/values.h"

enum {
    MOST_BRANCHES = 20000, /* about 1 MiB of a page */
    NAME_COLUMNS = 240,    /* template names are longer than anybody reads */
};

struct wanted {
    const struct stacks *stacks;
    uint32_t parent;
    uint32_t function;
};

/* -- growing ---------------------------------------------------------------------------------- */

static bool is_branch(const void *wanted_, uint32_t number)
{
    const struct wanted *wanted = wanted_;
    const struct stack_branch *branch = &wanted->stacks->branch[number];
    return branch->parent == wanted->parent && branch->function == wanted->function;
}

static void add_branch(struct stacks *stacks, uint32_t parent, uint32_t function)
{
    if (stacks->branches == stacks->room) {
        size_t room = 2 * stacks->room + 1024;
        stacks->branch =
            store_grow(stacks->store, stacks->branch, stacks->room, room, sizeof stacks->branch[0]);
        stacks->room = room;
    }
    stacks->branch[stacks->branches++] =
        (struct stack_branch){.parent = parent, .function = function};
}

void stacks_init(struct stacks *stacks, struct store *store)
{
    *stacks = (struct stacks){.store = store, .index = {.store = store}};
    add_branch(stacks, 0, UINT32_MAX);
}

static void add_values(struct stack_branch *branch, const uint64_t value[STACKS_COLUMNS])
{
    for (int i = 0; i < STACKS_COLUMNS; i++)
        branch->value[i] += value[i];
}

uint32_t stacks_add(struct stacks *stacks, const struct call *call, size_t count,
                    const uint64_t value[STACKS_COLUMNS])
{
    uint32_t at = 0;
    add_values(&stacks->branch[0], value);
    for (size_t i = count; i-- > 0;) {
        struct wanted wanted = {stacks, at, call[i].function};
        uint64_t hash = (uint64_t)at << 32 | call[i].function;
        uint32_t next = stacks->branches;
        at = index_get(&stacks->index, hash, is_branch, &wanted, next);
        if (at == next)
            add_branch(stacks, wanted.parent, wanted.function);
        add_values(&stacks->branch[at], value);
    }
    return at;
}

/* -- choosing --------------------------------------------------------------------------------- */

static double get_share(const struct stacks *stacks, uint32_t number)
{
    double most = 0;
    for (int i = 0; i < STACKS_COLUMNS; i++) {
        double whole = (double)stacks->branch[0].value[i];
        double share = whole > 0 ? (double)stacks->branch[number].value[i] / whole : 0;
        most = share > most ? share : most;
    }
    return most;
}

/* By S1 and S2 a caller comes before what it calls. */
static int compare(const void *a, const void *b, void *share_)
{
    const double *share = share_;
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    if (share[one] != share[other])
        return share[one] < share[other] ? 1 : -1;
    return (one > other) - (one < other);
}

void stacks_choose(struct stacks *stacks)
{
    uint32_t *order = store_alloc(stacks->store, stacks->branches, sizeof order[0]);
    double *share = store_alloc(stacks->store, stacks->branches, sizeof share[0]);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < stacks->branches; i++) {
        order[i] = i;
        share[i] = get_share(stacks, i);
    }
    qsort_r(order, stacks->branches, sizeof order[0], compare, share);
    for (uint32_t i = 0; i < stacks->branches && i < MOST_BRANCHES; i++)
        stacks->branch[order[i]].kept = 1;
    for (uint32_t i = 0; i < stacks->branches; i++) {
        struct stack_branch *branch = &stacks->branch[i];
        if (branch->kept != 0)
            branch->kept = ++kept;
        else
            stacks->branch[branch->parent].is_cut = true;
    }
    store_free(order);
    store_free(share);
}

uint32_t stacks_find_kept(const struct stacks *stacks, uint32_t branch)
{
    while (stacks->branch[branch].kept == 0)
        branch = stacks->branch[branch].parent;
    return stacks->branch[branch].kept - 1;
}

/* -- writing ---------------------------------------------------------------------------------- */

/* Numbers the names that the page needs, in `number` (+ 1), and lists them. */
static json_t *make_names(const struct stacks *stacks, const struct calls *calls, uint32_t *number)
{
    json_t *names = json_array();
    for (uint32_t i = 1; i < stacks->branches; i++) {
        uint32_t function = stacks->branch[i].function;
        char name[PAGE_CELL_BYTES];
        if (stacks->branch[i].kept == 0 || number[function] != 0)
            continue;
        page_fit(name, calls_get_name(calls, function), NAME_COLUMNS, false);
        json_array_append_new(names, values_text(name));
        number[function] = (uint32_t)json_array_size(names);
    }
    return names;
}

static json_t *make_column(const struct stacks *stacks, int column)
{
    json_t *values = json_array();
    for (uint32_t i = 0; i < stacks->branches; i++) {
        if (stacks->branch[i].kept != 0)
            json_array_append_new(values, values_number(stacks->branch[i].value[column]));
    }
    return values;
}

static void add_links(const struct stacks *stacks, json_t *tree, const uint32_t *number)
{
    json_t *parent = json_array(), *name = json_array(), *cut = json_array();
    for (uint32_t i = 0; i < stacks->branches; i++) {
        const struct stack_branch *branch = &stacks->branch[i];
        if (branch->kept == 0)
            continue;
        json_array_append_new(parent, values_number(stacks->branch[branch->parent].kept - 1));
        json_array_append_new(name, values_number(i == 0 ? 0 : number[branch->function] - 1));
        if (branch->is_cut)
            json_array_append_new(cut, values_number(branch->kept - 1));
    }
    json_object_set_new(tree, "parent", parent);
    json_object_set_new(tree, "name", name);
    json_object_set_new(tree, "cut", cut);
}

json_t *stacks_make(const struct stacks *stacks, const struct calls *calls,
                    const char *const column[STACKS_COLUMNS])
{
    uint32_t *number = store_alloc(stacks->store, calls->names.count + 1, sizeof number[0]);
    json_t *tree = json_object();
    json_object_set_new(tree, "names", make_names(stacks, calls, number));
    add_links(stacks, tree, number);
    for (int i = 0; i < STACKS_COLUMNS && column[i] != NULL; i++)
        json_object_set_new(tree, column[i], make_column(stacks, i));
    store_free(number);
    return tree;
}
