/* os_modules.c - os_visit_modules: what the loader has mapped, read from its program headers. And
 * whether it may be asked for more. */
#define _GNU_SOURCE
#include "allocators/base/os.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <string.h>

struct module_visit {
    bool (*visit)(const struct os_module *module, uint64_t changes, void *context);
    void *context;
};

/* Finds the GNU build-id among the notes of a segment. */
static void read_build_id(struct os_module *module, const unsigned char *at, size_t bytes)
{
    ElfW(Nhdr) note;
    while (bytes >= sizeof(note)) {
        memcpy(&note, at, sizeof(note));
        size_t name = (note.n_namesz + 3U) & ~(size_t)3;
        size_t length = sizeof(note) + name + ((note.n_descsz + 3U) & ~(size_t)3);
        if (length > bytes)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(at + sizeof(note), "GNU", 4) == 0) {
            module->build_id = at + sizeof(note) + name;
            module->build_id_bytes = note.n_descsz;
            return;
        }
        at += length;
        bytes -= length;
    }
}

static void read_segment(struct os_module *module, const ElfW(Phdr) * segment)
{
    uintptr_t start = module->bias + segment->p_vaddr;
    switch (segment->p_type) {
    case PT_LOAD:
        if (module->start == 0 || start < module->start)
            module->start = start;
        if (start + segment->p_memsz > module->end)
            module->end = start + segment->p_memsz;
        break;
    case PT_GNU_EH_FRAME:
        module->index = (const unsigned char *)start;
        module->index_bytes = segment->p_memsz;
        break;
    case PT_NOTE:
        read_build_id(module, (const unsigned char *)start, segment->p_memsz);
        break;
    default:
        break;
    }
}

static void read_index_segment(struct os_module *module, const ElfW(Phdr) * segment)
{
    uintptr_t start = module->bias + segment->p_vaddr;
    uintptr_t index = (uintptr_t)module->index;
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0 || index < start ||
        index >= start + segment->p_memsz)
        return;
    module->constant = start;
    module->constant_end = start + segment->p_memsz;
}

static int show_module(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    const struct module_visit *visit = context;
    struct os_module module = {.path = info->dlpi_name, .bias = info->dlpi_addr};
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        read_segment(&module, &info->dlpi_phdr[i]);
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        read_index_segment(&module, &info->dlpi_phdr[i]);
    return visit->visit(&module, info->dlpi_adds + info->dlpi_subs, visit->context) ? 0 : 1;
}

void os_visit_modules(bool (*visit)(const struct os_module *module, uint64_t changes,
                                    void *context),
                      void *context)
{
    struct module_visit both = {visit, context};
    dl_iterate_phdr(show_module, &both);
}

/* Where the object begins that holds the address; 0: none does. */
static uintptr_t object_of(uintptr_t address)
{
    struct dl_find_object object;
    bool found = _dl_find_object((void *)address, &object) == 0;
    return found ? (uintptr_t)object.dlfo_map_start : 0;
}

bool os_is_in_loader(uintptr_t address)
{
    uintptr_t object = object_of(address);
    bool is_libc = object != 0 && (object == object_of((uintptr_t)abort) ||
                                   object == object_of(getauxval(AT_BASE)));
    return is_libc || _r_debug.r_state != RT_CONSISTENT;
}
