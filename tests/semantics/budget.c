/* budget.c - a tool that has cold memory taken away (BUDGET_SWAP), and then has not: with
 * MPRESS_COMPRESSION=always all of it is packed by age, but for a budget no more than that wants.
 */
#include <fcntl.h>

#include "tests/semantics/contents.h"
#include "tests/semantics/packed.h"
#include "tests/semantics/page.h"

enum { KIB = 1024, MIB = 1024 * KIB, BLOCK_BYTES = 64 * KIB, BLOCKS = 256 /* 16 MiB */ };

static void *blocks[BLOCKS];

static struct budget_page *own_page(void)
{
    int fd = open(getenv(BUDGET_VARIABLE), O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    struct budget_page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(page != MAP_FAILED);
    close(fd);
    return page;
}

/* As long as more is packed, half a second at least. */
static uint64_t wait_while_it_packs(void)
{
    uint64_t packed = 0;
    for (int still = 0; still < 10; still++) {
        sleep_ms(50);
        if (packed_bytes() > packed)
            still = 0;
        packed = packed_bytes();
    }
    return packed;
}

static struct budget_page *pack_for_a_budget(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        write_contents(blocks[i], BLOCK_BYTES, i);
    }
    for (int tries = 0; packed_bytes() < MIB; tries++) {
        CHECK(tries < 1000);
        sleep_ms(20);
    }
    CHECK(wait_while_it_packs() < 12 * MIB);
    return own_page();
}

static void expect_all_to_be_packed(void)
{
    for (int tries = 0; packed_bytes() < 14 * MIB; tries++) {
        CHECK(tries < 1000);
        sleep_ms(20);
    }
}

static void loses_its_budget(void)
{
    pack_for_a_budget()->settings.bytes = 0;
    expect_all_to_be_packed();
}

static void is_not_swapped_any_more(void)
{
    pack_for_a_budget()->settings.flags = 0;
    expect_all_to_be_packed();
}

static void what_was_enough_for_a_budget_is_not_without_it(void)
{
    need_compression();
    make_page(12 * MIB, BUDGET_SWAP, 0);
    CHECK(helper_succeeds(".loses_its_budget"));
    remove_page();
    make_page(12 * MIB, BUDGET_SWAP, 0);
    CHECK(helper_succeeds(".is_not_swapped_any_more"));
    remove_page();
}

CHECK_MAIN(CASE(what_was_enough_for_a_budget_is_not_without_it), HELPER(loses_its_budget),
           HELPER(is_not_swapped_any_more))
