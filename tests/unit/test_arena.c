/* test_arena.c - malloc's blocks out of transactions: where they lie, what outlives them, and that
 * later ones fill what was left free. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocators/arena.h"
#include "allocators/cache.h"
#include "allocators/mixed.h"
#include "allocators/txn.h"
#include "allocators/unit.h"
#include "allocators/zone.h"

static struct arena_spares spares;

static char *filled(size_t bytes, int byte)
{
    char *p = heap_alloc(bytes);
    assert_non_null(p);
    return memset(p, byte, bytes);
}

static bool is_all(const char *p, size_t bytes, char byte)
{
    for (size_t i = 0; i < bytes; i++) {
        if (p[i] != byte)
            return false;
    }
    return true;
}

static bool is_in_chunk(const void *p)
{
    return space_owns(p) && space_ctl_of(p) == CTL_ARENA;
}

static size_t zones(void)
{
    struct mixed_stats stats;
    mixed_read_stats(&stats);
    return stats.zones;
}

/* Of chunks, those that are kept too, and of what became of them. */
static size_t held_bytes(void)
{
    struct arena_stats arenas;
    struct mixed_stats mixed_bytes;
    arena_read_stats(&arenas);
    mixed_read_stats(&mixed_bytes);
    return arenas.chunks * ARENA_UNITS * UNIT_BYTES + mixed_bytes.bytes;
}

/* One transaction: so many blocks of `bytes`, of which every n-th stays. */
static size_t leave_some(char **kept, size_t blocks, size_t bytes, size_t nth)
{
    static char *all[4000];
    struct arena arena = {.chunks = 0};
    size_t stays = 0;
    assert_int_equal(arena_enter(&arena, &spares), 0);
    for (size_t i = 0; i < blocks; i++)
        all[i] = filled(bytes, 'x');
    for (size_t i = 0; i < blocks; i++) {
        if (i % nth == 0)
            kept[stays++] = memset(all[i], 'k', bytes);
        else
            heap_free(all[i]);
    }
    assert_int_equal(arena_blocks(&arena), blocks);
    assert_int_equal(arena_live(&arena), stays);
    assert_int_equal(arena_end(&arena, &spares), stays);
    return stays;
}

/* -- transfers ----------------------------------------------------------------------------------
 */

static size_t transfers;

static void count_transfer(void)
{
    transfers++;
}

static void *free_elsewhere(void *p)
{
    heap_free(p);
    return NULL;
}

/* Another thread frees blocks of a chunk that is filled no more; before the first block lies where
 * one of them did, whoever records the order of events is told. */
static void what_others_freed_in_a_chunk_is_a_transfer_when_it_is_filled_again(void **state)
{
    (void)state;
    enum { BLOCKS = 64, BYTES = 8192 };
    static char *all[BLOCKS];
    struct arena arena = {.chunks = 0};
    bool is_again = false;
    pthread_t other;
    assert_int_equal(arena_enter(&arena, &spares), 0);
    for (size_t i = 0; i < BLOCKS; i++)
        all[i] = filled(BYTES, 'x');
    for (size_t i = 0; i < BLOCKS; i++) {
        if (i % 3 != 0) {
            assert_int_equal(pthread_create(&other, NULL, free_elsewhere, all[i]), 0);
            pthread_join(other, NULL);
        }
    }
    cache_on_transfer(count_transfer);
    transfers = 0;
    static char *again[BLOCKS];
    size_t count = 0;
    while (count < BLOCKS && !is_again) {
        char *p = again[count++] = filled(BYTES, 'y');
        for (size_t k = 0; k < BLOCKS; k++)
            is_again |= k % 3 != 0 && p < all[k] + BYTES && all[k] < p + BYTES;
    }
    cache_on_transfer(NULL);
    for (size_t i = 0; i < count; i++)
        heap_free(again[i]);
    for (size_t i = 0; i < BLOCKS; i += 3)
        heap_free(all[i]);
    assert_true(is_again);
    assert_true(transfers > 0);
    arena_end(&arena, &spares);
}

static void free_all(char **kept, size_t count, size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(is_all(kept[i], bytes, 'k'));
        heap_free(kept[i]);
    }
}

static int nothing_is_left(void **state)
{
    (void)state;
    struct heap_stats stats;
    arena_free_spares(&spares);
    heap_compact();
    heap_read_stats(&stats);
    assert_int_equal(stats.live_objects, 0);
    assert_int_equal(held_bytes(), 0);
    heap_audit();
    return 0;
}

