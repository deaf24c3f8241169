/* transactions.c - mpress_txn.h as a program uses it: what lives, what ends, who is told. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "preload/mpress_txn.h"
#include "tests/semantics/check.h"

static void need_mpress(void)
{
    if (mpress_txn_begin == NULL)
        SKIP("this heap has no transactions");
}

static struct mpress_txn_stats stats_of(const struct mpress_txn *txn)
{
    struct mpress_txn_stats stats;
    mpress_txn_stats(txn, &stats);
    return stats;
}

static void blocks_live_until_the_end(void)
{
    enum { BLOCKS = 20000 };
    static char *blocks[BLOCKS];
    need_mpress();
    for (int round = 0; round < 3; round++) {
        struct mpress_txn *txn = mpress_txn_begin(NULL, "many", 0);
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = mpress_txn_alloc(txn, 64, 0);
            CHECK(is_aligned(blocks[i], 16));
            memset(blocks[i], i, 64);
        }
        for (int i = 0; i < BLOCKS; i++)
            CHECK(is_filled(blocks[i], (unsigned char)i, 64));
        struct mpress_txn_stats stats;
        mpress_txn_stats(txn, &stats);
        CHECK(stats.blocks == BLOCKS && stats.used >= BLOCKS * 64 && stats.reserved >= stats.used);
        mpress_txn_rollback(txn);
    }
}

/* In a transaction that has no memory yet, in one that has, and in one that lent all it has. */
static void no_bytes_have_an_address_too(void)
{
    need_mpress();
    struct mpress_txn *txn = mpress_txn_begin(NULL, "no bytes", 0);
    for (size_t alignment = 0; alignment <= 4096; alignment = alignment != 0 ? 2 * alignment : 1) {
        struct mpress_txn *fresh = mpress_txn_begin(NULL, "no bytes", 0);
        void *p = mpress_txn_alloc(fresh, 0, alignment);
        CHECK(p != NULL && is_aligned(p, alignment != 0 ? alignment : 16));
        mpress_txn_rollback(fresh);
        CHECK(mpress_txn_alloc(txn, 0, alignment) != NULL);
    }
    struct mpress_txn *child = mpress_txn_begin(txn, "no bytes", 0);
    CHECK(mpress_txn_alloc(child, 0, 1) != NULL && mpress_txn_alloc(txn, 0, 1) != NULL);
    CHECK(stats_of(txn).blocks == 15 && stats_of(child).blocks == 1);
    errno = 0;
    CHECK(mpress_txn_alloc(txn, 0, 3) == NULL && errno == EINVAL);
    mpress_txn_commit(txn);
}

static void refusals_say_why(void)
{
    need_mpress();
    struct mpress_txn *txn = mpress_txn_begin(NULL, NULL, 0);
    errno = 0;
    CHECK(mpress_txn_alloc(txn, 10, 24) == NULL && errno == EINVAL);
    CHECK(mpress_txn_alloc(txn, SIZE_MAX - 5, 1) == NULL && errno == ENOMEM);
    CHECK(mpress_txn_alloc(txn, (size_t)300 << 20, 1) == NULL && errno == EDQUOT);
    errno = 7;
    CHECK(mpress_txn_alloc(txn, 10, 8) != NULL && errno == 7);
    CHECK((mpress_txn_alloc)(txn, 10, 8) != NULL); /* the function, not the macro */
    mpress_txn_commit(txn);
    CHECK(errno == 7);
}

