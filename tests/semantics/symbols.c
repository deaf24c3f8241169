/* symbols.c - every entry point of the program resolves into the library, none into libc. */
#include <malloc.h>

#include "tests/semantics/check.h"

static const char *const c_names[] = {
    "malloc",        "free",       "calloc",      "realloc",      "posix_memalign",
    "aligned_alloc", "valloc",     "memalign",    "pvalloc",      "malloc_usable_size",
    "reallocarray",  "cfree",      "malloc_trim", "mallopt",      "mallinfo",
    "mallinfo2",     "free_sized", "malloc_info", "malloc_stats", "free_aligned_sized",
};

static const char *const operators[] = {
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
};

static const char *file_of(const void *address)
{
    Dl_info info;
    return dladdr(address, &info) != 0 ? info.dli_fname : "";
}

static void check_names(const char *const *names, size_t count)
{
    const void *library = dlsym(RTLD_DEFAULT, "mpress_version");
    for (size_t i = 0; i < count; i++) {
        const void *symbol = dlsym(RTLD_DEFAULT, names[i]);
        if (symbol == NULL || strcmp(file_of(symbol), file_of(library)) != 0) {
            check_say("    %s resolves to %s\n", names[i], symbol ? file_of(symbol) : "nothing", 0);
            _exit(1);
        }
    }
}

static void every_c_entry_point_is_the_librarys(void)
{
    if (!check_is_mpress())
        SKIP("runs without the library");
    check_names(c_names, sizeof(c_names) / sizeof(c_names[0]));
}

static void all_twenty_operators_are_the_librarys(void)
{
    if (!check_is_mpress())
        SKIP("runs without the library");
    CHECK(sizeof(operators) / sizeof(operators[0]) == 20);
    check_names(operators, sizeof(operators) / sizeof(operators[0]));
}

static void blocks_that_libc_allocates_come_from_the_same_heap(void)
{
    size_t bytes = 0;
    char *line = NULL;
    FILE *self = tmpfile();
    CHECK(self != NULL && fprintf(self, "%1000d\n", 7) > 0);
    rewind(self);
    CHECK(getline(&line, &bytes, self) == 1001);
    CHECK(malloc_usable_size(line) >= bytes);
    line = realloc(line, 5000);
    free(line);
    char *copy = strdup("a string");
    char *printed = NULL;
    CHECK(asprintf(&printed, "%s %d", copy, 5) == 10);
    char *path = realpath("/", NULL);
    CHECK(strcmp(path, "/") == 0);
    free(copy);
    free(printed);
    free(path);
    fclose(self);
}

static void sized_frees_free(void)
{
    void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    void (*aligned)(void *, size_t, size_t) =
        (void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
    if (sized == NULL || aligned == NULL)
        SKIP("libc has no free_sized");
    errno = 4711;
    for (size_t bytes = 0; bytes < 5 << 20; bytes += 1 + bytes / 3) {
        sized(malloc(bytes), bytes);
        sized(calloc(1, bytes), bytes);
        sized(realloc(malloc(1), bytes + 1), bytes + 1);
        aligned(aligned_alloc(64, bytes), 64, bytes);
        aligned(aligned_alloc(1 << 16, bytes), 1 << 16, bytes);
    }
    sized(NULL, 10);
    aligned(NULL, 64, 10);
    CHECK(errno == 4711);
}

static void cfree_frees(void)
{
    void (*cfree_)(void *) = (void (*)(void *))dlvsym(RTLD_DEFAULT, "cfree", "GLIBC_2.2.5");
    if (check_is_mpress())
        cfree_ = (void (*)(void *))dlsym(RTLD_DEFAULT, "cfree");
    if (cfree_ == NULL)
        SKIP("libc has no cfree");
    for (int i = 0; i < 1000; i++)
        cfree_(malloc(100));
    cfree_(NULL);
}

CHECK_MAIN(CASE(every_c_entry_point_is_the_librarys), CASE(all_twenty_operators_are_the_librarys),
           CASE(blocks_that_libc_allocates_come_from_the_same_heap), CASE(sized_frees_free),
           CASE(cfree_frees))
