/* test_os_own.c - the table of the library's own mappings. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "allocators/base/os.h"

enum { PAGE = 4096, PAGES = 64 };

#define BASE ((uintptr_t)0x700000000000)

struct seen {
    uintptr_t from, to;
    unsigned char count[PAGES]; /* how often each page is said to be ours */
};

static void look(uintptr_t start, size_t bytes, void *context)
{
    struct seen *seen = context;
    for (uintptr_t at = start; at < start + bytes; at += PAGE) {
        if (at >= seen->from && at < seen->to)
            seen->count[(at - seen->from) / PAGE]++;
    }
}

static struct seen see(uintptr_t from, size_t pages)
{
    struct seen seen = {.from = from, .to = from + pages * PAGE};
    os_own_visit(look, &seen);
    return seen;
}

static void what_is_mapped_is_known_and_what_is_unmapped_is_not(void **state)
{
    (void)state;
    char *p = os_map(8 * PAGE);
    assert_non_null(p);
    for (int i = 0; i < 8; i++)
        assert_int_equal(see((uintptr_t)p, 8).count[i], 1);
    os_unmap(p + 2 * PAGE, 3 * PAGE);
    for (int i = 0; i < 8; i++)
        assert_int_equal(see((uintptr_t)p, 8).count[i], i < 2 || i > 4);
    os_unmap(p, 2 * PAGE);
    os_unmap(p + 5 * PAGE, 3 * PAGE);
    for (int i = 0; i < 8; i++)
        assert_int_equal(see((uintptr_t)p, 8).count[i], 0);
}

static void what_moves_is_known_where_it_went(void **state)
{
    (void)state;
    char *p = os_map(PAGE);
    char *q = os_remap(p, PAGE, 16 * PAGE);
    assert_non_null(q);
    for (int i = 0; i < 16; i++)
        assert_int_equal(see((uintptr_t)q, 16).count[i], 1);
    if (p != q)
        assert_int_equal(see((uintptr_t)p, 1).count[0], 0);
    os_unmap(q, 16 * PAGE);
}

/* Adds and removes ranges at random, against a plain array. */
static void ranges_agree_with_an_array_on_random_histories(void **state)
{
    (void)state;
    bool ours[PAGES] = {false};
    unsigned seed = 7;
    printf("seed %u\n", seed);
    srand(seed);
    for (int step = 0; step < 3000; step++) {
        size_t from = (size_t)rand() % PAGES;
        size_t pages = 1 + (size_t)rand() % (PAGES - from);
        os_own_remove((void *)(BASE + from * PAGE), pages * PAGE);
        bool is_added = rand() % 2 == 0;
        if (is_added)
            os_own_add((void *)(BASE + from * PAGE), pages * PAGE);
        for (size_t i = from; i < from + pages; i++)
            ours[i] = is_added;
        struct seen seen = see(BASE, PAGES);
        for (size_t i = 0; i < PAGES; i++)
            assert_int_equal(seen.count[i], ours[i]);
    }
    os_own_remove((void *)BASE, PAGES * PAGE);
}

static void nothing_breaks_when_no_slot_is_left(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    for (uintptr_t i = 0; i < MANY; i++)
        os_own_add((void *)(BASE + 2 * i * PAGE), PAGE);
    assert_int_equal(see(BASE, 1).count[0], 1);
    for (uintptr_t i = 0; i < MANY; i++)
        os_own_remove((void *)(BASE + 2 * i * PAGE), PAGE);
    assert_int_equal(see(BASE, 1).count[0], 0);
    os_own_add((void *)BASE, PAGE);
    assert_int_equal(see(BASE, 1).count[0], 1);
    os_own_remove((void *)BASE, PAGE);
}

static void *map_and_unmap(void *number)
{
    uintptr_t base = BASE + ((uintptr_t)number << 32);
    for (int i = 0; i < 4000; i++) {
        os_own_add((void *)base, 4 * PAGE);
        os_own_remove((void *)(base + PAGE), PAGE);
        os_own_remove((void *)base, 4 * PAGE);
    }
    os_own_add((void *)base, PAGE);
    return NULL;
}

static void threads_do_not_meet_in_the_table(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, map_and_unmap, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (uintptr_t i = 1; i <= THREADS; i++) {
        struct seen seen = see(BASE + (i << 32), 4);
        for (int page = 0; page < 4; page++)
            assert_int_equal(seen.count[page], page == 0);
        os_own_remove((void *)(BASE + (i << 32)), PAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_mapped_is_known_and_what_is_unmapped_is_not),
        cmocka_unit_test(what_moves_is_known_where_it_went),
        cmocka_unit_test(ranges_agree_with_an_array_on_random_histories),
        cmocka_unit_test(nothing_breaks_when_no_slot_is_left),
        cmocka_unit_test(threads_do_not_meet_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
