/* test_modules.c - the tracer's own list of loaded objects, without the loader's lock. */
#include "tests/unit/unit.h"

#include <dlfcn.h>

#include "tracer/modules.h"
#include "tracer/thread.h"

static int setup(void **state)
{
    (void)state;
    return thread_begin_busy() && modules_refresh() ? 0 : 1;
}

static uintptr_t address_in(void *library, const char *name)
{
    return (uintptr_t)dlsym(library, name);
}

static void this_program_and_libc_are_found_by_an_address_inside(void **state)
{
    (void)state;
    struct module_place program, libc;
    assert_true(modules_find((uintptr_t)&setup, &program));
    assert_in_range((uintptr_t)&setup, program.start, program.end - 1);
    assert_true(modules_find(address_in(RTLD_DEFAULT, "qsort"), &libc));
    assert_true(libc.start != program.start);
    assert_non_null(libc.index);
    assert_true(libc.index_bytes > 0);
}

static void an_address_in_no_module_is_not_found(void **state)
{
    (void)state;
    struct module_place place;
    int local;
    assert_false(modules_find(0, &place));
    assert_false(modules_find((uintptr_t)&local, &place));
    assert_false(modules_find(UINTPTR_MAX, &place));
}

static void a_library_comes_and_goes_with_a_new_version_of_the_list(void **state)
{
    (void)state;
    struct module_place place;
    void *library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        skip(); /* no library at hand that nobody else has loaded */
    uintptr_t inside = address_in(library, "zlibVersion");
    uint64_t version = modules_version();
    assert_true(modules_refresh());
    assert_true(modules_version() != version);
    assert_true(modules_find(inside, &place));
    assert_in_range(inside, place.start, place.end - 1);
    dlclose(library);
    version = modules_version();
    assert_true(modules_refresh());
    assert_true(modules_version() != version);
    assert_false(modules_find(inside, &place));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_program_and_libc_are_found_by_an_address_inside),
        cmocka_unit_test(an_address_in_no_module_is_not_found),
        cmocka_unit_test(a_library_comes_and_goes_with_a_new_version_of_the_list),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
