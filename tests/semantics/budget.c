/* budget.c - what the library tells a tool that sets a budget; and one that has cold memory taken
 * away (BUDGET_SWAP), and then has not: with MPRESS_COMPRESSION=always all of it is packed by age,
 * but for a budget no more than that wants.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

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

static struct budget_slot *find_slot(void)
{
    struct budget_page *page = own_page();
    for (size_t i = 0; i < BUDGET_SLOTS; i++) {
        if (page->slots[i].process_id == (uint32_t)getpid())
            return &page->slots[i];
    }
    CHECK(!"this process has a slot");
    return NULL;
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

/* RLIMIT_DATA, moved from outside: a sixteenth of the budget is used. */
static void asks_for_what_the_system_refuses(void)
{
    struct budget_slot *slot = find_slot();
    const struct rlimit none = {1, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_DATA, &none) == 0);
    CHECK(mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
          MAP_FAILED);
    CHECK(slot->denied == 1 && slot->refused == 0);
    CHECK(malloc(200 * MIB) == NULL && errno == ENOMEM);
    CHECK(realloc(malloc(MIB), 200 * MIB) == NULL);
    CHECK(slot->denied == 3 && slot->refused == 0);
    CHECK(malloc(2000 * (size_t)MIB) == NULL); /* this is the budget's doing */
    CHECK(slot->denied == 3 && slot->refused == 1);
}

static void a_refusal_of_the_system_is_told_from_one_of_the_budget(void)
{
    make_page(1024 * MIB, BUDGET_REFUSE, 0);
    CHECK(helper_succeeds(".asks_for_what_the_system_refuses"));
    remove_page();
}

/* What is reserved there may not be written to under that limit; in the second one a page is
 * missing, and that is the program's own mistake. */
static void protects_what_is_there_and_what_is_not(void)
{
    struct budget_slot *slot = find_slot();
    const struct rlimit none = {1, RLIM_INFINITY};
    const size_t page = 4 * KIB;
    char *there = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *torn = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(there != MAP_FAILED && torn != MAP_FAILED && munmap(torn + page, page) == 0);
    CHECK(mprotect(torn, 4 * page, PROT_READ) != 0 && errno == ENOMEM);
    CHECK(slot->denied == 0);
    CHECK(setrlimit(RLIMIT_DATA, &none) == 0);
    CHECK(mprotect(there, 4 * page, PROT_READ | PROT_WRITE) != 0 && errno == ENOMEM);
    CHECK(slot->denied == 1 && slot->refused == 0);
}

static void a_range_with_a_hole_is_no_refusal(void)
{
    make_page(1024 * MIB, BUDGET_REFUSE, 0);
    CHECK(helper_succeeds(".protects_what_is_there_and_what_is_not"));
    remove_page();
}

static void *wait_for_others(void *barrier)
{
    free(malloc(100));
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return NULL;
}

static void starts_threads(void)
{
    enum { THREADS = 5 };
    pthread_t thread[THREADS];
    pthread_barrier_t barrier;
    struct budget_slot *slot = find_slot();
    CHECK(slot->threads == 0);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, wait_for_others, &barrier) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(slot->threads == THREADS && slot->threads_most == THREADS);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    CHECK(slot->threads == 0 && slot->threads_most == THREADS);
    pid_t child = fork();
    if (child == 0) {
        free(malloc(100));
        CHECK(find_slot() != slot && find_slot()->threads == 0);
        _exit(0);
    }
    CHECK(child_succeeded(child));
}

static void threads_that_there_are_are_told(void)
{
    make_page(1024 * MIB, BUDGET_REFUSE, 0);
    CHECK(helper_succeeds(".starts_threads"));
    remove_page();
}

static void maps_for_a_moment(void)
{
    void *map = mmap(NULL, 40 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    munmap(map, 40 * MIB);
}

static void asks_for_a_block_and_does_not_touch_it(void)
{
    free(malloc(hidden_size(MIB / 4)));
}

static struct budget_page *run_without_a_budget(const char *helper)
{
    struct budget_page *page = make_page(UINT64_C(1) << 46, BUDGET_THROTTLE | BUDGET_REFUSE, 50);
    CHECK(helper_succeeds(helper));
    remove_page();
    return page;
}

/* Between two looks at what there is. */
static void the_most_that_was_had_for_a_moment_is_told(void)
{
    const struct budget_slot *slot = run_without_a_budget(".maps_for_a_moment")->slots;
    CHECK(slot->peak >= 40 * MIB && slot->peak < 42 * MIB && slot->used < 2 * MIB);
}

/* It is judged by what is there and all of the block, and so much has to be allowed. */
static void a_small_program_needs_what_a_request_is_judged_by(void)
{
    const struct budget_slot *slot =
        run_without_a_budget(".asks_for_a_block_and_does_not_touch_it")->slots;
    CHECK(slot->rss_anon > MIB / 8 && slot->peak >= MIB / 4 + slot->rss_anon - MIB / 16);
}

CHECK_MAIN(CASE(a_refusal_of_the_system_is_told_from_one_of_the_budget),
           CASE(a_range_with_a_hole_is_no_refusal), HELPER(protects_what_is_there_and_what_is_not),
           CASE(threads_that_there_are_are_told), HELPER(asks_for_what_the_system_refuses),
           HELPER(starts_threads), HELPER(maps_for_a_moment),
           HELPER(asks_for_a_block_and_does_not_touch_it),
           CASE(the_most_that_was_had_for_a_moment_is_told),
           CASE(a_small_program_needs_what_a_request_is_judged_by),
           CASE(what_was_enough_for_a_budget_is_not_without_it), HELPER(loses_its_budget),
           HELPER(is_not_swapped_any_more))
