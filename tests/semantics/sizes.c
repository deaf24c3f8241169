/* sizes.c - nothing, too much, and what a failure leaves behind. */
#include <fcntl.h>
#include <malloc.h>

#include "tests/semantics/check.h"

static void size_zero_gives_unique_blocks_that_can_be_freed(void)
{
    void *blocks[64];
    for (int i = 0; i < 64; i++) {
        blocks[i] = i % 3 == 0   ? malloc(hidden_size(0))
                    : i % 3 == 1 ? calloc(hidden_size(0), 8)
                                 : realloc(NULL, hidden_size(0));
        CHECK(blocks[i] != NULL);
        for (int j = 0; j < i; j++)
            CHECK(blocks[j] != blocks[i]);
    }
    for (int i = 0; i < 64; i++)
        free(blocks[i]);
}

static void calloc_of_no_bytes_by_either_factor_is_a_block(void)
{
    void *first = calloc(hidden_size(8), hidden_size(0));
    void *second = calloc(hidden_size(0), hidden_size(SIZE_MAX));
    CHECK(first != NULL && second != NULL && first != second);
    free(first);
    free(second);
}

static void realloc_to_size_zero_frees_and_returns_null(void)
{
    errno = 4711;
    for (size_t bytes = 1; bytes < 1 << 26; bytes = bytes * 3 + 1)
        CHECK(realloc(malloc(bytes), hidden_size(0)) == NULL);
    CHECK(errno == 4711);
}

static void freeing_null_does_nothing(void)
{
    errno = 4711;
    free(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
    CHECK(errno == 4711);
}

/* Sizes that no allocator can serve; some overflow only when they are rounded up. */
static const size_t too_large[] = {(size_t)PTRDIFF_MAX + 1,
                                   SIZE_MAX / 2 + 4096,
                                   SIZE_MAX - 65536,
                                   SIZE_MAX - 4096,
                                   SIZE_MAX - 4095,
                                   SIZE_MAX - 64,
                                   SIZE_MAX - 16,
                                   SIZE_MAX - 15,
                                   SIZE_MAX - 1,
                                   SIZE_MAX};
enum { TOO_LARGE = sizeof(too_large) / sizeof(too_large[0]) };

#define CHECK_NO_MEMORY(call)                                                                      \
    do {                                                                                           \
        errno = 0;                                                                                 \
        CHECK((call) == NULL);                                                                     \
        CHECK(errno == ENOMEM);                                                                    \
    } while (0)

static void more_than_half_the_address_space_is_refused_everywhere(void)
{
    for (int i = 0; i < TOO_LARGE; i++) {
        size_t bytes = hidden_size(too_large[i]);
        CHECK_NO_MEMORY(malloc(bytes));
        CHECK_NO_MEMORY(calloc(bytes, 1));
        CHECK_NO_MEMORY(calloc(1, bytes));
        CHECK_NO_MEMORY(realloc(NULL, bytes));
        CHECK_NO_MEMORY(reallocarray(NULL, bytes, 1));
        CHECK_NO_MEMORY(memalign(8, bytes));
        CHECK_NO_MEMORY(memalign(64, bytes));
        CHECK_NO_MEMORY(memalign(1 << 20, bytes));
        CHECK_NO_MEMORY(aligned_alloc(4096, bytes));
        CHECK_NO_MEMORY(valloc(bytes));
        CHECK_NO_MEMORY(pvalloc(bytes));
    }
}

static void sizes_the_machine_does_not_have_are_refused(void)
{
    for (unsigned shift = 48; shift < 63; shift++) {
        size_t bytes = hidden_size((size_t)1 << shift);
        CHECK_NO_MEMORY(malloc(bytes));
        CHECK_NO_MEMORY(calloc(bytes, 1));
        CHECK_NO_MEMORY(memalign(1 << 16, bytes));
    }
}

/* What fits the address space but no machine: a corrupt length must be a NULL, and not the end of
 * the process when it is used. The kernel refuses it, if it is asked. */
static void sizes_far_beyond_memory_are_refused_where_the_kernel_counts(void)
{
    if (check_option_is("MPRESS_HEAP", "mimalloc") || check_option_is("MPRESS_HEAP", "mixed"))
        SKIP("mimalloc does not have the kernel count its mappings");
    char mode = '1';
    int setting = open("/proc/sys/vm/overcommit_memory", O_RDONLY);
    if (setting < 0 || read(setting, &mode, 1) != 1)
        SKIP("vm.overcommit_memory cannot be read");
    close(setting);
    if (mode == '1')
        SKIP("vm.overcommit_memory is 1: the kernel grants everything");
    size_t bytes = hidden_size((size_t)1 << 46);
    CHECK_NO_MEMORY(malloc(bytes));
    CHECK_NO_MEMORY(calloc(bytes, 1));
    CHECK_NO_MEMORY(memalign(1 << 16, bytes));
    for (size_t before = 100; before <= 100 << 20; before <<= 10) {
        void *block = malloc(before);
        CHECK(block != NULL);
        CHECK_NO_MEMORY(realloc(block, bytes));
        free(block);
    }
}

static void products_that_overflow_are_refused(void)
{
    static const size_t pairs[][2] = {{SIZE_MAX / 2 + 1, 2},
                                      {SIZE_MAX / 16 + 1, 16},
                                      {(size_t)1 << 32, (size_t)1 << 32},
                                      {((size_t)1 << 32) + 1, (size_t)1 << 32},
                                      {SIZE_MAX, SIZE_MAX},
                                      {0x5555555555555556, 3}};
    char *kept = malloc(100);
    memset(kept, 7, 100);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        size_t count = hidden_size(pairs[i][0]), bytes = hidden_size(pairs[i][1]);
        CHECK_NO_MEMORY(calloc(count, bytes));
        CHECK_NO_MEMORY(calloc(bytes, count));
        CHECK_NO_MEMORY(reallocarray(NULL, count, bytes));
        CHECK_NO_MEMORY(reallocarray(kept, count, bytes));
    }
    CHECK(is_filled(kept, 7, 100));
    free(kept);
}

