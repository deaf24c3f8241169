/* test_os_own.c - the table of the library's own mappings; and what is told of anybody's where the
 * kernel may not be asked. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

static bool forbid_to_ask(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_msync, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* A sandbox may refuse it: a block of libc's heap is no garbage for that. */
static void what_may_not_be_asked_is_not_said_to_be_unmapped(void **state)
{
    (void)state;
    enum { FINE, WRONG, NO_FILTERS };
    int status;
    void *gone = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(gone, PAGE);
    assert_true(os_is_mapped(&status, sizeof status) && !os_is_mapped(gone, 1));
    pid_t child = fork();
    if (child == 0)
        _exit(!forbid_to_ask() ? NO_FILTERS : os_is_mapped(&status, sizeof status) ? FINE : WRONG);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == NO_FILTERS)
        skip();
    assert_int_equal(status, FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_mapped_is_known_and_what_is_unmapped_is_not),
        cmocka_unit_test(what_moves_is_known_where_it_went),
        cmocka_unit_test(ranges_agree_with_an_array_on_random_histories),
        cmocka_unit_test(nothing_breaks_when_no_slot_is_left),
        cmocka_unit_test(threads_do_not_meet_in_the_table),
        cmocka_unit_test(what_may_not_be_asked_is_not_said_to_be_unmapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
