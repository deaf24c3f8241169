/* table.c - of several names at one address the one that other modules can see is meant, and a
 * symbol with a size comes before labels within it. */
#include "tools/symbols/table.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { NESTED_MOST = 64 }; /* labels looked at before one that has a size */

struct table_entry {
    Dwarf_Addr start;
    Dwarf_Addr end; /* of a label: of its section */
    const char *name;
    uint32_t index; /* in the symbol table */
    uint8_t rank;   /* smaller ones are better known */
    bool is_label;  /* has no size */
};

static bool is_function(const GElf_Sym *symbol, GElf_Word section)
{
    unsigned type = GELF_ST_TYPE(symbol->st_info);
    return section != SHN_UNDEF &&
           (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE);
}

static uint8_t find_rank(const GElf_Sym *symbol)
{
    unsigned binding = GELF_ST_BIND(symbol->st_info);
    return binding == STB_GLOBAL ? 0 : binding == STB_WEAK ? 1 : 2;
}

/* Of a section, as the process saw it; `start` is where it saw the symbol. */
static Dwarf_Addr find_section_end(Elf *elf, GElf_Word section, const GElf_Sym *symbol,
                                   Dwarf_Addr start)
{
    GElf_Shdr header;
    if (gelf_getshdr(elf_getscn(elf, section), &header) == NULL)
        return start + 1;
    return start - symbol->st_value + header.sh_addr + header.sh_size;
}

static int compare(const void *a, const void *b)
{
    const struct table_entry *one = a, *other = b;
    if (one->start != other->start)
        return one->start < other->start ? -1 : 1;
    if (one->is_label != other->is_label)
        return one->is_label ? 1 : -1;
    if (one->rank != other->rank)
        return one->rank < other->rank ? -1 : 1;
    return one->index < other->index ? -1 : 1;
}

static void add(struct table *table, Dwfl_Module *module, int index)
{
    GElf_Sym symbol;
    GElf_Addr start;
    GElf_Word section;
    Elf *elf;
    Dwarf_Addr bias;
    const char *name =
        dwfl_module_getsym_info(module, index, &symbol, &start, &section, &elf, &bias);
    if (name == NULL || *name == '\0' || !is_function(&symbol, section))
        return;
    bool is_label = symbol.st_size == 0;
    table->entry[table->count++] = (struct table_entry){
        .start = start,
        .end = is_label ? find_section_end(elf, section, &symbol, start) : start + symbol.st_size,
        .name = name,
        .index = (uint32_t)index,
        .rank = find_rank(&symbol),
        .is_label = is_label,
    };
}

static void make(struct table *table, Dwfl_Module *module)
{
    int symbols = dwfl_module_getsymtab(module);
    table->is_made = true;
    if (symbols <= 0)
        return;
    table->entry = calloc((size_t)symbols, sizeof table->entry[0]);
    if (table->entry == NULL) {
        fputs("mpress: out of memory\n", stderr);
        exit(1);
    }
    for (int i = 0; i < symbols; i++)
        add(table, module, i);
    qsort(table->entry, table->count, sizeof table->entry[0], compare);
}

/* How many begin at or before `address`. */
static size_t count_before(const struct table *table, Dwarf_Addr address)
{
    size_t from = 0, to = table->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (table->entry[middle].start <= address)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

const char *table_find(struct table *table, Dwfl_Module *module, Dwarf_Addr address)
{
    if (!table->is_made)
        make(table, module);
    size_t before = count_before(table, address);
    const struct table_entry *best = NULL, *label = NULL;
    for (size_t i = before; i-- > 0 && before - i <= NESTED_MOST;) {
        const struct table_entry *entry = &table->entry[i];
        if (best != NULL && entry->start != best->start)
            break;
        if (entry->is_label && (label == NULL || label->start == entry->start))
            label = entry;
        else if (!entry->is_label && address < entry->end)
            best = entry;
    }
    if (best != NULL)
        return best->name;
    /* A label counts only if nothing with a size ended between it and the address. */
    bool is_nearest = label != NULL && label->start == table->entry[before - 1].start;
    return is_nearest && address < label->end ? label->name : NULL;
}

void table_fini(struct table *table)
{
    free(table->entry);
}
