/* test_meta.c - memory for our own structures: zeroed, on lines of its own, never handed out twice.
 */
#include "tests/unit/unit.h"

#include "allocators/meta.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    enum { COUNT = 4000 };
    static unsigned char *pieces[COUNT];
    static size_t sizes[COUNT];
    uint64_t seed = 3;
    size_t before = meta_bytes(), sum = 0;
    for (int i = 0; i < COUNT; i++) {
        sizes[i] = 1 + (size_t)(random_next(&seed) % 3000);
        pieces[i] = meta_alloc(sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 64, 0);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(pieces[i][k], 0);
        memset(pieces[i], i, sizes[i]);
        sum += (sizes[i] + 63) / 64 * 64;
    }
    for (int i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(pieces[i][k], (unsigned char)i);
    }
    assert_int_equal(meta_bytes() - before, sum);
}

static void a_piece_larger_than_a_chunk_is_served(void **state)
{
    (void)state;
    char *p = meta_alloc((size_t)5 << 20);
    assert_non_null(p);
    p[((size_t)5 << 20) - 1] = 1;
    assert_null(meta_alloc((size_t)1 << 60));
    assert_non_null(meta_alloc(64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(a_piece_larger_than_a_chunk_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