static void blocks_of_up_to_32_kib_come_out_of_it(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1024, 1025, 4096, 20000, 32768};
    struct arena arena = {.chunks = 0};
    char *blocks[7];
    assert_int_equal(arena_enter(&arena, &spares), 0);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 7; i++) {
            blocks[i] = memset(heap_alloc(sizes[i]), (int)i, sizes[i]);
            assert_true(is_in_chunk(blocks[i]) && heap_usable(blocks[i]) >= sizes[i]);
        }
        for (size_t i = 0; i < 7; i++)
            assert_true(is_all(blocks[i], sizes[i], (char)i));
        for (size_t i = 7; round < 2 && i-- > 0;)
            heap_free(blocks[i]);
    }
    char *zeroed = heap_alloc_zeroed(9000), *large = heap_alloc(32769);
    assert_true(is_in_chunk(zeroed) && is_all(zeroed, 9000, 0) && !is_in_chunk(large));
    char *aligned = heap_alloc_aligned(16384, 16384);
    assert_true(is_in_chunk(aligned) && (uintptr_t)aligned % 16384 == 0);
    assert_int_equal(arena_blocks(&arena), 3 * 7 + 2);
    assert_int_equal(arena_end(&arena, &spares), 9);
    for (size_t i = 0; i < 7; i++) {
        assert_true(is_all(blocks[i], sizes[i], (char)i) && heap_usable(blocks[i]) >= sizes[i]);
        heap_free(blocks[i]);
    }
    heap_free(zeroed);
    heap_free(aligned);
    heap_free(large);
}

/* Each by itself would keep a chunk: 128 MiB. */
static void what_outlives_them_comes_to_lie_side_by_side(void **state)
{
    (void)state;
    enum { ROUNDS = 2000 };
    static char *kept[ROUNDS];
    for (int i = 0; i < ROUNDS; i++)
        leave_some(&kept[i], 100, 100, 100);
    assert_in_range(held_bytes(), ROUNDS * 112, 1 << 20);
    free_all(kept, ROUNDS, 100);
    for (int i = 0; i < ROUNDS; i++)
        leave_some(&kept[i], 10, 5000, 10);
    assert_in_range(held_bytes(), ROUNDS * 5120, ROUNDS * 5120 * 3 / 2);
    free_all(kept, ROUNDS, 5000);
}

static void a_zone_is_filled_again_when_much_of_it_is_free(void **state)
{
    (void)state;
    static char *first[4000], *second[4000];
    size_t count = leave_some(first, 4000, 200, 30); /* thirteen chunks, of which two are kept */
    size_t held = held_bytes();
    assert_true(zones() >= 8);
    size_t more = leave_some(second, 2000, 200, 1);
    assert_in_range(held_bytes(), held, held + 2 * ARENA_UNITS * UNIT_BYTES);
    free_all(first, count, 200);
    free_all(second, more, 200);
}

/* Objects of the zone lie in a magazine, are handed out of it and put back into it meanwhile. */
static void a_lent_zones_objects_may_lie_in_magazines(void **state)
{
    (void)state;
    static char *first[4000], *second[4000], *again[100];
    size_t count = leave_some(first, 4000, 128, 40);
    assert_int_equal(count, 100);
    for (size_t i = 0; i < count; i++)
        heap_free(first[i]); /* as many as it has room for stay in the magazine */
    size_t more = leave_some(second, 3000, 128, 1);
    for (size_t i = 0; i < count; i++)
        again[i] = filled(128, 'a');
    for (size_t i = 0; i < count; i++)
        assert_true(is_all(again[i], 128, 'a'));
    for (size_t i = 0; i < count; i++)
        heap_free(again[i]);
    free_all(second, more, 128);
}

static void only_its_own_blocks_count_as_escaped(void **state)
{
    (void)state;
    char *old[100], *young;
    struct arena arena = {.chunks = 0};
    assert_int_equal(leave_some(old, 1000, 100, 50), 20);
    assert_int_equal(arena_enter(&arena, &spares), 0);
    young = filled(100, 'y');
    assert_int_equal(arena_live(&arena), 1);
    bool is_beside = false;
    for (int i = 0; i < 20; i++)
        is_beside |= (uintptr_t)(young - old[i]) < 1 << 16 || (uintptr_t)(old[i] - young) < 1 << 16;
    assert_true(is_beside);
    free_all(old, 10, 100);
    assert_int_equal(arena_live(&arena), 1);
    assert_int_equal(arena_leave(&arena), 0);
    free_all(old + 10, 10, 100);
    assert_int_equal(arena_end(&arena, &spares), 1);
    heap_free(young);
}

