/* test_window.c - windows of a file, one of them ahead. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "tests/unit/unit.h"
#include "tracer/window.h"

enum { FULL = 16, FIRST_FULL = 4 + 8, NO_LIMIT = 1 << 20 };

static char path[] = "/tmp/test_window.XXXXXX";
static int fd;

static int open_file(void **state)
{
    (void)state;
    strcpy(path + strlen(path) - 6, "XXXXXX");
    fd = mkstemp(path);
    window_begin();
    return fd >= 0 ? 0 : -1;
}

static int close_file(void **state)
{
    (void)state;
    window_close();
    close(fd);
    unlink(path);
    return 0;
}

/* Takes the next block and writes its number into it, at both ends. */
static void take(uint64_t index)
{
    if (window_blocks() == 0)
        assert_int_equal(window_add(fd, NO_LIMIT), 0);
    assert_true(index + window_blocks() == window_end());
    unsigned char *block = window_take();
    for (size_t i = 0; i < TRACE_BLOCK_BYTES; i += 1024)
        assert_int_equal(block[i], 0);
    memcpy(block, &index, sizeof(index));
    memcpy(block + TRACE_BLOCK_BYTES - sizeof(index), &index, sizeof(index));
}

static void take_up_to(uint64_t from, uint64_t end)
{
    for (uint64_t index = from; index < end; index++)
        take(index);
}

/* The first so many blocks are where they belong in the file. */
static void check_file(uint64_t blocks)
{
    for (uint64_t index = 0; index < blocks; index++) {
        uint64_t first = 0, last = 0;
        uint64_t from = window_block_offset(index);
        uint64_t end = window_block_offset(index + 1);
        assert_int_equal(pread(fd, &first, sizeof(first), (off_t)from), sizeof(first));
        assert_int_equal(pread(fd, &last, sizeof(last), (off_t)(end - sizeof(last))), sizeof(last));
        assert_true(first == index && last == index);
    }
}

static uint64_t file_bytes(void)
{
    uint64_t bytes = 0;
    assert_true(os_file_bytes(fd, &bytes));
    return bytes;
}

static void short_files_have_nothing_ahead(void **state)
{
    (void)state;
    for (uint64_t index = 0; index < FIRST_FULL; index++) {
        take(index);
        assert_false(window_wants_ahead());
    }
    assert_true(file_bytes() == window_block_offset(FIRST_FULL));
}

static void the_window_ahead_is_the_next_one(void **state)
{
    (void)state;
    take_up_to(0, FIRST_FULL + FULL / 2);
    assert_true(window_wants_ahead());
    uint64_t end = window_end();
    window_begin_ahead();
    window_end_ahead(fd);
    assert_true(window_end() == end);
    assert_true(file_bytes() == window_block_offset(end + FULL));
    take_up_to(FIRST_FULL + FULL / 2, FIRST_FULL + 3 * FULL);
    check_file(FIRST_FULL + 3 * FULL);
}

static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER; /* stands for the lock of file.c */
static uint64_t next;

static void *take_some(void *unused)
{
    for (unsigned i = 0; i < 5 * FULL; i++) {
        pthread_mutex_lock(&outer);
        take(next++);
        bool makes_ahead = window_wants_ahead();
        if (makes_ahead)
            window_begin_ahead();
        pthread_mutex_unlock(&outer);
        if (makes_ahead)
            window_end_ahead(fd);
    }
    return unused;
}

static void threads_take_on_while_one_makes_a_window(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    next = 0;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_some, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    check_file(next);
}

static void what_fails_ahead_is_met_when_it_is_needed(void **state)
{
    (void)state;
    take_up_to(0, FIRST_FULL + FULL / 2);
    struct rlimit limit = {window_block_offset(window_end()), RLIM_INFINITY};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    window_begin_ahead();
    window_end_ahead(fd);
    take_up_to(FIRST_FULL + FULL / 2, FIRST_FULL + FULL);
    assert_int_equal(window_add(fd, NO_LIMIT), EFBIG);
    limit.rlim_cur = RLIM_INFINITY;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    take_up_to(FIRST_FULL + FULL, FIRST_FULL + 2 * FULL);
    check_file(FIRST_FULL + 2 * FULL);
}

static void a_child_knows_of_none(void **state)
{
    (void)state;
    take_up_to(0, FIRST_FULL + FULL / 2);
    window_begin_ahead(); /* held, as by a thread that the child does not have */
    pid_t child = fork();
    if (child == 0) {
        window_abandon();
        lock_forget_all();
        window_begin();
        _exit(window_blocks() == 0 && window_end() == 0 && window_add(fd, 4) == 0 ? 0 : 1);
    }
    window_end_ahead(fd);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(short_files_have_nothing_ahead, open_file, close_file),
        cmocka_unit_test_setup_teardown(the_window_ahead_is_the_next_one, open_file, close_file),
        cmocka_unit_test_setup_teardown(threads_take_on_while_one_makes_a_window, open_file,
                                        close_file),
        cmocka_unit_test_setup_teardown(what_fails_ahead_is_met_when_it_is_needed, open_file,
                                        close_file),
        cmocka_unit_test_setup_teardown(a_child_knows_of_none, open_file, close_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
