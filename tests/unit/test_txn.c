/* test_txn.c - transactions: chunks, children, marks, records, threads and forks. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocators/base/os.h"
#include "allocators/txn.h"
#include "allocators/unit.h"

enum { MOST_BYTES = 8 << 20 };

static int setup(void **state)
{
    (void)state;
    start_small_heap();
    txn_init(MOST_BYTES);
    return 0;
}

static struct txn *begin(struct txn *parent, const char *name, size_t expected)
{
    assert_true(txn_prepare(name));
    return txn_begin(parent, name, expected);
}

static void *get(struct txn *txn, size_t bytes, size_t alignment)
{
    void *p = NULL;
    assert_int_equal(txn_alloc(txn, bytes, alignment, &p), 0);
    assert_true((uintptr_t)p % (alignment != 0 ? alignment : 16) == 0);
    return p;
}

static char *filled(struct txn *txn, size_t bytes, int byte)
{
    return memset(get(txn, bytes, 1), byte, bytes);
}

static bool is_all(const char *p, size_t bytes, char byte)
{
    for (size_t i = 0; i < bytes; i++) {
        if (p[i] != byte)
            return false;
    }
    return true;
}

static size_t chunks_out(void)
{
    struct txn_totals totals;
    txn_read_totals(&totals);
    return totals.chunks;
}

static void blocks_stay_apart_and_aligned(void **state)
{
    (void)state;
    enum { BLOCKS = 300 };
    struct txn *txn = begin(NULL, "apart", 0);
    char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = memset(get(txn, (size_t)i * 7, (size_t)1 << i % 14), i, (size_t)i * 7);
    for (int i = 0; i < BLOCKS; i++)
        assert_true(is_all(blocks[i], (size_t)i * 7, (char)i));
    assert_int_equal(txn->blocks, BLOCKS);
    assert_true(txn_used(txn) <= txn->reserved);
    txn_end(txn, TXN_ROLLED_BACK);
    assert_int_equal(chunks_out(), 0);
}

/* A transaction of many chunks, as none of its name was before. */
static void end_large(char *name)
{
    static char names[1000][16];
    static int count;
    snprintf(names[count], sizeof(names[count]), "%s %d", name, count);
    struct txn *txn = begin(NULL, names[count++], 0);
    for (int i = 0; i < 6000; i++)
        filled(txn, 1000, 'x');
    assert_true(txn->chunks > 10);
    txn_end(txn, TXN_ROLLED_BACK);
    assert_true(txn_chunk_waits());
}

static void many_chunks_wait_for_who_passes_by(void **state)
{
    (void)state;
    struct heap_stats before, after;
    heap_read_stats(&before);
    end_large("passes");
    heap_free(heap_alloc(100000)); /* a slow path */
    assert_false(txn_chunk_waits());
    end_large("reads");
    heap_read_stats(&after);
    assert_false(txn_chunk_waits());
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_int_equal(after.live_objects, before.live_objects);
    end_large("takes");
    struct txn *txn = begin(NULL, "taker", 0);
    filled(txn, 1, 't');
    assert_false(txn_chunk_waits());
    txn_end(txn, TXN_COMMITTED);
    end_large("compacts");
    heap_trim();
    assert_false(txn_chunk_waits());
}

static void what_waits_is_taken_before_the_heap_grows(void **state)
{
    (void)state;
    end_large("first");
    end_large("second");
    size_t resident = unit_resident_bytes();
    for (int i = 0; i < 20; i++)
        end_large("later");
    assert_in_range(unit_resident_bytes(), resident / 2, resident + resident / 8);
    heap_compact();
    assert_int_equal(chunks_out(), 0);
}

static void what_cannot_be_had_is_refused(void **state)
{
    (void)state;
    void *p;
    struct txn *txn = begin(NULL, "refused", 0);
    assert_int_equal(txn_alloc(txn, 1, 3, &p), EINVAL);
    assert_int_equal(txn_alloc(txn, SIZE_MAX, 1, &p), ENOMEM);
    assert_int_equal(txn_alloc(txn, MOST_BYTES, 0, &p), EDQUOT);
    char *kept = filled(txn, 100, 'k');
    for (size_t got = 0; txn_alloc(txn, 1000, 0, &p) == 0; got += 1000)
        assert_true(got < MOST_BYTES);
    assert_int_equal(txn_alloc(txn, 1000, 0, &p), EDQUOT);
    assert_in_range(txn->reserved, MOST_BYTES / 8 * 7, MOST_BYTES);
    assert_true(is_all(kept, 100, 'k'));
    txn_end(txn, TXN_COMMITTED);
    assert_int_equal(chunks_out(), 0);
}

