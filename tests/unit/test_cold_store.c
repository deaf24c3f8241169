/* test_cold_store.c - pieces of packed memory: they keep what they hold, their places are used
 * again, their pages go back. */
#include "tests/unit/unit.h"

#include "allocators/base/os.h"
#include "allocators/cold/store.h"

enum { MIB = 1024 * 1024, PIECES = 400, PIECE_MAX = 12 * 1024 };

static struct {
    uint32_t grain;
    size_t bytes;
    unsigned char byte;
} pieces[PIECES];
static unsigned char piece[PIECE_MAX];

static void put(size_t i, size_t bytes, unsigned char byte)
{
    memset(piece, byte, bytes);
    pieces[i].grain = store_put(piece, bytes);
    pieces[i].bytes = bytes;
    pieces[i].byte = byte;
}

static void check(size_t i)
{
    memset(piece, pieces[i].byte, pieces[i].bytes);
    assert_memory_equal(store_at(pieces[i].grain), piece, pieces[i].bytes);
}

static int setup(void **state)
{
    (void)state;
    return store_init(64 * MIB) ? 0 : -1;
}

static void pieces_of_all_lengths_keep_what_they_hold(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252;
    for (size_t i = 0; i < PIECES; i++)
        put(i, 1 + random_next(&random) % PIECE_MAX, (unsigned char)random);
    for (int round = 0; round < 20000; round++) {
        size_t i = random_next(&random) % PIECES;
        check(i);
        store_drop(pieces[i].grain, pieces[i].bytes);
        put(i, 1 + random_next(&random) % PIECE_MAX, (unsigned char)random);
        assert_int_not_equal(pieces[i].grain, STORE_NONE);
    }
    store_audit();
    for (size_t i = 0; i < PIECES; i++) {
        check(i);
        store_drop(pieces[i].grain, pieces[i].bytes);
    }
    assert_int_equal(store_bytes(), 0);
    store_audit();
}

static void places_are_used_again_from_the_front(void **state)
{
    (void)state;
    for (size_t i = 0; i < PIECES; i++)
        put(i, 5000, 1);
    uint32_t hole = pieces[7].grain;
    store_drop(pieces[7].grain, 5000);
    put(7, 4900, 2);
    assert_int_equal(pieces[7].grain, hole);
    for (size_t i = 0; i < PIECES; i++)
        store_drop(pieces[i].grain, pieces[i].bytes);
}

static void pages_without_pieces_go_back(void **state)
{
    (void)state;
    uintptr_t start = (uintptr_t)store_at(0);
    for (size_t i = 0; i < PIECES; i++)
        put(i, PIECE_MAX, 1);
    assert_true(os_count_resident(start, 8 * MIB) >= PIECES * PIECE_MAX);
    for (size_t i = 0; i < PIECES; i++)
        store_drop(pieces[i].grain, pieces[i].bytes);
    assert_int_equal(os_count_resident(start, 8 * MIB), 0);
}

static void a_full_store_says_so(void **state)
{
    (void)state;
    uint32_t grain, count = 0;
    while ((grain = store_put(piece, PIECE_MAX)) != STORE_NONE)
        count++;
    assert_true(count >= 64 * MIB / PIECE_MAX * 9 / 10);
    store_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_all_lengths_keep_what_they_hold),
        cmocka_unit_test(places_are_used_again_from_the_front),
        cmocka_unit_test(pages_without_pieces_go_back),
        cmocka_unit_test(a_full_store_says_so),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
