/* own_malloc.c - a program that brings a malloc of its own: it wins over any preloaded one, for its
 * libraries too, and whatever it leaves out comes from us. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/semantics/check.h"

/* A bump allocator with a header; nothing is ever reused, so a foreign pointer is seen at once. */
struct header {
    size_t bytes;
    size_t magic;
};
enum { MAGIC = 0x6d616c6c, ARENA_BYTES = 256 << 20 };
static _Alignas(16) char arena[ARENA_BYTES];
static _Atomic size_t used;
static _Atomic size_t foreign;

void *malloc(size_t bytes)
{
    size_t whole = (bytes + sizeof(struct header) + 15) & ~(size_t)15;
    size_t at = atomic_fetch_add(&used, whole);
    if (bytes > ARENA_BYTES || at + whole > ARENA_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    struct header *header = (struct header *)(void *)(arena + at);
    *header = (struct header){bytes, MAGIC};
    return header + 1;
}

static bool is_own(const void *block)
{
    return (const char *)block > arena && (const char *)block < arena + ARENA_BYTES;
}

void free(void *block)
{
    if (block == NULL)
        return;
    if (!is_own(block) || ((struct header *)block)[-1].magic != MAGIC)
        atomic_fetch_add(&foreign, 1);
}

void *calloc(size_t count, size_t bytes)
{
    return malloc(count * bytes); /* fresh from .bss: zero */
}

void *realloc(void *block, size_t bytes)
{
    void *larger = malloc(bytes);
    if (block == NULL || larger == NULL)
        return larger;
    size_t before = ((struct header *)block)[-1].bytes;
    memcpy(larger, block, before < bytes ? before : bytes);
    free(block);
    return larger;
}

static void *use_libc(void *result)
{
    char *line = NULL;
    size_t bytes = 0;
    FILE *stream = fopen("/etc/passwd", "r");
    while (stream != NULL && getline(&line, &bytes, stream) > 0)
        continue;
    CHECK(line == NULL || is_own(line));
    free(line);
    if (stream != NULL)
        fclose(stream);
    char *copy = strdup("copy");
    CHECK(is_own(copy));
    free(copy);
    return result;
}

static void libc_uses_the_programs_malloc(void)
{
    (void)use_libc(NULL);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, use_libc, NULL) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(atomic_load(&foreign) == 0);
}

static void children_of_fork_use_it_too(void)
{
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            (void)use_libc(NULL);
            CHECK(atomic_load(&foreign) == 0);
            exit(0);
        }
        CHECK(child_succeeded(child));
    }
}

/* The program's blocks, handed to the entry points it does not have, are nobody's to us. */
static void entry_points_the_program_lacks_take_its_blocks_without_a_crash(void)
{
    if (!check_is_mpress())
        SKIP("libc would look into the block");
    void *block = malloc(100);
    size_t usable = malloc_usable_size(block);
    CHECK(usable == 0 || usable >= 100);
    free(block);
}

static void aligned_blocks_come_from_the_preloaded_heap_and_stay_whole(void)
{
    void *blocks[100];
    for (int i = 0; i < 100; i++) {
        CHECK(posix_memalign(&blocks[i], 256, 1000) == 0);
        CHECK(is_aligned(blocks[i], 256));
        memset(blocks[i], i, 1000);
    }
    for (int i = 0; i < 100; i++) {
        CHECK(is_filled(blocks[i], i, 1000));
        free(blocks[i]);
    }
}

CHECK_MAIN(CASE(libc_uses_the_programs_malloc), CASE(children_of_fork_use_it_too),
           CASE(entry_points_the_program_lacks_take_its_blocks_without_a_crash),
           CASE(aligned_blocks_come_from_the_preloaded_heap_and_stay_whole))
