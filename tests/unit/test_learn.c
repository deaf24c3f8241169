/* test_learn.c - libunwind is opened while the program goes on: no file of another thread's is
 * closed on the way, and nothing stays open where there is none. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocators/base/os.h"
#include "tracer/learn.h"

enum { HIGHEST = 64 };

static int file = -1; /* of the other thread */
static bool is_other_busy;

/* As if it ran just now: it takes the numbers that were to be the pipe's. */
void __real_os_next_descriptors(int fds[2]);
void __wrap_os_next_descriptors(int fds[2]);
void __wrap_os_next_descriptors(int fds[2])
{
    __real_os_next_descriptors(fds);
    if (is_other_busy)
        file = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int count_open(void)
{
    int count = 0;
    for (int fd = 0; fd < HIGHEST; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void *wait_for_end(void *ends)
{
    char byte;
    ssize_t got = read(*(int *)ends, &byte, 1);
    return got == 0 ? NULL : ends;
}

/* Each in a process of its own: libunwind is opened once. */
static void run_child(int (*body)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(body());
    assert_true(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
}

static int open_alone(void)
{
    bool is_alone = *os_single_thread_mark() != 0; /* a sanitizer may have a thread of its own */
    int before = count_open();
    return learn_init() && (count_open() == before || !is_alone) ? 0 : 1;
}

static int open_beside_a_thread(void)
{
    int ends[2];
    pthread_t other;
    if (pipe(ends) != 0 || pthread_create(&other, NULL, wait_for_end, &ends[0]) != 0)
        return 1;
    is_other_busy = true;
    if (!learn_init())
        return 2;
    if (file >= 0 && fcntl(file, F_GETFD) < 0)
        return 3;
    close(ends[1]);
    return pthread_join(other, NULL);
}

static void nothing_stays_open_in_a_program_of_one_thread(void **state)
{
    (void)state;
    run_child(open_alone);
}

static void no_file_of_another_thread_is_closed(void **state)
{
    (void)state;
    run_child(open_beside_a_thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_stays_open_in_a_program_of_one_thread),
        cmocka_unit_test(no_file_of_another_thread_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