static void children_and_marks_nest(void)
{
    need_mpress();
    struct mpress_txn *parent = mpress_txn_begin(NULL, "parent", 0);
    char *kept = memset(mpress_txn_alloc(parent, 50, 1), 'k', 50);
    struct mpress_txn *child = mpress_txn_begin(parent, "child", 0);
    char *left = memset(mpress_txn_alloc(child, 5000, 1), 'l', 5000);
    struct mpress_txn_mark mark;
    mpress_txn_save(child, &mark);
    memset(mpress_txn_alloc(child, 50000, 1), 'd', 50000);
    mpress_txn_rollback_to(child, &mark);
    mpress_txn_commit(child);
    child = mpress_txn_begin(parent, "child", 0);
    memset(mpress_txn_alloc(child, 5000, 1), 'd', 5000);
    mpress_txn_rollback(child);
    memset(mpress_txn_alloc(parent, 5000, 1), 'm', 5000);
    CHECK(is_filled(kept, 'k', 50) && is_filled(left, 'l', 5000));
    mpress_txn_commit(parent);
}

static void *hand_over(void *txn)
{
    mpress_txn_adopt(txn);
    CHECK(mpress_txn_alloc((struct mpress_txn *)txn, 100, 0) != NULL);
    return txn; /* and ends with it open */
}

static void a_thread_that_ends_is_named(void)
{
    need_mpress();
    int ends[2];
    char said[512] = "";
    CHECK(pipe(ends) == 0);
    int error = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    struct mpress_txn *txn = mpress_txn_begin(NULL, "left \"open\"", 0);
    pthread_t thread;
    pthread_create(&thread, NULL, hand_over, txn);
    pthread_join(thread, NULL);
    dup2(error, STDERR_FILENO);
    CHECK(read(ends[0], said, sizeof(said) - 1) > 0);
    CHECK(strstr(said, "ended within a transaction of 100 bytes, which is rolled back") != NULL);
    CHECK(strstr(said, "left \"open\"") != NULL);
    struct mpress_txn_name name;
    size_t index = 0;
    do
        CHECK(mpress_txn_name_read(index++, &name) == 0);
    while (strcmp(name.name, "left \"open\"") != 0);
    CHECK(name.abandoned == 1 && name.rolled_back == 1 && name.committed == 0);
    CHECK(name.blocks == 1 && name.used >= 100 && name.most_used == name.used);
}

static void *work(void *unused)
{
    for (int i = 0; i < 2000; i++) {
        struct mpress_txn *txn = mpress_txn_begin(NULL, "of a thread", 0);
        for (int k = 0; k < i % 50; k++)
            memset(mpress_txn_alloc(txn, (size_t)k * 10, 1), k, (size_t)k * 10);
        free(malloc(100));
        mpress_txn_rollback(txn);
    }
    return unused;
}

static void threads_have_their_own(void)
{
    need_mpress();
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    struct mpress_txn_name name;
    CHECK(mpress_txn_name_read(0, &name) == 0 && name.rolled_back == 8 * 2000);
    CHECK(mpress_txn_name_read(1, &name) == ENOENT);
}

static void a_forked_child_has_the_callers(void)
{
    need_mpress();
    struct mpress_txn *txn = mpress_txn_begin(NULL, "forked", 0);
    char *kept = memset(mpress_txn_alloc(txn, 100, 1), 'k', 100);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            memset(mpress_txn_alloc(txn, 5000, 1), 'c', 5000);
            CHECK(is_filled(kept, 'k', 100));
            mpress_txn_rollback(txn);
            work(NULL);
            _exit(0);
        }
        CHECK(child_succeeded(pid));
    }
    CHECK(is_filled(kept, 'k', 100));
    mpress_txn_commit(txn);
}

/* A sample lies apart. */
static void need_all(void)
{
    if (check_option_is("MPRESS_TRACE", "sample"))
        SKIP("samples come from elsewhere");
}

