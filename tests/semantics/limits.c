/* limits.c - little address space, small stacks, no files, strict overcommit, full map tables. */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/semantics/check.h"

static void set_limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit limit = {most, most};
    CHECK(setrlimit(resource, &limit) == 0);
}

/* Starts a helper of this program under a limit it must live with from its first instruction. */
static bool succeeds_under(__rlimit_resource_t resource, rlim_t most, const char *helper)
{
    pid_t child = fork();
    if (child == 0) {
        set_limit(resource, most);
        execl(check_self, check_self, helper, (char *)NULL);
        _exit(127);
    }
    return child_succeeded(child);
}

static void use_small_heap(void)
{
    char *blocks[2000];
    for (size_t i = 0; i < 2000; i++) {
        blocks[i] = malloc(i % 4000 + 1);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], (int)i, i % 4000 + 1);
    }
    for (size_t i = 0; i < 2000; i++) {
        CHECK(is_filled(blocks[i], (int)i, i % 4000 + 1));
        free(blocks[i]);
    }
}

/* Takes blocks of a size until there are no more, then gives them back: returns their count. */
static size_t fill_and_empty(size_t bytes)
{
    size_t count = 0;
    void **last = NULL;
    for (void **block; (block = malloc(bytes)) != NULL; count++) {
        memset(block, 0xee, bytes < 256 ? bytes : 256);
        *block = last;
        last = block;
    }
    CHECK(errno == ENOMEM);
    while (last != NULL) {
        void **next = *last;
        free(last);
        last = next;
    }
    return count;
}

/* Exhaustion is a NULL, again and again, and what was freed is there again. */
static void run_out_of(size_t kinds)
{
    static const size_t sizes[] = {5000000, 100000, 32768, 3000, 256, 64};
    for (size_t i = 0; i < kinds; i++) {
        size_t first = fill_and_empty(sizes[i]);
        size_t second = fill_and_empty(sizes[i]);
        CHECK(second * 10 >= first * 8);
    }
    use_small_heap();
}

static void run_out_of_memory(void)
{
    run_out_of(6);
}

static void run_out_of_much_memory(void) /* without the millions of small blocks */
{
    run_out_of(4);
}

static void forty_eight_megabytes_of_address_space_are_enough_to_start(void)
{
    CHECK(succeeds_under(RLIMIT_AS, (rlim_t)48 << 20, ".use_small_heap"));
}

static void running_out_of_48_megabytes_is_survived(void)
{
    CHECK(succeeds_under(RLIMIT_AS, (rlim_t)48 << 20, ".run_out_of_memory"));
}

static void running_out_of_a_gigabyte_is_survived(void)
{
    CHECK(succeeds_under(RLIMIT_AS, (rlim_t)1 << 30, ".run_out_of_much_memory"));
}

static void most_of_the_address_space_is_there_for_the_program(void)
{
    pid_t child = fork();
    if (child == 0) {
        set_limit(RLIMIT_AS, (rlim_t)1 << 30);
        execl(check_self, check_self, ".fill_half_a_gigabyte", (char *)NULL);
        _exit(127);
    }
    CHECK(child_succeeded(child));
}

