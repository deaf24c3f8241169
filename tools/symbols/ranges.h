/* ranges.h - which compilation unit an address belongs to. libdw knows it from .debug_aranges,
 * which gcc writes and clang does not. */
#ifndef MPRESS_TOOLS_SYMBOLS_RANGES_H
#define MPRESS_TOOLS_SYMBOLS_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <elfutils/libdwfl.h>

/* Address ranges of all units of a module; made at the first question that needs them. */
struct ranges {
    size_t count;
    size_t room;
    struct range *range; /* by address */
    bool is_made;
};

/* The unit that holds `address` (as the process saw it), or NULL; *bias: what to take from an
 * address before it is used with the unit. */
Dwarf_Die *ranges_find(struct ranges *ranges, Dwfl_Module *module, Dwarf_Addr address,
                       Dwarf_Addr *bias);
void ranges_fini(struct ranges *ranges);

#endif