static void malloc_comes_from_what_is_entered(void)
{
    need_mpress();
    need_all();
    struct mpress_txn *txn = mpress_txn_begin(NULL, "entered", 0);
    char *before = memset(malloc(100), 'b', 100);
    CHECK(mpress_txn_leave(txn) == EINVAL);
    CHECK(mpress_txn_enter(txn) == 0 && mpress_txn_enter(txn) == EBUSY);
    uint64_t blocks = stats_of(txn).malloc_blocks;
    for (int i = 0; i < 1000; i++)
        free(malloc((size_t)i % 900));
    CHECK(stats_of(txn).malloc_blocks == blocks + 1000);
    blocks = stats_of(txn).malloc_blocks;
    char *text = strdup("libc's own malloc"), *zeroed = calloc(10, 10);
    char *aligned = aligned_alloc(256, 100), *large = malloc(100000);
    CHECK(stats_of(txn).malloc_blocks == blocks + 3 && is_aligned(aligned, 256));
    CHECK(is_filled(zeroed, 0, 100) && malloc_usable_size(zeroed) >= 100);
    text = realloc(text, 500);
    CHECK(strcmp(text, "libc's own malloc") == 0 && malloc_usable_size(text) >= 500);
    before = realloc(before, 120);
    memset(large, 'l', 100000);
    free(large);
    CHECK(mpress_txn_leave(txn) == 0);
    blocks = stats_of(txn).malloc_blocks;
    free(malloc(100));
    CHECK(stats_of(txn).malloc_blocks == blocks && stats_of(txn).malloc_live >= 3);
    mpress_txn_rollback(txn); /* leaves malloc's blocks alone */
    CHECK(strcmp(text, "libc's own malloc") == 0 && is_filled(zeroed, 0, 100));
    CHECK(is_filled(before, 'b', 100));
    free(text);
    free(zeroed);
    free(aligned);
    free(before);
}

static void blocks_outlive_the_transaction(void)
{
    enum { BLOCKS = 5000 };
    static char *blocks[BLOCKS];
    need_mpress();
    for (int round = 0; round < 20; round++) {
        struct mpress_txn *txn = mpress_txn_begin(NULL, "escaping", 0);
        CHECK(mpress_txn_enter(txn) == 0);
        for (int i = 0; i < BLOCKS; i++)
            blocks[i] = memset(malloc((size_t)i % 1100 + 1), i, (size_t)i % 1100 + 1);
        for (int i = 0; i < BLOCKS; i++) {
            if (i % 7 != round % 7)
                free(blocks[i]);
        }
        if (round % 2 == 0)
            mpress_txn_leave(txn);
        mpress_txn_commit(txn); /* which leaves, too */
        for (int i = round % 7; i < BLOCKS; i += 7) {
            CHECK(is_filled(blocks[i], (unsigned char)i, (size_t)i % 1100 + 1));
            if (i % 2 == 0)
                blocks[i] = realloc(blocks[i], 2000);
            free(blocks[i]);
        }
    }
    struct mpress_txn_name name;
    CHECK(mpress_txn_name_read(0, &name) == 0 && name.escaped > 0 &&
          name.escaped < name.malloc_blocks / 5);
    malloc_trim(0);
}

static void entered_ones_nest(void)
{
    need_mpress();
    struct mpress_txn *outer = mpress_txn_begin(NULL, "outer", 0);
    struct mpress_txn *inner = mpress_txn_begin(outer, "inner", 0);
    CHECK(mpress_txn_enter(outer) == 0);
    char *a = malloc(10);
    CHECK(mpress_txn_enter(inner) == 0 && mpress_txn_leave(outer) == EINVAL);
    char *b = malloc(10);
    free(a);
    CHECK(stats_of(outer).malloc_live == 0 && stats_of(inner).malloc_live == 1);
    mpress_txn_commit(inner);
    char *c = malloc(10);
    CHECK(stats_of(outer).malloc_live == 1);
    mpress_txn_commit(outer);
    free(b);
    free(c);
    memset(malloc(10), 1, 10);
}

/* Everything that others free, while and after. */
static _Atomic(char *) handed[64];
static _Atomic int is_over;

static void *free_what_is_handed(void *unused)
{
    while (!is_over) {
        for (int i = 0; i < 64; i++) {
            char *p = atomic_exchange(&handed[i], NULL);
            if (p == NULL)
                continue;
            CHECK(is_filled(p, i, malloc_usable_size(p)));
            if (i % 3 == 0)
                p = realloc(p, 700);
            free(p);
        }
    }
    return unused;
}