static void fill_half_a_gigabyte(void)
{
    static void *blocks[50];
    for (int i = 0; i < 50; i++) {
        blocks[i] = malloc(10 << 20);
        CHECK(blocks[i] != NULL);
    }
    /* And the program's own mappings find room besides. */
    CHECK(mmap(NULL, 100 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    for (int i = 0; i < 50; i++)
        free(blocks[i]);
}

/* Takes blocks of a size until there are no more: returns the last one, which names the one before.
 */
static void **fill_with(size_t bytes)
{
    void **last = NULL;
    for (void **block; (block = malloc(bytes)) != NULL; last = block)
        *block = last;
    CHECK(errno == ENOMEM);
    return last;
}

/* glibc's heap may end right there; ours promises that large blocks leave room for small ones. */
static void use_small_blocks_after_large_ones(void)
{
    CHECK(fill_with(1 << 20) != NULL);
    for (int i = 0; i < 5000; i++) {
        char *block = malloc(4000);
        CHECK(block != NULL);
        memset(block, i, 4000);
    }
}

static void large_blocks_leave_room_for_small_ones(void)
{
    if (!check_is_mpress())
        SKIP("only the library promises this");
    CHECK(succeeds_under(RLIMIT_AS, (rlim_t)2 << 30, ".use_small_blocks_after_large_ones"));
}

static void shrink_when_memory_is_out(void)
{
    static const size_t sizes[][2] = {{1 << 20, 3000}, {30000, 100}, {3000, 100}};
    enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };
    char *blocks[SIZES];
    for (size_t i = 0; i < SIZES; i++) {
        blocks[i] = malloc(sizes[i][0]);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 0x5a, sizes[i][0]);
    }
    for (size_t i = 0; i < SIZES; i++)
        (void)fill_with(sizes[i][0]);
    (void)fill_with(100);
    for (size_t i = 0; i < SIZES; i++) {
        blocks[i] = realloc(blocks[i], sizes[i][1]);
        CHECK(blocks[i] != NULL && is_filled(blocks[i], 0x5a, sizes[i][1]));
    }
}

static void realloc_to_a_smaller_size_succeeds_when_memory_is_out(void)
{
    CHECK(succeeds_under(RLIMIT_AS, (rlim_t)2 << 30, ".shrink_when_memory_is_out"));
}

static void *recurse_and_allocate(void *unused)
{
    use_small_heap();
    return unused;
}

static void use_small_stacks(void)
{
    use_small_heap();
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, 49152) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, &attributes, recurse_and_allocate, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void stacks_may_be_small(void)
{
    CHECK(succeeds_under(RLIMIT_STACK, 256 << 10, ".use_small_stacks"));
}

static void no_descriptor_but_the_standard_ones_is_needed(void)
{
    use_small_heap();
    set_limit(RLIMIT_NOFILE, 3);
    use_small_heap();
    free(malloc(100 << 20));
    pid_t child = fork();
    if (child == 0) {
        use_small_heap();
        _exit(0);
    }
    CHECK(child_succeeded(child));
}

static void no_file_may_be_written_and_no_signal_is_raised(void)
{
    set_limit(RLIMIT_FSIZE, 0);
    use_small_heap();
    CHECK(succeeds_under(RLIMIT_FSIZE, 0, ".use_small_heap"));
}

static void locked_memory_may_run_out(void)
{
    if (mlockall(MCL_FUTURE) != 0)
        SKIP("mlockall is not allowed");
    set_limit(RLIMIT_MEMLOCK, 1 << 20);
    for (size_t bytes = 1; bytes < 64 << 20; bytes *= 4)
        free(malloc(bytes));
    CHECK(munlockall() == 0);
    use_small_heap();
}

/* Uses up vm.max_map_count, so that no mapping can be made or split any more. */
static void fill_map_table(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 1 << 20; i++) {
        int protection = i % 2 ? PROT_READ : PROT_NONE;
        if (mmap(NULL, page, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
            return;
    }
    SKIP("the map table has no limit here");
}

static void a_full_map_table_is_survived(void)
{
    static char *blocks[3000];
    for (size_t i = 0; i < 3000; i++) {
        size_t bytes = i % 100 == 0 ? 40 << 20 : i * 37;
        blocks[i] = malloc(bytes);
        CHECK(blocks[i] != NULL);
    }
    fill_map_table();
    for (size_t i = 0; i < 3000; i++) {
        free(blocks[i]);
        blocks[i] = malloc(i * 11);
    }
    for (size_t i = 0; i < 3000; i++)
        free(blocks[i]);
    malloc_trim(0);
    use_small_heap();
}

/* Four times what it is writable in one step; what others map (a trace) is there before. */
static void the_heap_grows_when_the_map_table_is_full(void)
{
    enum { BLOCKS = 13000, BYTES = 20000 };
    static char *blocks[BLOCKS];
    check_is_mpress();
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = malloc(BYTES);
        CHECK(blocks[i] != NULL);
    }
    fill_map_table();
    for (size_t i = 100; i < BLOCKS; i++) {
        blocks[i] = malloc(BYTES);
        CHECK(blocks[i] != NULL);
        blocks[i][0] = 1;
    }
}