static void a_failed_realloc_leaves_the_block_as_it_was(void)
{
    for (size_t bytes = 1; bytes < 1 << 26; bytes = bytes * 5 + 3) {
        char *block = malloc(bytes);
        memset(block, 0x5a, bytes);
        for (int i = 0; i < TOO_LARGE; i++)
            CHECK_NO_MEMORY(realloc(block, hidden_size(too_large[i])));
        CHECK_NO_MEMORY(realloc(block, hidden_size((size_t)1 << 50)));
        CHECK(malloc_usable_size(block) >= bytes);
        CHECK(is_filled(block, 0x5a, bytes));
        free(block);
    }
}

static void realloc_keeps_the_contents_up_to_the_smaller_size(void)
{
    static const size_t sizes[] = {1,       100,      15,    16,      17,       500,
                                   4000,    33000,    32768, 32769,   200000,   70000,
                                   3 << 20, 40 << 20, 100,   1 << 20, 80 << 20, 1};
    char *block = malloc(1);
    size_t filled = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        block = realloc(block, sizes[i]);
        CHECK(block != NULL && is_aligned(block, 16));
        CHECK(is_filled(block, 0x3c, filled < sizes[i] ? filled : sizes[i]));
        memset(block, 0x3c, sizes[i]);
        filled = sizes[i];
    }
    free(block);
}

static void a_block_that_grows_step_by_step_keeps_every_byte(void)
{
    size_t used = 0;
    unsigned char *block = NULL;
    for (size_t bytes = 1; bytes < 3 << 20; bytes += 1 + bytes / 16) {
        block = realloc(block, bytes);
        for (; used < bytes; used++)
            block[used] = (unsigned char)(used * 31 + used / 253);
    }
    for (size_t i = 0; i < used; i++)
        CHECK(block[i] == (unsigned char)(i * 31 + i / 253));
    free(block);
}

static void reallocarray_multiplies(void)
{
    char *block = reallocarray(NULL, hidden_size(1000), hidden_size(12));
    CHECK(malloc_usable_size(block) >= 12000);
    memset(block, 1, 12000);
    block = reallocarray(block, hidden_size(3000), hidden_size(12));
    CHECK(malloc_usable_size(block) >= 36000 && is_filled(block, 1, 12000));
    CHECK(reallocarray(block, hidden_size(0), hidden_size(12)) == NULL);
}

/* Dirties blocks of a size, gives them back, and asks for zeroed ones. */
static void check_calloc_of(size_t bytes)
{
    enum { BLOCKS = 8 };
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(bytes);
        memset(blocks[i], 0xff, malloc_usable_size(blocks[i]));
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = i % 2 ? calloc(bytes, 1) : calloc(1, bytes);
        CHECK(is_filled(blocks[i], 0, bytes));
        memset(blocks[i], 0xff, bytes);
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

static void calloc_zeroes_recycled_blocks_of_every_size(void)
{
    for (size_t bytes = 1; bytes <= 40000; bytes += 1 + bytes / 12)
        check_calloc_of(bytes);
    for (size_t bytes = 40000; bytes <= 40 << 20; bytes = bytes * 5 / 2 + 1)
        check_calloc_of(bytes);
}

/* The slack behind what was asked for must be zero as well: programs realloc into it, or use what
 * malloc_usable_size reports, and rely on calloc. glibc zeroes its whole chunk too. */
static void calloc_zeroes_the_usable_slack_too(void)
{
    for (size_t bytes = 1; bytes <= 1 << 20; bytes += 1 + bytes / 6) {
        void *dirty[4];
        for (int i = 0; i < 4; i++) {
            dirty[i] = malloc(bytes);
            memset(dirty[i], 0xff, malloc_usable_size(dirty[i]));
        }
        for (int i = 0; i < 4; i++)
            free(dirty[i]);
        void *block = calloc(bytes, 1);
        CHECK(is_filled(block, 0, malloc_usable_size(block)));
        free(block);
    }
}

CHECK_MAIN(CASE(size_zero_gives_unique_blocks_that_can_be_freed),
           CASE(calloc_of_no_bytes_by_either_factor_is_a_block),
           CASE(realloc_to_size_zero_frees_and_returns_null), CASE(freeing_null_does_nothing),
           CASE(more_than_half_the_address_space_is_refused_everywhere),
           CASE(sizes_the_machine_does_not_have_are_refused),
           CASE(sizes_far_beyond_memory_are_refused_where_the_kernel_counts),
           CASE(products_that_overflow_are_refused),
           CASE(a_failed_realloc_leaves_the_block_as_it_was),
           CASE(realloc_keeps_the_contents_up_to_the_smaller_size),
           CASE(a_block_that_grows_step_by_step_keeps_every_byte), CASE(reallocarray_multiplies),
           CASE(calloc_zeroes_recycled_blocks_of_every_size),
           CASE(calloc_zeroes_the_usable_slack_too))