static void any_thread_frees_them(void)
{
    need_mpress();
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, free_what_is_handed, NULL);
    for (int round = 0; round < 300; round++) {
        struct mpress_txn *txn = mpress_txn_begin(NULL, "handing", 0);
        CHECK(mpress_txn_enter(txn) == 0);
        for (int i = 0; i < 640; i++) {
            char *own = memset(malloc(30), 'o', 30);
            char *p = malloc((size_t)(i * 7 + round) % 1000);
            memset(p, i % 64, malloc_usable_size(p));
            p = atomic_exchange(&handed[i % 64], p);
            if (p != NULL) {
                CHECK(is_filled(p, i % 64, malloc_usable_size(p)));
                free(p);
            }
            CHECK(is_filled(own, 'o', 30));
            free(own);
        }
        mpress_txn_rollback(txn);
    }
    is_over = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void *enter_and_end(void *kept)
{
    struct mpress_txn *txn = mpress_txn_begin(NULL, "entered at the end", 0);
    mpress_txn_enter(txn);
    *(char **)kept = memset(malloc(100), 'k', 100);
    return NULL;
}

static void a_thread_may_end_within(void)
{
    need_mpress();
    char *kept[8];
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, enter_and_end, &kept[i]);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 8; i++) {
        CHECK(is_filled(kept[i], 'k', 100));
        free(kept[i]);
    }
}

static void a_fork_within_goes_on(void)
{
    need_mpress();
    struct mpress_txn *txn = mpress_txn_begin(NULL, "forked within", 0);
    CHECK(mpress_txn_enter(txn) == 0);
    char *kept = memset(malloc(100), 'k', 100);
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (int k = 0; k < 3000; k++)
                memset(malloc((size_t)k % 900), 1, (size_t)k % 900);
            CHECK(is_filled(kept, 'k', 100));
            mpress_txn_commit(txn);
            free(kept);
            free(malloc(100));
            _exit(0);
        }
        CHECK(child_succeeded(pid));
    }
    mpress_txn_commit(txn);
    CHECK(is_filled(kept, 'k', 100));
    free(kept);
}

static void numbers_hold_within(void)
{
    need_mpress();
    need_all();
    struct mpress_txn *txn = mpress_txn_begin(NULL, "numbers", 0);
    struct mallinfo2 before = mallinfo2();
    CHECK(mpress_txn_enter(txn) == 0);
    char *blocks[1000];
    for (int i = 0; i < 1000; i++)
        blocks[i] = malloc(64);
    CHECK(mpress_txn_alloc(txn, 50000, 0) != NULL);
    struct mallinfo2 within = mallinfo2();
    CHECK(within.uordblks - before.uordblks == 64000 + 50000);
    mpress_txn_commit(txn);
    struct mallinfo2 after = mallinfo2();
    CHECK(after.uordblks - before.uordblks == 64000);
    for (int i = 0; i < 1000; i++)
        free(blocks[i]);
    CHECK(mallinfo2().uordblks == before.uordblks);
}

/* Without the library: one binary runs with and without. */
static void the_library_may_be_missing(void)
{
    unsetenv("LD_PRELOAD");
    CHECK(helper_succeeds(".without"));
}

static void without(void)
{
    CHECK(mpress_txn_begin == NULL);
}

CHECK_MAIN(CASE(blocks_live_until_the_end), CASE(no_bytes_have_an_address_too),
           CASE(refusals_say_why), CASE(children_and_marks_nest), CASE(a_thread_that_ends_is_named),
           CASE(threads_have_their_own), CASE(a_forked_child_has_the_callers),
           CASE(malloc_comes_from_what_is_entered), CASE(blocks_outlive_the_transaction),
           CASE(entered_ones_nest), CASE(any_thread_frees_them), CASE(a_thread_may_end_within),
           CASE(a_fork_within_goes_on), CASE(numbers_hold_within), CASE(the_library_may_be_missing),
           HELPER(without))
