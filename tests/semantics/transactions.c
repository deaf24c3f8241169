/* transactions.c - mpress_txn.h as a program uses it: what lives, what ends, who is told. */
#include <malloc.h>
#include <pthread.h>

#include "preload/mpress_txn.h"
#include "tests/semantics/check.h"

static void need_mpress(void)
{
    if (mpress_txn_begin == NULL)
        SKIP("this heap has no transactions");
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

CHECK_MAIN(CASE(blocks_live_until_the_end), CASE(refusals_say_why), CASE(children_and_marks_nest),
           CASE(a_thread_that_ends_is_named), CASE(threads_have_their_own),
           CASE(a_forked_child_has_the_callers), CASE(the_library_may_be_missing), HELPER(without))