static void dies(void (*misuse)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        close(STDERR_FILENO);
        misuse();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static char *misused;

static void free_it(void)
{
    heap_free(misused);
}

static void free_within(void)
{
    heap_free(misused + 16);
}

/* Where the last block was; where one was before, in the midst of others that stay. */
static void freeing_twice_is_found_wherever_it_was(void **state)
{
    (void)state;
    char *old[100];
    struct arena arena = {.chunks = 0};
    size_t count = leave_some(old, 1000, 100, 50);
    assert_int_equal(arena_enter(&arena, &spares), 0);
    char *first = filled(300, 'f');
    misused = filled(100, 'l');
    heap_free(misused);
    dies(free_it);
    misused = first;
    dies(free_within);
    assert_int_equal(arena_leave(&arena), 0);
    dies(free_within);
    heap_free(misused);
    dies(free_it);
    misused = old[3];
    heap_free(misused);
    dies(free_it);
    assert_int_equal(arena_end(&arena, &spares), 0);
    dies(free_it);
    for (size_t i = 0; i < count; i++) {
        if (i != 3)
            free_all(&old[i], 1, 100);
    }
}

static void a_fork_has_all_of_it(void **state)
{
    (void)state;
    static char *old[4000], *young[100];
    size_t count = leave_some(old, 4000, 200, 30);
    struct arena arena = {.chunks = 0};
    assert_int_equal(arena_enter(&arena, &spares), 0);
    for (int i = 0; i < 100; i++)
        young[i] = filled(600, 'k');
    pid_t pid = fork();
    if (pid == 0) {
        heap_fork_child();
        free_all(young, 100, 600);
        bool is_well = arena_end(&arena, &spares) == 0;
        free_all(old, count, 200);
        nothing_is_left(NULL);
        _exit(is_well ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(arena_end(&arena, &spares), 100);
    free_all(young, 100, 600);
    free_all(old, count, 200);
}

/* -- forks that cut ---------------------------------------------------------------------------- */

static struct {
    pthread_barrier_t ready, done;
    uint32_t lent;
    char *blocks[300];
} other;

static bool suits(uint32_t first)
{
    (void)first;
    return true;
}

/* Has an arena entered; and a zone, which it has not put anywhere yet. */
static void *stand_in_the_midst(void *spares_)
{
    struct arena arena = {.chunks = 0};
    size_t objects;
    assert_int_equal(arena_enter(&arena, spares_), 0);
    for (size_t i = 0; i < 300; i++)
        other.blocks[i] = filled(600, 'k');
    other.lent = zone_lend(ARENA_UNITS, suits, &objects);
    pthread_barrier_wait(&other.ready);
    pthread_barrier_wait(&other.done);
    lock_take(&mixed.lock);
    zone_adopt_arena(other.lent, ARENA_UNITS);
    lock_drop(&mixed.lock);
    arena_end(&arena, spares_);
    return NULL;
}

static void what_a_fork_cuts_off_is_the_childs_all_the_same(void **state)
{
    (void)state;
    static char *old[4000];
    struct arena_spares others = {.empty = {UNIT_NONE, 0}};
    pthread_t thread;
    int status;
    assert_true(txn_prepare("any"));
    size_t count = leave_some(old, 4000, 200, 30);
    pthread_barrier_init(&other.ready, NULL, 2);
    pthread_barrier_init(&other.done, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, stand_in_the_midst, &others), 0);
    pthread_barrier_wait(&other.ready);
    assert_int_not_equal(other.lent, UNIT_NONE);
    pid_t pid = fork();
    if (pid == 0) {
        *zone_at(other.lent) = (struct zone){.first = other.lent, .units = ARENA_UNITS};
        heap_fork_child();
        memset(&spares, 0, sizeof(spares)); /* no transaction's: dissolved too */
        bool is_well = *space_ctl(other.lent) == CTL_MIXED && !is_in_chunk(other.blocks[0]);
        heap_audit();
        free_all(other.blocks, 300, 600);
        free_all(old, count, 200);
        nothing_is_left(NULL);
        _exit(is_well ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pthread_barrier_wait(&other.done);
    pthread_join(thread, NULL);
    free_all(other.blocks, 300, 600);
    free_all(old, count, 200);
    arena_free_spares(&others);
}

/* -- the end ----------------------------------------------------------------------------------- */

static void what_was_never_filled_is_free(void **state)
{
    (void)state;
    char *kept, *later;
    struct arena_stats stats;
    struct arena arena = {.chunks = 0};
    assert_int_equal(leave_some(&kept, 1, 100, 1), 1);
    arena_read_stats(&stats);
    assert_true(is_in_chunk(kept)); /* it can be filled again, and is no zone */
    assert_int_equal(stats.free_bytes, ARENA_UNITS * UNIT_BYTES - 112);
    assert_int_equal(arena_enter(&arena, &spares), 0);
    later = filled(100, 'l');
    assert_in_range(later - kept, 1, ARENA_UNITS * UNIT_BYTES);
    assert_int_equal(arena_end(&arena, &spares), 1);
    heap_free(kept);
    heap_free(later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            what_others_freed_in_a_chunk_is_a_transfer_when_it_is_filled_again, nothing_is_left),
        cmocka_unit_test_teardown(blocks_of_up_to_32_kib_come_out_of_it, nothing_is_left),
        cmocka_unit_test_teardown(what_outlives_them_comes_to_lie_side_by_side, nothing_is_left),
        cmocka_unit_test_teardown(a_zone_is_filled_again_when_much_of_it_is_free, nothing_is_left),
        cmocka_unit_test_teardown(a_lent_zones_objects_may_lie_in_magazines, nothing_is_left),
        cmocka_unit_test_teardown(only_its_own_blocks_count_as_escaped, nothing_is_left),
        cmocka_unit_test_teardown(freeing_twice_is_found_wherever_it_was, nothing_is_left),
        cmocka_unit_test_teardown(a_fork_has_all_of_it, nothing_is_left),
        cmocka_unit_test_teardown(what_was_never_filled_is_free, nothing_is_left),
        cmocka_unit_test_teardown(what_a_fork_cuts_off_is_the_childs_all_the_same, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
