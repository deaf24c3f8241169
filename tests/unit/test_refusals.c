/* test_refusals.c - each call for memory is refused in turn, in each operation of the heap.
 *
 * An operation runs in a child of its own, with its first OS call refused, its second, ... (not
 * every one of very many), until it needs no more. Afterwards every block it got holds its bytes,
 * is freed, and the heap recounts itself; no unit may have been lost, and the same operation
 * succeeds once nothing is refused. */
#include "tests/unit/unit.h"

#include "allocators/warm.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocators/unit.h"
#include "tests/unit/os_refusal.h"

enum { BLOCKS_MOST = 4000, CALLS_MOST = 400, DONE = 0, RAN_OUT = 42 };
enum { MIB = 1024 * 1024 };

/* -- blocks ----------------------------------------------------------------------------------- */

static struct {
    struct {
        unsigned char *at;
        size_t bytes;
    } blocks[BLOCKS_MOST];
    size_t count;
    size_t refused; /* requests that got nothing */
} kept;

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static unsigned char byte_of(size_t index)
{
    return (unsigned char)(index * 37 + 1);
}

/* The bytes that are looked at: all at first, then few, since each touches a page. */
static size_t next_place(size_t at)
{
    return at + (at < 128 ? 1 : at < 16384 ? 1024 : MIB);
}

static void mark(size_t index)
{
    unsigned char *p = kept.blocks[index].at;
    size_t bytes = kept.blocks[index].bytes;
    for (size_t i = 0; i < bytes; i = next_place(i))
        p[i] = byte_of(index);
    p[bytes - 1] = byte_of(index);
}

static bool is_marked(const unsigned char *p, size_t index, size_t bytes)
{
    for (size_t i = 0; i < bytes; i = next_place(i)) {
        if (p[i] != byte_of(index))
            return false;
    }
    return true;
}

static void keep(void *p, size_t bytes)
{
    kept.refused += p == NULL;
    if (p == NULL)
        return;
    check(heap_usable(p) >= bytes, "less usable than asked for");
    kept.blocks[kept.count].at = p;
    kept.blocks[kept.count].bytes = bytes;
    mark(kept.count++);
}

static void resize(size_t index, size_t bytes)
{
    if (index >= kept.count)
        return;
    size_t old_bytes = kept.blocks[index].bytes;
    unsigned char *p = heap_realloc(kept.blocks[index].at, bytes);
    if (p == NULL) {
        check(bytes > old_bytes, "a block could not shrink");
        kept.refused++;
        check(is_marked(kept.blocks[index].at, index, old_bytes), "a failed realloc lost bytes");
        return;
    }
    check(is_marked(p, index, bytes < old_bytes ? bytes : old_bytes), "realloc lost bytes");
    kept.blocks[index].at = p;
    kept.blocks[index].bytes = bytes;
    mark(index);
}

static void free_kept(void)
{
    for (size_t i = 0; i < kept.count; i++) {
        check(is_marked(kept.blocks[i].at, i, kept.blocks[i].bytes), "bytes were changed");
        heap_free(kept.blocks[i].at);
    }
    kept.count = 0;
}

/* -- operations ------------------------------------------------------------------------------- */

static void alloc_many(size_t bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        keep(heap_alloc(bytes), bytes);
}

static void small(void)
{
    alloc_many(100, 600);
    alloc_many(16, 1200);
    alloc_many(1000, 100);
}

static void mid(void)
{
    alloc_many(5000, 60);
    alloc_many(20000, 20);
    alloc_many(32768, 10);
}

static void large(void)
{
    alloc_many(100000, 30);
    alloc_many(3 * MIB, 4);
}

static void huge(void)
{
    alloc_many(40 * MIB, 6);
}

static void aligned(void)
{
    static const size_t sizes[] = {10, 5000, 100000, 3 * MIB, 33 * MIB};
    for (size_t alignment = 64; alignment <= 64 * MIB; alignment *= 8) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            void *p = heap_alloc_aligned(alignment, sizes[i]);
            check((uintptr_t)p % alignment == 0, "misaligned");
            keep(p, sizes[i]);
        }
    }
}

