/* pools.c - blocks on the huge pages that the system keeps in pools (MPRESS_HUGETLB), where there
 * are such pages: give it some with
 *
 *     echo 80 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
 *     echo 2 > /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages */
#include <malloc.h>

#include "tests/semantics/check.h"

enum { MIB = 1024 * 1024, STEP = 4096 };

/* -- the system's pool ------------------------------------------------------------------------ */

static bool is_of_gigabytes(void)
{
    return check_option_is("MPRESS_HUGETLB", "1g");
}

/* Bytes: a page of the pool the option names, and a block that wastes nothing of its pages. */
static size_t pool_page(void)
{
    return is_of_gigabytes() ? (size_t)1024 * MIB : 2 * MIB;
}

static size_t block_bytes(void)
{
    return is_of_gigabytes() ? pool_page() : 64 * MIB;
}

/* -1: the system has no such pool. */
static long free_pages(void)
{
    FILE *file =
        fopen(is_of_gigabytes() ? "/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages"
                                : "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
              "re");
    long pages = -1;
    if (file == NULL)
        return -1;
    if (fscanf(file, "%ld", &pages) != 1)
        pages = -1;
    fclose(file);
    return pages;
}

/* Pages of the pool that the system has set aside for `count` blocks and nobody has used yet are
 * free and reserved; these tests write to every page, so that they are free no more. */
static void need_blocks(size_t count)
{
    if (!check_is_mpress() || getenv("MPRESS_HUGETLB") == NULL)
        SKIP("an option of the library");
    if (free_pages() < (long)(count * block_bytes() / pool_page()))
        SKIP("the system's pool has too few free pages");
}

static void fill(unsigned char *block, size_t bytes, unsigned salt)
{
    for (size_t i = 0; i < bytes; i += STEP)
        block[i] = (unsigned char)(i / STEP * 31 + salt);
}

static bool is_as_filled(const unsigned char *block, size_t bytes, unsigned salt)
{
    for (size_t i = 0; i < bytes; i += STEP) {
        if (block[i] != (unsigned char)(i / STEP * 31 + salt))
            return false;
    }
    return true;
}

/* -- cases ------------------------------------------------------------------------------------ */

static void a_large_block_takes_its_pages_from_the_pool_and_gives_them_back(void)
{
    need_blocks(1);
    long before = free_pages();
    unsigned char *block = malloc(block_bytes());
    CHECK(block != NULL);
    fill(block, block_bytes(), 1);
    CHECK(before - free_pages() == (long)(block_bytes() / pool_page()));
    CHECK(is_as_filled(block, block_bytes(), 1));
    free(block);
    malloc_trim(0);
    CHECK(free_pages() == before);
}

static void an_empty_pool_is_no_failure(void)
{
    need_blocks(1);
    enum { MOST = 64 };
    static unsigned char *blocks[MOST];
    size_t count = (size_t)free_pages() * pool_page() / block_bytes() + 2;
    if (is_of_gigabytes() || count > MOST)
        SKIP("the pool is too large to be used up by a test");
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(block_bytes());
        CHECK(blocks[i] != NULL);
        fill(blocks[i], block_bytes(), (unsigned)i);
    }
    for (size_t i = 0; i < count; i++) {
        CHECK(is_as_filled(blocks[i], block_bytes(), (unsigned)i));
        free(blocks[i]);
    }
}

static void growing_and_shrinking_keep_the_bytes(void)
{
    need_blocks(1);
    unsigned char *block = malloc(block_bytes());
    CHECK(block != NULL);
    fill(block, block_bytes(), 2);
    block = realloc(block, block_bytes() + 10 * (size_t)MIB);
    CHECK(block != NULL && is_as_filled(block, block_bytes(), 2));
    fill(block, block_bytes() + 10 * (size_t)MIB, 3);
    block = realloc(block, block_bytes() - 3 * (size_t)MIB);
    CHECK(block != NULL && is_as_filled(block, block_bytes() - 3 * (size_t)MIB, 3));
    block = realloc(block, 40 * (size_t)MIB);
    CHECK(block != NULL && is_as_filled(block, 40 * (size_t)MIB, 3));
    free(block);
}

static void a_zeroed_block_is_zero_after_a_written_one(void)
{
    need_blocks(1);
    unsigned char *block = malloc(block_bytes());
    CHECK(block != NULL);
    memset(block, 0xff, block_bytes());
    free(block);
    block = calloc(1, block_bytes());
    CHECK(block != NULL && is_filled(block, 0, block_bytes()));
    free(block);
}

static void a_child_has_its_own_copy_while_the_pool_has_pages(void)
{
    need_blocks(2);
    unsigned char *block = malloc(block_bytes());
    CHECK(block != NULL);
    fill(block, block_bytes(), 4);
    pid_t child = fork();
    if (child == 0) {
        fill(block, block_bytes(), 5);
        free(block);
        _exit(0);
    }
    CHECK(child > 0 && child_succeeded(child));
    CHECK(is_as_filled(block, block_bytes(), 4));
    free(block);
}

CHECK_MAIN(CASE(a_large_block_takes_its_pages_from_the_pool_and_gives_them_back),
           CASE(an_empty_pool_is_no_failure), CASE(growing_and_shrinking_keep_the_bytes),
           CASE(a_zeroed_block_is_zero_after_a_written_one),
           CASE(a_child_has_its_own_copy_while_the_pool_has_pages))
