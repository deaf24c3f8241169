/* test_symbols.c - the table of functions names what libdwfl's own search names. */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <link.h>
#include <cmocka.h>

#include "tools/symbols/table.h"

enum { BIAS = 0x10000000, QUESTIONS = 800 };

static char *debug_path;
static const Dwfl_Callbacks callbacks = {.find_debuginfo = dwfl_standard_find_debuginfo,
                                         .debuginfo_path = &debug_path};

struct answer {
    const char *name;
    GElf_Off offset; /* from where that begins */
};

static struct answer ask_libdwfl(Dwfl_Module *module, Dwarf_Addr address)
{
    struct answer answer;
    GElf_Sym symbol;
    answer.name = dwfl_module_addrinfo(module, address, &answer.offset, &symbol, NULL, NULL, NULL);
    return answer;
}

/* Both agree, or name two things that begin at the same place. */
static bool is_same(Dwfl_Module *module, Dwarf_Addr address, const char *name)
{
    struct answer theirs = ask_libdwfl(module, address);
    if (name == NULL || theirs.name == NULL)
        return name == theirs.name;
    if (strcmp(name, theirs.name) == 0)
        return true;
    printf("0x%llx: %s, not %s\n", (unsigned long long)address, name, theirs.name);
    return false;
}

static Dwfl *open_module(const char *path, Dwfl_Module **module)
{
    Dwfl *session = dwfl_begin(&callbacks);
    assert_non_null(session);
    dwfl_report_begin(session);
    *module = dwfl_report_elf(session, path, path, -1, BIAS, true);
    dwfl_report_end(session, NULL, NULL);
    assert_non_null(*module);
    return session;
}

static void compare_all(const char *path)
{
    Dwfl_Module *module;
    struct table table = {0};
    Dwfl *session = open_module(path, &module);
    int symbols = dwfl_module_getsymtab(module), wrong = 0;
    int step = symbols / QUESTIONS + 1;
    for (int i = 0; i < symbols; i += step) {
        GElf_Sym symbol;
        GElf_Addr start;
        GElf_Word section;
        dwfl_module_getsym_info(module, i, &symbol, &start, &section, NULL, NULL);
        if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || section == SHN_UNDEF)
            continue;
        const Dwarf_Addr questions[] = {start, start + 1, start + symbol.st_size};
        for (int k = 0; k < 3; k++)
            wrong += !is_same(module, questions[k], table_find(&table, module, questions[k]));
    }
    assert_true(symbols > 20);
    assert_int_equal(wrong, 0);
    assert_null(table_find(&table, module, 1));
    table_fini(&table);
    dwfl_end(session);
}

static void functions_of_this_program_have_the_names_that_libdwfl_finds(void **state)
{
    (void)state;
    compare_all("/proc/self/exe");
}

static int compare_libc(struct dl_phdr_info *info, size_t bytes, void *context)
{
    (void)bytes;
    (void)context;
    if (strstr(info->dlpi_name, "/libc.so") == NULL)
        return 0;
    compare_all(info->dlpi_name);
    return 1;
}

static void so_have_those_of_a_stripped_library(void **state)
{
    (void)state;
    assert_int_equal(dl_iterate_phdr(compare_libc, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_this_program_have_the_names_that_libdwfl_finds),
        cmocka_unit_test(so_have_those_of_a_stripped_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
