/* own_malloc.c - see own_malloc.h. Sanitized programs ask for their runtime's start, whether it is
 * linked into them (clang) or a library (gcc). The leak sanitizer of gcc gets on with other heaps.
 */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "tools/own_malloc.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static bool starts_sanitizer(const char *name)
{
    static const char *const starts[] = {"__asan_init", "__tsan_init", "__msan_init",
                                         "__hwasan_init"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (strcmp(name, starts[i]) == 0)
            return true;
    }
    return false;
}

static enum own_malloc judge_symbol(Elf *elf, const GElf_Shdr *header, const GElf_Sym *symbol)
{
    const char *name = elf_strptr(elf, header->sh_link, symbol->st_name);
    if (name == NULL)
        return OWN_MALLOC_NONE;
    if (starts_sanitizer(name))
        return OWN_MALLOC_SANITIZER;
    bool is_own = symbol->st_shndx != SHN_UNDEF && strcmp(name, "malloc") == 0;
    return is_own ? OWN_MALLOC_LINKED : OWN_MALLOC_NONE;
}

/* The gravest that any of its symbols says. */
static enum own_malloc judge_section(Elf *elf, Elf_Scn *section)
{
    enum own_malloc worst = OWN_MALLOC_NONE;
    GElf_Shdr header;
    GElf_Sym symbol;
    Elf_Data *data = elf_getdata(section, NULL);
    if (gelf_getshdr(section, &header) == NULL || header.sh_type != SHT_DYNSYM || data == NULL)
        return worst;
    for (int i = 0; gelf_getsym(data, i, &symbol) != NULL; i++) {
        enum own_malloc one = judge_symbol(elf, &header, &symbol);
        if (one > worst)
            worst = one;
    }
    return worst;
}

enum own_malloc own_malloc_find(const char *path)
{
    enum own_malloc worst = OWN_MALLOC_NONE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || elf_version(EV_CURRENT) == EV_NONE)
        return worst;
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
        enum own_malloc one = judge_section(elf, section);
        if (one > worst)
            worst = one;
    }
    elf_end(elf);
    close(fd);
    return worst;
}
