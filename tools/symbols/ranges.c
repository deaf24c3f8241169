/* ranges.c - asks libdw first; else walks all units once and sorts their ranges. */
#include "tools/symbols/ranges.h"

#include <stdio.h>
#include <stdlib.h>

struct range {
    Dwarf_Addr from, to; /* with the unit's bias added */
    Dwarf_Die *unit;
    Dwarf_Addr bias;
};

static void add_range(struct ranges *ranges, const struct range *range)
{
    if (range->from >= range->to)
        return;
    if (ranges->count == ranges->room) {
        ranges->room = ranges->room == 0 ? 64 : 2 * ranges->room;
        struct range *grown = realloc(ranges->range, ranges->room * sizeof ranges->range[0]);
        if (grown == NULL) {
            fputs("mpress: out of memory\n", stderr);
            exit(1);
        }
        ranges->range = grown;
    }
    ranges->range[ranges->count++] = *range;
}

static void add_unit(struct ranges *ranges, Dwarf_Die *unit, Dwarf_Addr bias)
{
    Dwarf_Addr base, from, to;
    ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(unit, offset, &base, &from, &to)) > 0)
        add_range(ranges, &(struct range){from + bias, to + bias, unit, bias});
}

static int compare(const void *a, const void *b)
{
    const struct range *one = a, *other = b;
    return (one->from > other->from) - (one->from < other->from);
}

static void make(struct ranges *ranges, Dwfl_Module *module)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = NULL;
    ranges->is_made = true;
    while ((unit = dwfl_module_nextcu(module, unit, &bias)) != NULL)
        add_unit(ranges, unit, bias);
    if (ranges->count > 0)
        qsort(ranges->range, ranges->count, sizeof ranges->range[0], compare);
}

Dwarf_Die *ranges_find(struct ranges *ranges, Dwfl_Module *module, Dwarf_Addr address,
                       Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(module, address, bias);
    if (unit != NULL)
        return unit;
    if (!ranges->is_made)
        make(ranges, module);
    size_t from = 0, to = ranges->count; /* the last range that begins at or before the address */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (ranges->range[middle].from <= address)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == 0 || address >= ranges->range[from - 1].to)
        return NULL;
    *bias = ranges->range[from - 1].bias;
    return ranges->range[from - 1].unit;
}

void ranges_fini(struct ranges *ranges)
{
    free(ranges->range);
}
