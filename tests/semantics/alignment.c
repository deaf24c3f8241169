/* alignment.c - every way to ask for an aligned block. */
#include <malloc.h>

#include "tests/semantics/check.h"

static void every_block_is_aligned_to_16_bytes(void)
{
    for (size_t bytes = 0; bytes < 70000; bytes += 1 + bytes / 64) {
        void *plain = malloc(bytes);
        void *zeroed = calloc(1, bytes);
        void *grown = realloc(malloc(1), bytes + 1);
        CHECK(is_aligned(plain, 16) && is_aligned(zeroed, 16) && is_aligned(grown, 16));
        free(plain);
        free(zeroed);
        free(grown);
    }
}

static void check_block(void *block, size_t alignment, size_t bytes)
{
    CHECK(block != NULL);
    CHECK(is_aligned(block, alignment));
    CHECK(malloc_usable_size(block) >= bytes);
    memset(block, 0x77, bytes);
}

/* Small sizes beside powers of two: misaligned in mimalloc 2.0.9 for {256, 512, 1024}. */
static void every_small_size_gets_every_alignment(void)
{
    for (size_t alignment = 8; alignment <= 65536; alignment *= 2) {
        for (size_t bytes = 0; bytes <= 9000; bytes += 1 + bytes / 7) {
            void *blocks[6];
            for (int i = 0; i < 6; i++) {
                blocks[i] = memalign(alignment, bytes);
                check_block(blocks[i], alignment, bytes);
            }
            for (int i = 0; i < 6; i++)
                free(blocks[i]);
        }
    }
    for (size_t power = 16; power <= 65536; power *= 2) {
        void *block = aligned_alloc(power, power);
        check_block(block, power, power);
        free(block);
    }
}

static void alignments_up_to_a_gigabyte_are_served(void)
{
    static const size_t sizes[] = {0, 1, 4096, 100000, 5 << 20, 40 << 20};
    for (size_t alignment = 4096; alignment <= 1 << 30; alignment *= 2) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char *block = memalign(alignment, sizes[i]);
            CHECK(block != NULL && is_aligned(block, alignment));
            CHECK(malloc_usable_size(block) >= sizes[i]);
            if (sizes[i] > 0) {
                block[0] = 1;
                block[sizes[i] - 1] = 1;
            }
            free(block);
        }
    }
}

static void several_blocks_of_huge_alignment_live_together(void)
{
    char *blocks[4];
    for (int i = 0; i < 4; i++) {
        blocks[i] = aligned_alloc((size_t)1 << 30, 1000);
        check_block(blocks[i], (size_t)1 << 30, 1000);
        memset(blocks[i], i, 1000);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(is_filled(blocks[i], i, 1000));
        free(blocks[i]);
    }
}

static void posix_memalign_refuses_alignments_that_are_no_power_of_two_or_small(void)
{
    static const size_t wrong[] = {0, 1, 2, 4, 3, 7, 12, 24, 48, 100, 4095, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        void *block = (void *)0x1234;
        CHECK(posix_memalign(&block, hidden_size(wrong[i]), 64) == EINVAL);
        CHECK(block == (void *)0x1234);
    }
}

static void posix_memalign_reports_by_its_result_and_touches_nothing_else(void)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 64, SIZE_MAX / 2 + 1, (size_t)1 << 55};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *block = (void *)0x1234;
        CHECK(posix_memalign(&block, 64, hidden_size(sizes[i])) == ENOMEM);
        CHECK(posix_memalign(&block, 1 << 21, hidden_size(sizes[i])) == ENOMEM);
        CHECK(block == (void *)0x1234);
    }
    void *block = NULL;
    errno = 4711;
    CHECK(posix_memalign(&block, 64, 100) == 0);
    CHECK(errno == 4711);
    check_block(block, 64, 100);
    free(block);
}

static void posix_memalign_of_size_zero_can_be_freed(void)
{
    for (size_t alignment = 8; alignment <= 1 << 20; alignment *= 2) {
        void *block = (void *)1;
        CHECK(posix_memalign(&block, alignment, hidden_size(0)) == 0);
        CHECK(is_aligned(block, alignment));
        free(block);
    }
}

static void memalign_rounds_odd_alignments_up_to_a_power_of_two(void)
{
    static const size_t pairs[][2] = {{0, 16},      {1, 16},        {3, 16},    {17, 32},
                                      {24, 32},     {33, 64},       {100, 128}, {3000, 4096},
                                      {5000, 8192}, {65537, 131072}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        void *first = memalign(hidden_size(pairs[i][0]), 50);
        void *second = aligned_alloc(hidden_size(pairs[i][0]), 50);
        check_block(first, pairs[i][1], 50);
        check_block(second, pairs[i][1], 50);
        free(first);
        free(second);
    }
}

static void an_alignment_above_half_the_address_space_is_invalid(void)
{
    errno = 0;
    CHECK(memalign(hidden_size(SIZE_MAX / 2 + 2), 8) == NULL);
    CHECK(errno == EINVAL);
    errno = 0;
    CHECK(memalign(hidden_size(SIZE_MAX / 2 + 1), 8) == NULL);
    CHECK(errno == ENOMEM);
}

static void aligned_alloc_takes_sizes_that_are_no_multiple(void)
{
    for (size_t bytes = 1; bytes < 300; bytes += 7) {
        void *block = aligned_alloc(256, bytes);
        check_block(block, 256, bytes);
        free(block);
    }
}

static void valloc_and_pvalloc_give_whole_pages(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 100000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *block = valloc(sizes[i]);
        check_block(block, page, sizes[i]);
        free(block);
        block = pvalloc(sizes[i]);
        check_block(block, page, (sizes[i] + page - 1) / page * page);
        free(block);
    }
    errno = 0;
    CHECK(pvalloc(hidden_size(SIZE_MAX - 10)) == NULL && errno == ENOMEM);
}

static void aligned_blocks_can_be_reallocated(void)
{
    for (size_t alignment = 16; alignment <= 1 << 21; alignment *= 2) {
        for (size_t bytes = 10; bytes < 200000; bytes *= 7) {
            char *block = memalign(alignment, bytes);
            memset(block, 0x29, bytes);
            block = realloc(block, bytes * 3);
            CHECK(block != NULL && is_filled(block, 0x29, bytes));
            memset(block, 0x29, bytes * 3);
            block = realloc(block, bytes / 2);
            CHECK(is_filled(block, 0x29, bytes / 2));
            free(block);
        }
    }
}

CHECK_MAIN(CASE(every_block_is_aligned_to_16_bytes), CASE(every_small_size_gets_every_alignment),
           CASE(alignments_up_to_a_gigabyte_are_served),
           CASE(several_blocks_of_huge_alignment_live_together),
           CASE(posix_memalign_refuses_alignments_that_are_no_power_of_two_or_small),
           CASE(posix_memalign_reports_by_its_result_and_touches_nothing_else),
           CASE(posix_memalign_of_size_zero_can_be_freed),
           CASE(memalign_rounds_odd_alignments_up_to_a_power_of_two),
           CASE(an_alignment_above_half_the_address_space_is_invalid),
           CASE(aligned_alloc_takes_sizes_that_are_no_multiple),
           CASE(valloc_and_pvalloc_give_whole_pages), CASE(aligned_blocks_can_be_reallocated))
