/* mappings.c - programs that manage address space themselves, beside the heap. */
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/semantics/check.h"

static char *blocks[1000];

static void fill_blocks(void)
{
    for (size_t i = 0; i < 1000; i++) {
        blocks[i] = malloc(i * 101 + 1);
        memset(blocks[i], (int)i, i * 101 + 1);
    }
}

static void check_blocks(void)
{
    for (size_t i = 0; i < 1000; i++) {
        CHECK(is_filled(blocks[i], (int)i, i * 101 + 1));
        free(blocks[i]);
    }
}

static void a_program_may_own_the_break(void)
{
    char *start = sbrk(0);
    for (int i = 0; i < 50; i++) {
        char *more = sbrk(100000);
        if (!check_is_mpress() && more != start + (long)i * 100000)
            SKIP("libc's heap uses the break");
        CHECK(more == start + (long)i * 100000);
        memset(more, 0x11, 100000);
        free(malloc(5000));
        fill_blocks();
        check_blocks();
    }
    CHECK(is_filled(start, 0x11, 50 * 100000));
    CHECK(sbrk(-50 * 100000) != (void *)-1);
    CHECK(sbrk(0) == start);
}

static void fixed_mappings_of_the_program_and_the_heap_do_not_meet(void)
{
    fill_blocks();
    for (uintptr_t at = (uintptr_t)0x200000000; at < (uintptr_t)0x700000000; at += 0x10000000) {
        char *mapped = mmap((void *)at, 1 << 20, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (mapped == MAP_FAILED)
            continue;
        memset(mapped, 0x22, 1 << 20);
        free(malloc(3 << 20));
        CHECK(is_filled(mapped, 0x22, 1 << 20));
        CHECK(munmap(mapped, 1 << 20) == 0);
    }
    check_blocks();
}

static void addresses_stay_below_47_bits(void)
{
    for (size_t bytes = 1; bytes < (size_t)4 << 30; bytes *= 4) {
        void *block = malloc(bytes);
        CHECK(block != NULL && (uintptr_t)block >> 47 == 0);
        free(block);
    }
}

static void purged_and_protected_mappings_of_the_program_stay_its_own(void)
{
    char *mapped = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mapped != MAP_FAILED);
    memset(mapped, 0x33, 64 << 20);
    for (int i = 0; i < 30; i++) {
        char *block = malloc((size_t)(33 + i) << 20);
        block[0] = 1;
        free(block);
    }
    malloc_trim(0);
    CHECK(is_filled(mapped, 0x33, 64 << 20));
    CHECK(munmap(mapped, 64 << 20) == 0);
}

static void a_large_block_grows_without_losing_its_contents(void)
{
    size_t bytes = 1 << 20;
    char *block = malloc(bytes);
    memset(block, 0x44, bytes);
    while (bytes < (size_t)300 << 20) {
        size_t more = bytes + bytes / 2;
        block = realloc(block, more);
        CHECK(block != NULL && block[0] == 0x44 && block[bytes - 1] == 0x44);
        memset(block + bytes, 0x44, more - bytes);
        bytes = more;
    }
    CHECK(is_filled(block, 0x44, bytes));
    block = realloc(block, 1 << 20);
    CHECK(is_filled(block, 0x44, 1 << 20));
    free(block);
}

static void huge_blocks_go_back_to_the_system(void)
{
    struct rusage usage;
    for (int i = 0; i < 20; i++) {
        char *block = malloc((size_t)200 << 20);
        CHECK(block != NULL);
        memset(block, 1, (size_t)200 << 20);
        free(block);
    }
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    CHECK(usage.ru_maxrss < 500 << 10);
}

CHECK_MAIN(CASE(a_program_may_own_the_break),
           CASE(fixed_mappings_of_the_program_and_the_heap_do_not_meet),
           CASE(addresses_stay_below_47_bits),
           CASE(purged_and_protected_mappings_of_the_program_stay_its_own),
           CASE(a_large_block_grows_without_losing_its_contents),
           CASE(huge_blocks_go_back_to_the_system))