static void *live_briefly(void *unused)
{
    for (size_t bytes = 1; bytes < 1 << 20; bytes *= 3)
        free(malloc(bytes));
    return unused;
}

/* All sizes and threads, as far as there is memory: where not, a clean NULL. */
static void try_all_sizes(void)
{
    static char *blocks[600];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 600; i++) {
            size_t bytes = i % 50 == 0 ? (size_t)(33 + i / 50) << 20 : i * 331 + 1;
            errno = 0;
            blocks[i] = malloc(bytes);
            CHECK(blocks[i] != NULL || errno == ENOMEM);
            if (blocks[i] != NULL)
                blocks[i][0] = blocks[i][bytes - 1] = (char)i;
        }
        for (int i = 0; i < 4; i++) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, live_briefly, NULL) == 0)
                CHECK(pthread_join(thread, NULL) == 0);
        }
        for (size_t i = 0; i < 600; i++) {
            char *moved = blocks[i] == NULL || i % 5 != 0 ? NULL : realloc(blocks[i], i * 900 + 1);
            CHECK(moved == NULL || moved[0] == (char)i);
            free(moved != NULL ? moved : blocks[i]);
        }
        malloc_trim(0);
    }
    use_small_heap();
}

static void running_out_of_48_megabytes_of_data_is_survived(void)
{
    CHECK(succeeds_under(RLIMIT_DATA, (rlim_t)48 << 20, ".run_out_of_memory"));
    CHECK(succeeds_under(RLIMIT_DATA, (rlim_t)48 << 20, ".try_all_sizes"));
}

/* The reservation counts, too. */
static void a_limit_lowered_while_the_program_runs_leaves_the_heap_usable(void)
{
    use_small_heap();
    char *kept = malloc(40 << 20);
    CHECK(kept != NULL);
    memset(kept, 7, 40 << 20);
    set_limit(RLIMIT_AS, (rlim_t)400 << 20);
    try_all_sizes();
    char *large = malloc(40 << 20);
    CHECK(large != NULL);
    free(large);
    void *mapping = mmap(NULL, 20 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mapping != MAP_FAILED && munmap(mapping, 20 << 20) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, live_briefly, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    char *shrunk = realloc(kept, 33 << 20);
    CHECK(shrunk != NULL && is_filled(shrunk, 7, 33 << 20));
    free(shrunk);
    use_small_heap();
}

/* Chains blocks until there are so many bytes, or no memory. How many bytes. */
static size_t fill(size_t most, void **chain)
{
    size_t bytes = 0;
    for (void *block; bytes < most && (block = malloc(1000)) != NULL; bytes += 1000) {
        memset(block, 1, 1000);
        *(void **)block = *chain;
        *chain = block;
    }
    return bytes;
}

static void empty(void **chain)
{
    for (void *block; (block = *chain) != NULL; free(block))
        *chain = *(void **)block;
}

static void set_soft_limit(rlim_t bytes, bool through_prlimit)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = bytes;
    CHECK((through_prlimit ? prlimit(0, RLIMIT_AS, &limit, NULL) : setrlimit(RLIMIT_AS, &limit)) ==
          0);
}

static void a_limit_may_go_down_and_up_again(void)
{
    enum { MIB = 1 << 20 };
    void *chain = NULL;
    CHECK(fill(30 * MIB, &chain) >= 30 * MIB);
    for (int round = 0; round < 3; round++) {
        set_soft_limit((rlim_t)256 * MIB, round == 1);
        size_t filled = fill((size_t)1024 * MIB, &chain);
        CHECK(filled >= 64 * MIB);
        empty(&chain);
        set_soft_limit(RLIM_INFINITY, round == 2);
        CHECK(fill((size_t)300 * MIB, &chain) >= (size_t)300 * MIB);
        empty(&chain);
        malloc_trim(0);
    }
    use_small_heap();
}

