/* binary.c - elfutils' libdwfl over one module: symbol table, DWARF lines and inlined functions,
 * separate debug files by build-id. One session per module, so that modules which were mapped one
 * after the other at the same address do not meet. */
#define _GNU_SOURCE /* strdup */
#include "tools/symbols/binary.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/place.h"
#include "tools/symbols/functions.h"
#include "tools/symbols/ranges.h"
#include "tools/symbols/table.h"

enum { BUILD_ID_MAX = 64, DEBUG_PATH_BYTES = 64 + 2 * BUILD_ID_MAX };

struct binary {
    Dwfl *session; /* NULL: nothing could be opened */
    Dwfl_Module *module;
    struct ranges ranges;
    struct functions functions;
    struct table table;
    bool has_changed;
};

static char *debug_path; /* NULL: elfutils' default, /usr/lib/debug and beside the file */

/* A file of the build in the cache that debuginfod's clients keep; `kind`: debuginfo, executable.
 * False: there is no cache. */
static bool name_cached(char *path, size_t bytes, const unsigned char *id, size_t id_bytes,
                        const char *kind)
{
    const char *own = getenv("DEBUGINFOD_CACHE_PATH"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char hex[2 * BUILD_ID_MAX + 1] = "";
    int used;
    for (size_t i = 0; i < id_bytes && i < BUILD_ID_MAX; i++)
        snprintf(hex + 2 * i, 3, "%02x", id[i]);
    if (own != NULL)
        used = snprintf(path, bytes, "%s/%s/%s", own, hex, kind);
    else if (cache != NULL)
        used = snprintf(path, bytes, "%s/debuginfod_client/%s/%s", cache, hex, kind);
    else if (home != NULL)
        used = snprintf(path, bytes, "%s/.cache/debuginfod_client/%s/%s", home, hex, kind);
    else
        return false;
    return id_bytes != 0 && used > 0 && (size_t)used < bytes;
}

/* By build-id and debuglink below /usr/lib/debug, then in that cache. */
static int find_debuginfo(Dwfl_Module *module, void **context, const char *name, Dwarf_Addr base,
                          const char *file, const char *debuglink, GElf_Word crc, char **found)
{
    int fd = dwfl_standard_find_debuginfo(module, context, name, base, file, debuglink, crc, found);
    const unsigned char *id;
    GElf_Addr address;
    char path[PLACE_BYTES];
    if (fd >= 0 || *found != NULL)
        return fd;
    int id_bytes = dwfl_module_build_id(module, &id, &address);
    if (id_bytes <= 0 || !name_cached(path, sizeof path, id, (size_t)id_bytes, "debuginfo"))
        return -1;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        *found = strdup(path);
    return fd;
}

static const Dwfl_Callbacks callbacks = {
    .find_debuginfo = find_debuginfo,
    .debuginfo_path = &debug_path,
};

/* -- opening ---------------------------------------------------------------------------------- */

static void close_session(struct binary *binary)
{
    if (binary->session != NULL)
        dwfl_end(binary->session);
    binary->session = NULL;
    binary->module = NULL;
}

static bool open_file(struct binary *binary, const char *path, uint64_t bias)
{
    binary->session = dwfl_begin(&callbacks);
    if (binary->session == NULL)
        return false;
    dwfl_report_begin(binary->session);
    binary->module = dwfl_report_elf(binary->session, path, path, -1, bias, true);
    dwfl_report_end(binary->session, NULL, NULL);
    if (binary->module == NULL)
        close_session(binary);
    return binary->module != NULL;
}

/* A trace without a build-id cannot be checked, and is believed. */
static bool is_same_build(struct binary *binary, const struct trace_module *module)
{
    const unsigned char *id;
    GElf_Addr address;
    int bytes = dwfl_module_build_id(binary->module, &id, &address);
    if (bytes <= 0 || module->build_id_bytes == 0)
        return true;
    return (size_t)bytes == module->build_id_bytes &&
           memcmp(id, module->build_id, module->build_id_bytes) == 0;
}

/* The debug file of exactly the build that was traced, where packages put it, or that cache. */
static bool open_debug_file(struct binary *binary, const struct trace_module *module)
{
    if (module->build_id_bytes < 2 || module->build_id_bytes > BUILD_ID_MAX)
        return false;
    char path[DEBUG_PATH_BYTES];
    int used = snprintf(path, sizeof path, "/usr/lib/debug/.build-id/%02x/", module->build_id[0]);
    for (size_t i = 1; i < module->build_id_bytes; i++)
        used += snprintf(path + used, sizeof path - (size_t)used, "%02x", module->build_id[i]);
    snprintf(path + used, sizeof path - (size_t)used, ".debug");
    if (open_file(binary, path, module->bias))
        return true;
    char cached[PLACE_BYTES];
    return (name_cached(cached, sizeof cached, module->build_id, module->build_id_bytes,
                        "executable") &&
            open_file(binary, cached, module->bias)) ||
           (name_cached(cached, sizeof cached, module->build_id, module->build_id_bytes,
                        "debuginfo") &&
            open_file(binary, cached, module->bias));
}

struct binary *binary_create(const struct trace_module *module)
{
    struct binary *binary = calloc(1, sizeof *binary);
    if (binary == NULL) {
        fputs("mpress: out of memory\n", stderr);
        exit(1);
    }
    bool is_there = open_file(binary, module->path, module->bias);
    if (is_there && is_same_build(binary, module))
        return binary;
    close_session(binary);
    if (!open_debug_file(binary, module))
        binary->has_changed = is_there;
    return binary;
}

void binary_destroy(struct binary *binary)
{
    close_session(binary);
    ranges_fini(&binary->ranges);
    functions_fini(&binary->functions);
    table_fini(&binary->table);
    free(binary);
}

bool binary_has_changed(const struct binary *binary)
{
    return binary->has_changed;
}

/* -- looking up ------------------------------------------------------------------------------- */

/* The name the linker uses, else the one in the source. */
static const char *get_name(Dwarf_Die *die)
{
    static const unsigned names[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        Dwarf_Attribute attribute;
        const char *name = dwarf_formstring(dwarf_attr_integrate(die, names[i], &attribute));
        if (name != NULL)
            return name;
    }
    return NULL;
}

/* Where the inlined function `die` was called: the line of the function it became a part of. */
static void read_call_place(Dwarf_Die *unit, Dwarf_Die *die, struct binary_frame *frame)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    Dwarf_Files *files;
    size_t count;
    frame->file = NULL;
    frame->line = 0;
    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &value) == 0 &&
        dwarf_getsrcfiles(unit, &files, &count) == 0 && value < count)
        frame->file = dwarf_filesrc(files, value, NULL, NULL);
    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &value) == 0)
        frame->line = (unsigned)value;
}