static void a_child_that_commits_leaves_its_blocks_to_its_parent(void **state)
{
    (void)state;
    struct txn *parent = begin(NULL, "parent", 0);
    char *before = filled(parent, 100, 'b');
    for (size_t bytes = 10; bytes < 100000; bytes *= 3) {
        struct txn *child = begin(parent, "child", 0);
        char *inside = filled(child, bytes, 'i');
        txn_end(child, TXN_COMMITTED);
        char *after = filled(parent, 50, 'a');
        assert_true(is_all(inside, bytes, 'i') && is_all(before, 100, 'b') &&
                    is_all(after, 50, 'a'));
    }
    assert_null(parent->children);
    txn_end(parent, TXN_COMMITTED);
    assert_int_equal(chunks_out(), 0);
}

static void a_child_that_rolls_back_drops_its_own_alone(void **state)
{
    (void)state;
    struct txn *parent = begin(NULL, "parent", 0);
    char *before = filled(parent, 100, 'b');
    size_t used = txn_used(parent), reserved = parent->reserved;
    struct txn *child = begin(parent, "child", 0);
    filled(child, 50000, 'c');
    struct txn *grandchild = begin(child, "grandchild", 0);
    filled(grandchild, 10, 'g');
    txn_end(child, TXN_ROLLED_BACK); /* and with it the grandchild */
    assert_false(txn_is_open(grandchild));
    assert_int_equal(txn_used(parent), used);
    assert_int_equal(parent->reserved, reserved);
    assert_int_equal(parent->blocks, 1);
    assert_true(is_all(before, 100, 'b'));
    txn_end(parent, TXN_ROLLED_BACK);
}

static void small_children_live_in_their_parents_chunk(void **state)
{
    (void)state;
    struct txn *parent = begin(NULL, "parent", 0);
    filled(parent, 1, 'p');
    for (int i = 0; i < 1000; i++) {
        struct txn *child = begin(parent, "small child", 0);
        struct txn *grandchild = begin(child, "smaller child", 0);
        filled(grandchild, 2, 'g');
        txn_end(grandchild, TXN_COMMITTED);
        filled(child, 1, 'c');
        assert_int_equal(child->chunks, 0);
        txn_end(child, i % 2 == 0 ? TXN_COMMITTED : TXN_ROLLED_BACK);
    }
    assert_int_equal(parent->chunks, 1);
    assert_int_equal(txn_used(parent), 1 + 500 * 3);
    assert_int_equal(parent->blocks, 1 + 500 * 2);
    txn_end(parent, TXN_COMMITTED);
}

static void a_parent_may_allocate_while_its_children_do(void **state)
{
    (void)state;
    struct txn *parent = begin(NULL, "parent", 0);
    char *first = filled(parent, 10, '1');
    struct txn *elder = begin(parent, "child", 0), *younger = begin(parent, "child", 0);
    char *lent = filled(elder, 10, 'l'), *own = filled(younger, 10, 'o');
    char *second = filled(parent, 4000, '2');
    char *more = filled(elder, 10, 'm');
    txn_end(elder, TXN_COMMITTED);
    char *third = filled(parent, 4000, '3');
    txn_end(younger, TXN_COMMITTED);
    assert_true(is_all(first, 10, '1') && is_all(lent, 10, 'l') && is_all(own, 10, 'o'));
    assert_true(is_all(second, 4000, '2') && is_all(more, 10, 'm') && is_all(third, 4000, '3'));
    txn_end(parent, TXN_COMMITTED);
    assert_int_equal(chunks_out(), 0);
}

/* Not a byte of it is lost, nor had twice. */
static void a_loan_ends_behind_the_childs_last_block_there(void **state)
{
    (void)state;
    struct txn *parent = begin(NULL, "lender", 0);
    filled(parent, 10, 'p');
    uintptr_t lent = parent->at;
    struct txn *child = begin(parent, "borrower", 0);
    filled(child, 100, 'c');
    filled(child, 5000, 'l'); /* no room: it leaves the loan, for a chunk that this block fills */
    txn_audit(child);
    txn_audit(parent);
    txn_end(child, TXN_COMMITTED);
    assert_int_equal(parent->at, lent + 100);
    txn_end(parent, TXN_COMMITTED);
}

