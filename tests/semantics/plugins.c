/* plugins.c - dlopen, dlclose, dlmopen, and a plugin that binds malloc to libc. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/semantics/check.h"

typedef void *plugin_function(size_t bytes);

static const char *plugin_path(const char *name)
{
    static char path[5000];
    strcpy(path, check_self);
    strcpy(strrchr(path, '/') + 1, name);
    return path;
}

static void *open_plugin(const char *name, int flags)
{
    void *plugin = dlopen(plugin_path(name), flags);
    if (plugin == NULL)
        check_say("    %s%s\n", dlerror(), "", 0);
    CHECK(plugin != NULL);
    return plugin;
}

static plugin_function *find(void *plugin, const char *name)
{
    plugin_function *function = (plugin_function *)dlsym(plugin, name);
    CHECK(function != NULL);
    return function;
}

static void *use_plugin(void *plugin)
{
    char *block = find(plugin, "plugin_alloc")(1000);
    memset(block, 1, 1000);
    find(plugin, "plugin_tls")(5000);
    free(block);
    return NULL;
}

static void open_and_close(const char *name)
{
    for (int i = 0; i < 200; i++) {
        void *plugin = open_plugin(name, RTLD_NOW | RTLD_LOCAL);
        use_plugin(plugin);
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, use_plugin, plugin) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(dlclose(plugin) == 0);
    }
}

static void a_plugin_with_thread_locals_comes_and_goes(void)
{
    open_and_close("libplugin_c.so");
}

static void a_cpp_plugin_comes_and_goes_in_a_c_program(void)
{
    open_and_close("libplugin_cpp.so");
}

/* Its operator new must throw an exception that its own catch sees, though this program has no C++
 * runtime and the library was loaded before any. */
static void a_cpp_plugin_catches_bad_alloc_in_a_c_program(void)
{
    void *plugin = open_plugin("libplugin_cpp.so", RTLD_NOW | RTLD_LOCAL);
    CHECK(find(plugin, "plugin_catches")(hidden_size(SIZE_MAX / 2 + 1)) != NULL);
}

static void blocks_of_a_closed_plugin_stay(void)
{
    char *blocks[100];
    for (size_t i = 0; i < 100; i++) {
        void *plugin = open_plugin("libplugin_c.so", RTLD_NOW);
        blocks[i] = find(plugin, "plugin_alloc")(i * 300 + 1);
        memset(blocks[i], 4, i * 300 + 1);
        CHECK(dlclose(plugin) == 0);
    }
    for (size_t i = 0; i < 100; i++) {
        CHECK(is_filled(blocks[i], 4, i * 300 + 1));
        free(blocks[i]);
    }
}

/* With RTLD_DEEPBIND the plugin's malloc and free are libc's. Its blocks arrive here. */
static void blocks_of_libcs_malloc_can_be_freed_and_resized_by_the_program(void)
{
    void *plugin = open_plugin("libplugin_c.so", RTLD_NOW | RTLD_DEEPBIND);
    plugin_function *plugin_alloc = find(plugin, "plugin_alloc");
    for (size_t bytes = 1; bytes < 3 << 20; bytes += 1 + bytes / 3) {
        char *block = plugin_alloc(bytes);
        memset(block, 9, bytes);
        CHECK(malloc_usable_size(block) >= bytes);
        free(block);
        block = plugin_alloc(bytes);
        memset(block, 9, bytes);
        block = realloc(block, bytes + 5000);
        CHECK(is_filled(block, 9, bytes));
        free(block);
        CHECK(realloc(plugin_alloc(bytes), hidden_size(0)) == NULL);
    }
}

/* The other way, a block of the program freed through libc's free inside the plugin. Only libc's
 * own functions could help; strdup of such a plugin shows that libc allocates through the program.
 */
static void strings_duplicated_by_libc_inside_a_deep_plugin_are_the_programs(void)
{
    void *plugin = open_plugin("libplugin_c.so", RTLD_NOW | RTLD_DEEPBIND);
    for (size_t bytes = 1; bytes < 100000; bytes *= 3) {
        char *copy = find(plugin, "plugin_strdup")(bytes);
        CHECK(strlen(copy) == bytes && malloc_usable_size(copy) > bytes);
        free(copy);
    }
}

static void a_second_namespace_has_a_libc_of_its_own(void)
{
    void *plugin = dlmopen(LM_ID_NEWLM, plugin_path("libplugin_c.so"), RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL)
        SKIP(dlerror());
    char *block = find(plugin, "plugin_alloc")(1000);
    memset(block, 1, 1000);
    find(plugin, "plugin_free")((size_t)(uintptr_t)block);
    free(malloc(1000));
    CHECK(dlclose(plugin) == 0);
}

static atomic_bool stop;

static void *allocate_meanwhile(void *unused)
{
    while (!atomic_load(&stop)) {
        for (size_t i = 0; i < 100; i++)
            free(malloc(i * 50));
    }
    return unused;
}

static void plugins_come_and_go_while_other_threads_allocate(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, allocate_meanwhile, NULL) == 0);
    open_and_close("libplugin_cpp.so");
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void errors_of_the_loader_are_reported_as_ever(void)
{
    for (int i = 0; i < 300; i++) {
        CHECK(dlopen("/does/not/exist.so", RTLD_NOW) == NULL);
        CHECK(strstr(dlerror(), "/does/not/exist.so") != NULL);
        CHECK(dlsym(RTLD_DEFAULT, "no_such_symbol_anywhere") == NULL);
        CHECK(dlerror() != NULL && dlerror() == NULL);
    }
}

CHECK_MAIN(CASE(a_plugin_with_thread_locals_comes_and_goes),
           CASE(a_cpp_plugin_comes_and_goes_in_a_c_program),
           CASE(a_cpp_plugin_catches_bad_alloc_in_a_c_program),
           CASE(blocks_of_a_closed_plugin_stay),
           CASE(blocks_of_libcs_malloc_can_be_freed_and_resized_by_the_program),
           CASE(strings_duplicated_by_libc_inside_a_deep_plugin_are_the_programs),
           CASE(a_second_namespace_has_a_libc_of_its_own),
           CASE(plugins_come_and_go_while_other_threads_allocate),
           CASE(errors_of_the_loader_are_reported_as_ever))