static void zeroed(void)
{
    static const size_t sizes[] = {10, 5000, 100000, 3 * MIB, 33 * MIB};
    for (size_t i = 0; i < 3 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t bytes = sizes[i / 3];
        unsigned char *p = heap_alloc_zeroed(bytes);
        for (size_t at = 0; p != NULL && at < bytes; at = next_place(at))
            check(p[at] == 0, "not zeroed");
        keep(p, bytes);
    }
}

static void grow(void)
{
    alloc_many(50, 3);
    for (size_t bytes = 100; bytes <= 80 * MIB; bytes *= 3) {
        for (size_t i = 0; i < (bytes < MIB ? 3 : 1); i++)
            resize(i, bytes);
        alloc_many(bytes < MIB ? bytes : 100, 1); /* stands in the way */
    }
}

static void shrink(void)
{
    alloc_many(70 * MIB, 1);
    alloc_many(2 * MIB, 2);
    for (size_t bytes = 69 * MIB; bytes > 10; bytes /= 4) {
        for (size_t i = 0; i < 3; i++) {
            if (i < kept.count && bytes < kept.blocks[i].bytes)
                resize(i, bytes);
        }
    }
}

static void *live_briefly(void *unused)
{
    void *blocks[50];
    for (size_t i = 0; i < 50; i++)
        blocks[i] = heap_alloc(i * 700 + 1);
    for (size_t i = 0; i < 50; i++) {
        if (blocks[i] != NULL)
            heap_free(blocks[i]);
        else
            kept.refused++;
    }
    heap_thread_exit();
    return unused;
}

static void threads(void)
{
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, live_briefly, NULL) == 0)
            pthread_join(thread, NULL);
    }
}

/* Frees, with the memory given back at every chance: the clock runs fast. */
static void churn(void)
{
    for (size_t round = 0; round < 4; round++) {
        alloc_many(200, 300);
        alloc_many(50000 + round * 40000, 20);
        alloc_many(36 * MIB, 1);
        free_kept();
    }
}

static void give_back(void)
{
    mid();
    large();
    huge();
    free_kept();
    heap_compact();
}

static void fork_in_the_middle(void)
{
    large();
    huge();
    heap_fork_child();
    free_kept();
    mid();
}

static const struct operation {
    const char *name;
    void (*run)(void);
} operations[] = {{"small", small},         {"mid", mid},
                  {"large", large},         {"huge", huge},
                  {"aligned", aligned},     {"zeroed", zeroed},
                  {"grow", grow},           {"shrink", shrink},
                  {"threads", threads},     {"churn", churn},
                  {"give back", give_back}, {"fork", fork_in_the_middle}};
enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

/* -- one run ---------------------------------------------------------------------------------- */

/* Every unit is free and indexed, or somebody's: nothing lies in between when nothing runs. */
static void check_no_unit_is_lost(void)
{
    size_t units = atomic_load(&space.units);
    struct warm_stats parked;
    warm_read_stats(&parked);
    size_t taken = 0;
    bool is_behind = false; /* behind the frontier: labelled free, and in no run */
    for (size_t unit = UNIT_FIRST; unit < units; unit++) {
        uint8_t ctl = *space_ctl(unit);
        bool is_indexed = (space_free_bits()[unit / 64] >> unit % 64 & 1) != 0;
        taken += ctl == CTL_TAKEN;
        check(is_indexed == (ctl == CTL_FREE) || ctl == CTL_FREE, "a used unit is indexed");
        is_behind = is_behind || (ctl == CTL_FREE && !is_indexed);
        check(!is_behind || (ctl == CTL_FREE && !is_indexed), "a free unit was lost");
    }
    check(taken == parked.runs, "a unit belongs to nobody");
}

static void check_is_empty(void)
{
    struct heap_stats stats;
    heap_audit();
    heap_read_stats(&stats);
    check(stats.live_objects == 0 && stats.live_bytes == 0, "freed blocks are counted as live");
    if (space_units_max() > 0)
        check_no_unit_is_lost();
}

