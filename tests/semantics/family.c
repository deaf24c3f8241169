/* family.c - processes that share one budget (BUDGET_FAMILY) and grow at the same time: none sees
 * what another took since that one looked last. */
#include "tests/semantics/page.h"

enum { KIB = 1024, MIB = 1024 * KIB, BLOCK_BYTES = KIB, CHILDREN = 6, BLOCKS = 32 * KIB };

static const uint64_t BUDGET = 12 * MIB;

/* Until it is refused; then it keeps what it has until the pipe is closed. */
static void grow(int begin, int refused, int end)
{
    static void *blocks[BLOCKS];
    char byte;
    CHECK(read(begin, &byte, 1) == 1);
    for (size_t i = 0; i < BLOCKS && (blocks[i] = malloc(BLOCK_BYTES)) != NULL; i++)
        memset(blocks[i], 1, BLOCK_BYTES);
    CHECK(write(refused, "", 1) == 1);
    CHECK(read(end, &byte, 1) == 0);
    _exit(0);
}

static void grow_together(void)
{
    int begin[2], refused[2], end[2];
    pid_t child[CHILDREN];
    char byte;
    CHECK(pipe(begin) == 0 && pipe(refused) == 0 && pipe(end) == 0);
    for (int i = 0; i < CHILDREN; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            close(end[1]);
            grow(begin[0], refused[1], end[0]);
        }
    }
    for (int i = 0; i < CHILDREN; i++)
        CHECK(write(begin[1], "", 1) == 1);
    for (int i = 0; i < CHILDREN; i++)
        CHECK(read(refused[0], &byte, 1) == 1);
    close(end[1]);
    for (int i = 0; i < CHILDREN; i++)
        CHECK(child_succeeded(child[i]));
}

/* As each of them was refused once, it told what it has then. Each may be over by what it was
 * allowed before others took it, 1/64. */
static void what_grows_at_once_stays_within_the_budget(void)
{
    if (!check_is_mpress())
        SKIP("a tool limits only the library");
    struct budget_page *page = make_page(BUDGET, BUDGET_REFUSE | BUDGET_FAMILY, 0);
    CHECK(helper_succeeds(".grow_together"));
    remove_page();
    uint64_t sum = 0;
    for (int i = 1; i <= CHILDREN; i++) {
        CHECK(page->slots[i].refused >= 1);
        sum += page->slots[i].used - page->slots[i].inherited;
    }
    CHECK(sum >= BUDGET * 8 / 10 && sum <= BUDGET * 110 / 100);
}

CHECK_MAIN(CASE(what_grows_at_once_stays_within_the_budget), HELPER(grow_together))
