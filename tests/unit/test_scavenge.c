/* test_scavenge.c - passers-by and the helper give memory back; the helper comes, ends, and comes
 * again in the child of a fork. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocators/base/os.h"
#include "allocators/huge_warm.h"
#include "allocators/scavenge.h"
#include "allocators/unit.h"

enum { OBJECTS = 100000, OBJECT_BYTES = 1000, PATIENCE_MS = 20000, DECAY_MS = 200 };

static const size_t USED_BYTES = (size_t)OBJECTS * OBJECT_BYTES;

static void start_heap(bool background, uint64_t decay_ms)
{
    static struct conf conf;
    conf_init(&conf);
    conf.reserve = UINT64_C(1) << 32;
    conf.decay_ms = decay_ms;
    conf.background = background;
    if (heap_init(&conf) != 0)
        _exit(9);
}

static void use_and_free(void)
{
    static void *objects[OBJECTS];
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = memset(heap_alloc(OBJECT_BYTES), 1, OBJECT_BYTES);
    for (int i = 0; i < OBJECTS; i++)
        heap_free(objects[i]);
}

static void pass_by(void)
{
    for (int i = 0; i < 100; i++)
        scavenge_pass();
}

static unsigned threads(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* Ends the process when `condition` does not come true. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        for (int ms = 0; !(condition); ms++) {                                                     \
            if (ms > PATIENCE_MS)                                                                  \
                _exit(__LINE__ % 200 + 10);                                                        \
            usleep(1000);                                                                          \
        }                                                                                          \
    } while (0)

/* Until one comes; what is to be given back may have been already. */
static void await_helper(void)
{
    for (int times = 0; pass_by(), !scavenge_has_helper(); times++) {
        if (times > PATIENCE_MS / 10)
            _exit(9);
        usleep(10000);
        use_and_free();
    }
}

static void expect(bool condition, int status)
{
    if (!condition)
        _exit(status);
}

/* Each case has a process, and so a heap, of its own. */
static void run_apart(void (*body)(void))
{
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void give_back_by_passing(void)
{
    start_heap(false, 10);
    use_and_free();
    AWAIT((pass_by(), unit_resident_bytes() < USED_BYTES / 20));
    expect(!scavenge_has_helper(), 1); /* a sanitizer may have a thread of its own */
    expect(scavenge_given_bytes() > USED_BYTES / 2, 2);
    heap_audit();
}

static void who_passes_by_gives_memory_back(void **state)
{
    (void)state;
    run_apart(give_back_by_passing);
}

/* More than a thread's own cache and the depot are not kept. */
static void sleep_until_given_back(void)
{
    AWAIT(unit_resident_bytes() < USED_BYTES / 20);
}

static void sleep_and_give_back(void)
{
    start_heap(true, DECAY_MS);
    use_and_free();
    await_helper();
    sleep_until_given_back();
    AWAIT(!scavenge_has_helper()); /* nothing is left to do */
    AWAIT(threads() == 1);
    use_and_free();
    await_helper();
    sleep_until_given_back();
    heap_audit();
}

static void skip_without_threads(void)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    skip(); /* their runtimes want to know every thread */
#endif
}

static void a_sleeping_program_is_helped_until_nothing_is_left(void **state)
{
    (void)state;
    skip_without_threads();
    run_apart(sleep_and_give_back);
}

static void sleep_after_one_free(void)
{
    start_heap(true, 10 * DECAY_MS); /* the first looks come before */
    heap_free(memset(heap_alloc(40 << 20), 1, 40 << 20));
    expect(huge_warm_bytes() == 40 << 20, 1);
    expect(scavenge_has_helper(), 2);
    AWAIT(huge_warm_bytes() == 0);
    AWAIT(!scavenge_has_helper());
}