static void rolling_back_to_a_mark_drops_what_is_younger(void **state)
{
    (void)state;
    struct txn *txn = begin(NULL, "marks", 0);
    struct txn_mark start, mark;
    txn_save(txn, &start);
    char *kept = filled(txn, 3000, 'k');
    txn_save(txn, &mark);
    size_t used = txn_used(txn), reserved = txn->reserved;
    for (int round = 0; round < 3; round++) {
        filled(txn, 300000, 'd');
        struct txn *child = begin(txn, "child", 0), *open = begin(txn, "child", 0);
        filled(child, 20000, 'd');
        filled(open, 20000, 'd');
        txn_end(child, TXN_COMMITTED);
        filled(txn, 10, 'd');
        txn_rollback_to(txn, &mark);
        assert_false(txn_is_open(open));
        assert_int_equal(txn_used(txn), used);
        assert_int_equal(txn->reserved, reserved);
        assert_int_equal(txn->blocks, 1);
        assert_true(is_all(kept, 3000, 'k'));
    }
    txn_rollback_to(txn, &start);
    assert_int_equal(txn->reserved, 0);
    assert_int_equal(chunks_out(), 0);
    txn_end(txn, TXN_COMMITTED);
}

static void a_mark_outlives_loans_on_both_sides(void **state)
{
    (void)state;
    struct txn *parent = begin(NULL, "parent", 0);
    filled(parent, 10, 'p');
    struct txn *child = begin(parent, "child", 0);
    char *kept = filled(child, 10, 'k');
    struct txn_mark in_loan, in_lent;
    txn_save(child, &in_loan);
    filled(child, 9000, 'd');
    txn_rollback_to(child, &in_loan);
    assert_int_equal(child->chunks, 0);
    struct txn *grandchild = begin(child, "grandchild", 0);
    char *far = filled(grandchild, 10, 'f');
    txn_save(child, &in_lent); /* the loan is forgotten */
    filled(child, 10, 'd');
    txn_rollback_to(child, &in_lent);
    assert_true(txn_is_open(grandchild));
    assert_true(is_all(kept, 10, 'k') && is_all(far, 10, 'f'));
    txn_end(grandchild, TXN_COMMITTED);
    txn_end(child, TXN_COMMITTED);
    char *after = filled(parent, 100, 'a');
    assert_true(is_all(kept, 10, 'k') && is_all(far, 10, 'f') && is_all(after, 100, 'a'));
    txn_end(parent, TXN_ROLLED_BACK);
    assert_int_equal(chunks_out(), 0);
}

static const struct txn_record *record_of(const char *name)
{
    static struct txn_record record;
    for (size_t i = 0; txn_read_record(i, &record); i++) {
        if (strcmp(record.text, name) == 0)
            return &record;
    }
    fail_msg("no record of %s", name);
    return NULL;
}

/* Sizes from 90 % to 110 % of `typical` in blocks of 16 to 512 bytes. */
static void run_typical(const char *name, size_t typical, uint64_t *used, uint64_t *reserved)
{
    uint64_t seed = 88172645463325252u;
    *used = *reserved = 0;
    for (int i = 0; i < 200; i++) {
        struct txn *txn = begin(NULL, name, 0);
        size_t wanted = typical / 10 * 9 + random_next(&seed) % (typical / 5);
        while (txn_used(txn) < wanted)
            get(txn, 16 + random_next(&seed) % 497, 8);
        if (i >= 100) {
            *used += txn_used(txn);
            *reserved += txn->reserved;
        }
        txn_end(txn, TXN_COMMITTED);
    }
}

static void a_name_is_remembered_by_what_it_needs(void **state)
{
    (void)state;
    static const struct {
        const char *name, *profile;
        size_t typical;
    } rows[] = {{"typically tiny", "tiny", 8000},
                {"typically small", "small", 200000},
                {"typically medium", "medium", 2000000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t used, reserved;
        run_typical(rows[i].name, rows[i].typical, &used, &reserved);
        assert_true(reserved * 100 <= used * 125);
        const struct txn_record *record = record_of(rows[i].name);
        assert_string_equal(txn_profile_of(record->first_bytes), rows[i].profile);
        assert_in_range(record->first_bytes, rows[i].typical / 10 * 9, rows[i].typical / 10 * 12);
        assert_int_equal(txn_sum_read(&record->sums.ended[TXN_COMMITTED]), 200);
    }
}

static void old_sizes_are_forgotten(void **state)
{
    (void)state;
    static const char name[] = "changing";
    for (int i = 0; i < 1000; i++) {
        struct txn *txn = begin(NULL, name, 0);
        get(txn, i < 500 ? 100000 : 1000, 1);
        txn_end(txn, TXN_COMMITTED);
    }
    assert_in_range(record_of(name)->first_bytes, 1000, 1100);
}

static void names_that_meet_in_a_tally_keep_their_sums(void **state)
{
    (void)state;
    static char texts[TXN_NAMES + 50][16];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < TXN_NAMES + 50; i++) {
            snprintf(texts[i], sizeof(texts[i]), "n%d", i);
            txn_end(begin(NULL, texts[i], 0), TXN_COMMITTED);
        }
    }
    assert_int_equal(txn_sum_read(&record_of("n7")->sums.ended[TXN_COMMITTED]), 2);
    assert_true(txn_sum_read(&record_of("(others)")->sums.ended[TXN_COMMITTED]) >= 100);
}