/* It runs on its parent's memory, whose limits stay. */
static void limits_of_the_child_of_a_vfork_are_its_own(void)
{
    void *chain = NULL;
    use_small_heap();
    pid_t child = vfork();
    if (child == 0) {
        struct rlimit limit = {(rlim_t)128 << 20, (rlim_t)128 << 20};
        _exit(setrlimit(RLIMIT_AS, &limit) == 0 ? 0 : 1);
    }
    CHECK(child_succeeded(child));
    CHECK(fill((size_t)300 << 20, &chain) >= (size_t)300 << 20);
    empty(&chain);
}

/* -- settings of the whole machine: only where the person who runs the tests says so ---------- */

static bool write_setting(const char *path, const char *value)
{
    int setting = open(path, O_WRONLY);
    bool done = setting >= 0 && write(setting, value, strlen(value)) == (ssize_t)strlen(value);
    close(setting);
    return done;
}

/* Runs a helper while the setting has that value, for some seconds at most. */
static void run_with_setting(const char *path, const char *value, const char *helper)
{
    char before[32] = "";
    if (getenv("MPRESS_TEST_MACHINE") == NULL)
        SKIP("changes a setting of the kernel for a moment; MPRESS_TEST_MACHINE=1 allows it");
    int setting = open(path, O_RDONLY);
    CHECK(setting >= 0 && read(setting, before, sizeof(before) - 1) > 0);
    close(setting);
    if (!write_setting(path, value))
        SKIP("no rights to change settings of the kernel");
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        execl(check_self, check_self, helper, (char *)NULL);
        _exit(127);
    }
    bool succeeded = child > 0 && child_succeeded(child);
    CHECK(write_setting(path, before));
    CHECK(succeeded);
}

static void strict_overcommit_leaves_room_to_start(void)
{
    run_with_setting("/proc/sys/vm/overcommit_memory", "2", ".use_small_heap");
    run_with_setting("/proc/sys/vm/overcommit_memory", "2", ".try_all_sizes");
}

static void a_small_map_table_is_survived(void)
{
    run_with_setting("/proc/sys/vm/max_map_count", "100", ".use_small_heap");
    run_with_setting("/proc/sys/vm/max_map_count", "100", ".try_all_sizes");
}

CHECK_MAIN(HELPER(use_small_heap), HELPER(run_out_of_memory), HELPER(run_out_of_much_memory),
           HELPER(use_small_stacks), HELPER(fill_half_a_gigabyte),
           HELPER(use_small_blocks_after_large_ones), HELPER(shrink_when_memory_is_out),
           CASE(large_blocks_leave_room_for_small_ones),
           CASE(realloc_to_a_smaller_size_succeeds_when_memory_is_out),
           CASE(forty_eight_megabytes_of_address_space_are_enough_to_start),
           CASE(running_out_of_48_megabytes_is_survived),
           CASE(running_out_of_a_gigabyte_is_survived),
           CASE(most_of_the_address_space_is_there_for_the_program), CASE(stacks_may_be_small),
           CASE(no_descriptor_but_the_standard_ones_is_needed),
           CASE(no_file_may_be_written_and_no_signal_is_raised), CASE(locked_memory_may_run_out),
           CASE(a_full_map_table_is_survived), CASE(the_heap_grows_when_the_map_table_is_full),
           HELPER(try_all_sizes), CASE(running_out_of_48_megabytes_of_data_is_survived),
           CASE(a_limit_lowered_while_the_program_runs_leaves_the_heap_usable),
           CASE(a_limit_may_go_down_and_up_again), CASE(limits_of_the_child_of_a_vfork_are_its_own),
           CASE(a_small_map_table_is_survived), CASE(strict_overcommit_leaves_room_to_start))
