/* compact.c - what mpress_compact gives back of a heap whose blocks were freed at random, and that
 * it leaves the others alone. */
#include <malloc.h>
#include <pthread.h>

#include "preload/mpress.h"
#include "tests/semantics/check.h"
#include "tests/semantics/resident.h"

enum { PLACES = 60000, KEPT_OF = 10, THREADS = 4, PAGE = 4096, MIB = 1024 * 1024 };

/* Each block is filled with a number of its own, of 16 bytes to 8 KiB. */
static unsigned char *blocks[PLACES];
static size_t sizes[PLACES];
static uint64_t seed = 20;

static uint64_t next(void)
{
    seed = seed * 6364136223846793005 + 1442695040888963407;
    return seed >> 33;
}

static void need_compact(void)
{
    if (mpress_compact == NULL)
        SKIP("the library's own call");
    if (check_option_is("MPRESS_HEAP", "mimalloc") || check_option_is("MPRESS_HEAP", "mixed"))
        SKIP("blocks of another heap");
}

static size_t fill(void)
{
    size_t bytes = 0;
    for (size_t i = 0; i < PLACES; i++) {
        sizes[i] = 16 + next() % ((size_t)16 << next() % 10);
        blocks[i] = malloc(sizes[i]);
        memset(blocks[i], (int)(i % 251), sizes[i]);
        bytes += sizes[i];
    }
    return bytes;
}

/* Frees all but every tenth, in no order. */
static void free_most(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        if (next() % KEPT_OF != 0) {
            free(blocks[i]);
            blocks[i] = NULL;
        }
    }
}

/* Bytes of the pages that hold some of a kept block: below that nobody gets who moves none. Small
 * blocks share pages: they are told by the addresses' order in the heap, which rises by page. */
static int by_address(const void *a, const void *b)
{
    const uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

static size_t kept_page_bytes(void)
{
    static uintptr_t pages[PLACES * 4];
    size_t count = 0, different = 0;
    for (size_t i = 0; i < PLACES; i++) {
        if (blocks[i] == NULL)
            continue;
        for (uintptr_t at = (uintptr_t)blocks[i] / PAGE;
             at * PAGE < (uintptr_t)blocks[i] + sizes[i]; at++)
            pages[count++] = at;
    }
    qsort(pages, count, sizeof(pages[0]), by_address);
    for (size_t i = 0; i < count; i++)
        different += i == 0 || pages[i] != pages[i - 1];
    return different * PAGE;
}

static void check_kept(void)
{
    for (size_t i = 0; i < PLACES; i++)
        CHECK(blocks[i] == NULL || is_filled(blocks[i], (int)(i % 251), sizes[i]));
}

static void what_is_left_is_the_pages_of_live_blocks(void)
{
    need_compact();
    mpress_compact();
    size_t empty = anonymous_bytes();
    size_t filled_bytes = fill();
    size_t full = anonymous_bytes();
    CHECK(full - empty >= filled_bytes);
    free_most();
    size_t kept = kept_page_bytes();
    uint64_t given = mpress_compact();
    size_t left = anonymous_bytes() - empty;
    CHECK(given >= (full - empty) / 4);
    CHECK(left <= kept + kept / 16 + 2 * MIB); /* metadata; the objects each class keeps */
    check_kept();
    mpress_compact();
    CHECK(mpress_compact() <= 64 * 1024); /* numbers have a heap too */
}

/* -- other threads ---------------------------------------------------------------------------- */

static pthread_barrier_t filled, compacted;

/* Small objects, freed into the thread's own magazines. */
static void *keep_in_magazines(void *unused)
{
    static __thread void *objects[2000];
    for (size_t bytes = 16; bytes <= 2048; bytes *= 2) {
        for (int i = 0; i < 2000; i++)
            objects[i] = memset(malloc(bytes), 1, bytes);
        for (int i = 0; i < 2000; i++)
            free(objects[i]);
    }
    pthread_barrier_wait(&filled);
    pthread_barrier_wait(&compacted);
    free(malloc(100)); /* and it goes on */
    return unused;
}

static void what_other_threads_keep_comes_back_too(void)
{
    need_compact();
    pthread_t threads[THREADS];
    struct mpress_stats before, after;
    pthread_barrier_init(&filled, NULL, THREADS + 1);
    pthread_barrier_init(&compacted, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, keep_in_magazines, NULL) == 0);
    pthread_barrier_wait(&filled);
    mpress_stats_read(&before);
    mpress_compact();
    mpress_stats_read(&after);
    if (check_option_is("MPRESS_CHECK", "1"))
        CHECK(before.cached == 0); /* checked frees keep nothing */
    else
        CHECK(before.cached >= (size_t)THREADS * 64 * 1024 && after.cached < before.cached / 4);
    pthread_barrier_wait(&compacted);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void malloc_trim_is_the_same_road(void)
{
    need_compact();
    fill();
    free_most();
    CHECK(malloc_trim(0) == 1);
    CHECK(mpress_compact() <= 64 * 1024);
    check_kept();
}

CHECK_MAIN(CASE(what_is_left_is_the_pages_of_live_blocks),
           CASE(what_other_threads_keep_comes_back_too), CASE(malloc_trim_is_the_same_road))