static struct txn *handed;
static _Atomic int stage;

static void wait_for(int wanted)
{
    while (stage < wanted)
        os_yield();
}

static void *leave_open_and_end(void *unused)
{
    filled(begin(NULL, "left open", 0), 100, 'x');
    struct txn *txn = begin(NULL, "left open", 0);
    filled(begin(txn, "left open", 0), 100, 'x');
    handed = begin(NULL, "handed over", 0);
    filled(handed, 100, 'h');
    stage = 1;
    wait_for(2);
    heap_thread_exit();
    return unused;
}

static void a_thread_that_ends_leaves_nothing_open(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, leave_open_and_end, NULL), 0);
    wait_for(1);
    txn_adopt(handed);
    stage = 2;
    pthread_join(thread, NULL);
    assert_int_equal(chunks_out(), 1);
    assert_int_equal(txn_sum_read(&record_of("left open")->sums.ended[TXN_ABANDONED]), 3);
    txn_end(handed, TXN_COMMITTED);
    assert_int_equal(chunks_out(), 0);
}

static void a_fork_may_end_what_was_open(void **state)
{
    (void)state;
    struct txn *parent = begin(NULL, "forked", 0);
    char *kept = filled(parent, 100, 'k');
    struct txn *child = begin(parent, "forked", 0);
    filled(child, 9000, 'c');
    pid_t pid = fork();
    if (pid == 0) {
        heap_fork_child();
        txn_end(child, TXN_COMMITTED);
        bool is_well = is_all(kept, 100, 'k');
        txn_end(parent, TXN_ROLLED_BACK);
        heap_audit();
        _exit(is_well && chunks_out() == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    txn_end(parent, TXN_ROLLED_BACK);
}

static void statistics_count_what_is_used(void **state)
{
    (void)state;
    struct heap_stats before, during, after;
    struct txn *txn = begin(NULL, "counted", 0);
    heap_read_stats(&before);
    for (int i = 0; i < 1000; i++)
        filled(txn, 100, 'x');
    heap_read_stats(&during);
    assert_int_equal(during.live_bytes - before.live_bytes, 100000);
    assert_int_equal(during.live_objects - before.live_objects, 1000);
    txn_end(txn, TXN_COMMITTED);
    heap_read_stats(&after);
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_int_equal(after.live_objects, before.live_objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_stay_apart_and_aligned),
        cmocka_unit_test(many_chunks_wait_for_who_passes_by),
        cmocka_unit_test(what_waits_is_taken_before_the_heap_grows),
        cmocka_unit_test(what_cannot_be_had_is_refused),
        cmocka_unit_test(a_child_that_commits_leaves_its_blocks_to_its_parent),
        cmocka_unit_test(a_child_that_rolls_back_drops_its_own_alone),
        cmocka_unit_test(small_children_live_in_their_parents_chunk),
        cmocka_unit_test(a_parent_may_allocate_while_its_children_do),
        cmocka_unit_test(a_loan_ends_behind_the_childs_last_block_there),
        cmocka_unit_test(rolling_back_to_a_mark_drops_what_is_younger),
        cmocka_unit_test(a_mark_outlives_loans_on_both_sides),
        cmocka_unit_test(a_name_is_remembered_by_what_it_needs),
        cmocka_unit_test(old_sizes_are_forgotten),
        cmocka_unit_test(a_thread_that_ends_leaves_nothing_open),
        cmocka_unit_test(a_fork_may_end_what_was_open),
        cmocka_unit_test(statistics_count_what_is_used),
        cmocka_unit_test(names_that_meet_in_a_tally_keep_their_sums),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