/* Turns the functions around an address, innermost first, into frames. `at` holds the line of the
 * address itself. */
static size_t read_functions(Dwarf_Die *unit, Dwarf_Die *functions, size_t count,
                             const struct binary_frame *at, struct binary_frame *frames, size_t max)
{
    struct binary_frame place = *at;
    size_t used = 0;
    for (; used < count && used < max; used++) {
        bool is_inlined = dwarf_tag(&functions[used]) == DW_TAG_inlined_subroutine;
        frames[used] = (struct binary_frame){.symbol = get_name(&functions[used]),
                                             .file = place.file,
                                             .line = place.line,
                                             .is_inlined = is_inlined};
        if (is_inlined)
            read_call_place(unit, &functions[used], &place);
    }
    return used;
}

static void read_line(Dwarf_Die *unit, Dwarf_Addr address, struct binary_frame *frame)
{
    int line = 0;
    Dwarf_Line *found = dwarf_getsrc_die(unit, address);
    if (found == NULL)
        return;
    frame->file = dwarf_linesrc(found, NULL, NULL);
    if (dwarf_lineno(found, &line) == 0 && line > 0)
        frame->line = (unsigned)line;
}

size_t binary_find(struct binary *binary, uint64_t address, struct binary_frame *frames, size_t max)
{
    if (binary->module == NULL || max == 0)
        return 0;
    struct binary_frame at = {0};
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = ranges_find(&binary->ranges, binary->module, address, &bias);
    if (unit != NULL)
        read_line(unit, address - bias, &at);
    const char *name = table_find(&binary->table, binary->module, address);
    Dwarf_Die functions[FUNCTIONS_DEPTH];
    size_t count =
        unit == NULL ? 0 : functions_find(&binary->functions, unit, address - bias, functions);
    size_t used = read_functions(unit, functions, count, &at, frames, max);
    if (used == 0) {
        at.symbol = name;
        frames[0] = at;
        return name != NULL || at.file != NULL ? 1 : 0;
    }
    /* The symbol table knows the parts that the compiler split off (.cold) by their full names. */
    if (!frames[used - 1].is_inlined && frames[used - 1].symbol == NULL)
        frames[used - 1].symbol = name;
    return used;
}
