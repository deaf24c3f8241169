/* preloads.c - two preloaded libraries in one process, in either order. */
#include <malloc.h>
#include <pthread.h>

#include "tests/semantics/check.h"

static void *use_heap_in_thread(void *unused)
{
    for (size_t bytes = 1; bytes < 5 << 20; bytes += bytes / 2 + 1) {
        char *block = realloc(malloc(bytes), bytes * 2);
        memset(block, 1, bytes * 2);
        char *zeroed = calloc(bytes, 1);
        CHECK(is_filled(zeroed, 0, bytes));
        void *aligned = NULL;
        CHECK(posix_memalign(&aligned, 128, bytes) == 0 && is_aligned(aligned, 128));
        free(block);
        free(zeroed);
        free(aligned);
    }
    return unused;
}

static void use_heap(void)
{
    (void)use_heap_in_thread(NULL);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_heap_in_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    char *copy = strdup("a string of libc");
    copy = realloc(copy, 1000);
    free(copy);
}

static void use_heap_and_count(void)
{
    size_t (*calls)(void) = (size_t(*)(void))dlsym(RTLD_DEFAULT, "counting_calls");
    CHECK(calls != NULL);
    size_t before = calls();
    use_heap();
    CHECK(calls() > before);
}

static bool helper_succeeds_with(const char *first, const char *second, const char *helper)
{
    char preload[10000];
    snprintf(preload, sizeof(preload), "%s:%s", first, second);
    CHECK(setenv("LD_PRELOAD", preload, 1) == 0);
    return helper_succeeds(helper);
}

static const char *preload(void)
{
    const char *set = getenv("LD_PRELOAD");
    return set == NULL ? "" : set;
}

static const char *beside(const char *name)
{
    static char path[5000];
    strcpy(path, check_self);
    strcpy(strrchr(path, '/') + 1, name);
    return path;
}

static void a_counting_library_may_come_first(void)
{
    char *kept = strdup(preload());
    CHECK(helper_succeeds_with(beside("libcounting.so"), kept, ".use_heap_and_count"));
}

static void a_counting_library_may_come_second(void)
{
    char *kept = strdup(preload());
    CHECK(helper_succeeds_with(kept, beside("libcounting.so"), ".use_heap"));
}

static void another_allocator_may_come_second(void)
{
    static const char *const others[] = {"/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
                                         "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2"};
    char *kept = strdup(preload());
    for (int i = 0; i < 2; i++) {
        if (access(others[i], R_OK) == 0)
            CHECK(helper_succeeds_with(kept, others[i], ".use_heap"));
    }
}

CHECK_MAIN(HELPER(use_heap), HELPER(use_heap_and_count), CASE(a_counting_library_may_come_first),
           CASE(a_counting_library_may_come_second), CASE(another_allocator_may_come_second))
