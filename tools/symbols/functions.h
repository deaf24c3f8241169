/* functions.h - which functions an address is in: the one whose code it is, and those inlined
 * there.
 *
 * libdw's dwarf_getscopes walks the whole unit for each address, and again for what lies around an
 * inlined function. Here a unit is walked once, at its first address; then only the function. */
#ifndef MPRESS_TOOLS_SYMBOLS_FUNCTIONS_H
#define MPRESS_TOOLS_SYMBOLS_FUNCTIONS_H

#include <elfutils/libdw.h>
#include <stddef.h>

enum { FUNCTIONS_DEPTH = 64 }; /* functions inlined into each other that are followed */

/* Of the units that were asked for, by their place. */
struct functions {
    size_t count, room;
    struct functions_unit *unit;
};

/* The functions around `address`, as the unit counts, innermost first; how many. 0: none is known
 * there. */
size_t functions_find(struct functions *functions, Dwarf_Die *unit, Dwarf_Addr address,
                      Dwarf_Die found[FUNCTIONS_DEPTH]);
void functions_fini(struct functions *functions);

#endif
