/* table.h - the functions of a module's symbol table by address. libdwfl goes through the whole
 * table for each question: 1,300 call stacks of cc1 took 10 s. */
#ifndef MPRESS_TOOLS_SYMBOLS_TABLE_H
#define MPRESS_TOOLS_SYMBOLS_TABLE_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>

/* Made at the first question. */
struct table {
    size_t count;
    struct table_entry *entry; /* by address */
    bool is_made;
};

/* The name of what stands at `address` (as the process saw it); NULL: not known. */
const char *table_find(struct table *table, Dwfl_Module *module, Dwarf_Addr address);
void table_fini(struct table *table);

#endif
