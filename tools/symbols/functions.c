/* functions.c - the ranges of a unit's functions, by address; and the way down into one. */
#include "tools/symbols/functions.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "tools/trace/memory.h"

/* A stretch of a function's code. */
struct stretch {
    Dwarf_Addr from, to;
    Dwarf_Die die;
};

struct functions_unit {
    const void *key; /* where the unit's entry begins in memory */
    size_t count, room;
    struct stretch *stretch; /* by address */
};

/* -- a unit ----------------------------------------------------------------------------------- */

static void add_function(struct functions_unit *unit, Dwarf_Die *die)
{
    Dwarf_Addr base, from, to;
    ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(die, offset, &base, &from, &to)) > 0) {
        if (from >= to)
            continue;
        unit->stretch =
            memory_grow(unit->stretch, unit->count, &unit->room, sizeof unit->stretch[0]);
        unit->stretch[unit->count++] = (struct stretch){from, to, *die};
    }
}

/* What may hold functions that are no part of another one's code. */
static bool is_around_functions(int tag)
{
    return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type ||
           tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static void add_functions(struct functions_unit *unit, Dwarf_Die *parent, unsigned depth)
{
    Dwarf_Die die;
    for (int got = dwarf_child(parent, &die); got == 0; got = dwarf_siblingof(&die, &die)) {
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_subprogram)
            add_function(unit, &die);
        else if (is_around_functions(tag) && depth < FUNCTIONS_DEPTH)
            add_functions(unit, &die, depth + 1);
    }
}

static int compare(const void *a, const void *b)
{
    const struct stretch *one = a, *other = b;
    return (one->from > other->from) - (one->from < other->from);
}

/* Number of the first unit that does not lie before the key. */
static size_t find_place(const struct functions *functions, const void *key)
{
    size_t from = 0, to = functions->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if ((uintptr_t)functions->unit[middle].key < (uintptr_t)key)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static struct functions_unit *get_unit(struct functions *functions, Dwarf_Die *die)
{
    size_t at = find_place(functions, die->addr);
    if (at < functions->count && functions->unit[at].key == die->addr)
        return &functions->unit[at];
    functions->unit =
        memory_grow(functions->unit, functions->count, &functions->room, sizeof functions->unit[0]);
    for (size_t i = functions->count++; i > at; i--)
        functions->unit[i] = functions->unit[i - 1];
    struct functions_unit *unit = &functions->unit[at];
    *unit = (struct functions_unit){.key = die->addr};
    add_functions(unit, die, 0);
    if (unit->count > 1)
        qsort(unit->stretch, unit->count, sizeof unit->stretch[0], compare);
    return unit;
}

void functions_fini(struct functions *functions)
{
    for (size_t i = 0; i < functions->count; i++)
        free(functions->unit[i].stretch);
    free(functions->unit);
}

/* -- an address ------------------------------------------------------------------------------- */

static const Dwarf_Die *find_function(const struct functions_unit *unit, Dwarf_Addr address)
{
    size_t from = 0, to = unit->count; /* the last stretch that begins at or before the address */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (unit->stretch[middle].from <= address)
            from = middle + 1;
        else
            to = middle;
    }
    bool is_in_it = from != 0 && address < unit->stretch[from - 1].to;
    return is_in_it ? &unit->stretch[from - 1].die : NULL;
}

/* What of a function's entry has code of its own. */
static bool has_code(int tag)
{
    return tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
           tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

/* The part of `die` that holds the address; false: none does. */
static bool find_part(Dwarf_Die *die, Dwarf_Addr address, Dwarf_Die *part)
{
    for (int got = dwarf_child(die, part); got == 0; got = dwarf_siblingof(part, part)) {
        if (has_code(dwarf_tag(part)) && dwarf_haspc(part, address) > 0)
            return true;
    }
    return false;
}

size_t functions_find(struct functions *functions, Dwarf_Die *unit, Dwarf_Addr address,
                      Dwarf_Die found[FUNCTIONS_DEPTH])
{
    const Dwarf_Die *function = find_function(get_unit(functions, unit), address);
    if (function == NULL)
        return 0;
    Dwarf_Die here = *function, part;
    size_t count = 1;
    found[FUNCTIONS_DEPTH - 1] = here;
    for (; count < FUNCTIONS_DEPTH && find_part(&here, address, &part); here = part) {
        if (dwarf_tag(&part) == DW_TAG_inlined_subroutine)
            found[FUNCTIONS_DEPTH - ++count] = part;
    }
    for (size_t i = 0; i < count; i++)
        found[i] = found[FUNCTIONS_DEPTH - count + i];
    return count;
}