static void a_warm_mapping_goes_though_nobody_passes_by(void **state)
{
    (void)state;
    skip_without_threads();
    run_apart(sleep_after_one_free);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static void signal_while_helped(void)
{
    signal(SIGUSR1, count_signal);
    sigset_t set, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    start_heap(true, 3600000);
    use_and_free();
    await_helper();
    expect(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && !sigismember(&now, SIGTERM), 2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    usleep(50000);
    expect(signals == 0, 3);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    expect(signals == 1, 4);
}

static void the_helper_takes_no_signal(void **state)
{
    (void)state;
    skip_without_threads();
    run_apart(signal_while_helped);
}

static void fork_while_helped(void)
{
    start_heap(true, 3600000);
    use_and_free();
    await_helper();
    pid_t child = fork();
    if (child == 0) {
        heap_fork_child();
        start_heap(true, DECAY_MS);
        expect(!scavenge_has_helper() && threads() == 1, 1);
        use_and_free();
        await_helper();
        sleep_until_given_back();
        heap_audit();
        _exit(0);
    }
    int status;
    expect(waitpid(child, &status, 0) == child && status == 0, 2);
}

static void a_child_gets_a_helper_of_its_own(void **state)
{
    (void)state;
    skip_without_threads();
    for (int i = 0; i < 3; i++)
        run_apart(fork_while_helped);
}

/* The child of a vfork runs on our memory but is another process: its exec would end the helper
 * wherever that stands. */
static void vfork_and_pass_by(void)
{
    start_heap(false, DECAY_MS);
    use_and_free();
    scavenge_init(true);
    pid_t child = vfork();
    if (child == 0) {
        for (int tick = 0; tick < 3; tick++) {
            usleep(60000); /* a tick is 50 ms */
            pass_by();
        }
        _exit(scavenge_has_helper() ? 1 : 0);
    }
    int status;
    expect(waitpid(child, &status, 0) == child && status == 0, 1);
    await_helper();
    sleep_until_given_back();
}

static void the_child_of_a_vfork_starts_no_helper(void **state)
{
    (void)state;
    skip_without_threads();
    run_apart(vfork_and_pass_by);
}

static void forbid_helper(void)
{
    start_heap(true, 3600000);
    use_and_free();
    for (int i = 0; i < 3; i++) {
        await_helper();
        scavenge_forbid_helper();
        expect(!scavenge_has_helper() && threads() == 1, 1);
        usleep(60000);
        pass_by();
        expect(!scavenge_has_helper(), 2);
        scavenge_forbid_helper(); /* another thread, meanwhile */
        scavenge_allow_helper();
        usleep(60000);
        pass_by();
        expect(!scavenge_has_helper(), 3);
        scavenge_allow_helper();
    }
    await_helper();
}

static void a_helper_that_is_forbidden_has_ended_and_comes_again(void **state)
{
    (void)state;
    skip_without_threads();
    run_apart(forbid_helper);
}

static void fork_while_forbidden(void)
{
    start_heap(true, 3600000);
    use_and_free();
    scavenge_forbid_helper();
    pid_t child = fork();
    if (child == 0) {
        heap_fork_child();
        await_helper(); /* whoever forbade it is not here */
        _exit(0);
    }
    int status;
    expect(waitpid(child, &status, 0) == child && status == 0, 1);
}

static void a_child_is_forbidden_nothing(void **state)
{
    (void)state;
    skip_without_threads();
    run_apart(fork_while_forbidden);
}

static void forbid_clone(void)
{
    static struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, 1);
    expect(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0, 2);
}

static void do_without_helper(void)
{
    start_heap(true, DECAY_MS);
    forbid_clone();
    use_and_free();
    errno = 0;
    usleep(60000);
    pass_by();
    expect(!scavenge_has_helper() && errno == 0, 3);
    AWAIT((pass_by(), unit_resident_bytes() < USED_BYTES / 20));
}

static void a_sandbox_that_refuses_threads_goes_without(void **state)
{
    (void)state;
    run_apart(do_without_helper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_passes_by_gives_memory_back),
        cmocka_unit_test(a_sleeping_program_is_helped_until_nothing_is_left),
        cmocka_unit_test(a_warm_mapping_goes_though_nobody_passes_by),
        cmocka_unit_test(the_helper_takes_no_signal),
        cmocka_unit_test(a_child_gets_a_helper_of_its_own),
        cmocka_unit_test(the_child_of_a_vfork_starts_no_helper),
        cmocka_unit_test(a_helper_that_is_forbidden_has_ended_and_comes_again),
        cmocka_unit_test(a_child_is_forbidden_nothing),
        cmocka_unit_test(a_sandbox_that_refuses_threads_goes_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