struct terms {
    bool stepwise;  /* strict overcommit */
    bool warm;      /* the operation ran before */
    bool all_after; /* everything is refused from the N-th call on */
    size_t reserve; /* bytes */
};

static void start(const struct terms *terms)
{
    struct conf conf;
    conf_init(&conf);
    conf.reserve = terms->reserve;
    conf.decay_ms = 0;
    (void)heap_init(&conf); /* refused: the heap stays without memory, for good */
}

/* In a child: 42 when the operation needs fewer calls than `nth`. */
static void run_refused(const struct operation *operation, const struct terms *terms, unsigned nth)
{
    bool is_roomy = terms->reserve > 256 * MIB;
    os_refuse_unpromised(terms->stepwise);
    if (terms->warm) {
        start(terms);
        operation->run();
        check(!is_roomy || kept.refused == 0, "refused without need");
        free_kept();
    }
    os_refuse(nth, terms->all_after ? UINT32_MAX : nth);
    if (!terms->warm)
        start(terms);
    operation->run();
    bool ran_out = os_refusal_calls() < nth;
    check(!ran_out || !is_roomy || kept.refused == 0 || !terms->warm,
          "NULL although all was granted");
    free_kept();
    os_refuse(0, 0);
    check_is_empty();
    kept.refused = 0;
    operation->run();
    check(!is_roomy || kept.refused == 0 || space_units_max() == 0, "it does not work again");
    free_kept();
    heap_compact();
    check_is_empty();
    _exit(ran_out ? RAN_OUT : DONE);
}

static int run_in_child(const struct operation *operation, const struct terms *terms, unsigned nth)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(200);
        run_refused(operation, terms, nth);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static unsigned refuse_each_call(const struct operation *operation, const struct terms *terms)
{
    unsigned runs = 1;
    for (unsigned nth = 1; nth < CALLS_MOST; nth += 1 + nth / 8, runs++) {
        int result = run_in_child(operation, terms, nth);
        if (result == RAN_OUT)
            return runs;
        if (result != DONE)
            fail_msg("%s, call %u refused%s%s%s, %zu MiB: %d", operation->name, nth,
                     terms->all_after ? " and all after" : "", terms->warm ? ", warm" : "",
                     terms->stepwise ? ", stepwise" : "", terms->reserve >> 20, result);
    }
    fail_msg("%s never ran out of calls", operation->name);
    return 0;
}

static void refuse_in_all(const struct terms *terms)
{
    unsigned calls = 0;
    for (size_t i = 0; i < OPERATIONS; i++)
        calls += refuse_each_call(&operations[i], terms);
    print_message("%u runs\n", calls);
    assert_true(calls > OPERATIONS);
}

static const size_t roomy = (size_t)4 << 30;

static void a_refusal_at_any_call_of_a_new_heap_is_survived(void **state)
{
    (void)state;
    refuse_in_all(&(struct terms){.reserve = roomy});
}

static void a_refusal_at_any_call_of_a_used_heap_is_survived(void **state)
{
    (void)state;
    refuse_in_all(&(struct terms){.reserve = roomy, .warm = true});
}

static void refusals_from_any_call_on_are_survived(void **state)
{
    (void)state;
    refuse_in_all(&(struct terms){.reserve = roomy, .warm = true, .all_after = true});
}

static void a_refusal_under_strict_overcommit_is_survived(void **state)
{
    (void)state;
    refuse_in_all(&(struct terms){.reserve = roomy, .stepwise = true, .all_after = true});
}

static void a_refusal_in_a_small_reservation_is_survived(void **state)
{
    (void)state;
    refuse_in_all(&(struct terms){.reserve = 16 * MIB, .all_after = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_at_any_call_of_a_new_heap_is_survived),
        cmocka_unit_test(a_refusal_at_any_call_of_a_used_heap_is_survived),
        cmocka_unit_test(refusals_from_any_call_on_are_survived),
        cmocka_unit_test(a_refusal_under_strict_overcommit_is_survived),
        cmocka_unit_test(a_refusal_in_a_small_reservation_is_survived),
    };
    /* The few bytes that are looked at would cost a huge page each; asking for those goes on. */
    (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
