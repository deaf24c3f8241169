/* seccomp.c - after start-up the heap uses mmap, munmap, madvise, mprotect, mremap, futex and write
 * only: sandboxes kill the process for anything else. (Without the helper thread: MPRESS_BG=0.) */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/semantics/check.h"

#define ALLOW(number)                                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                           \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(SYS_mmap),
    ALLOW(SYS_munmap),
    ALLOW(SYS_mprotect),
    ALLOW(SYS_mremap),
    ALLOW(SYS_futex),
    ALLOW(SYS_write),
    ALLOW(SYS_exit),
    ALLOW(SYS_exit_group),
    ALLOW(SYS_sched_yield),
    ALLOW(SYS_brk), /* for libc's heap, on which this test is tested; taken out for ours */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), /* refused in one of the cases */
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};
enum {
    FILTER_LENGTH = sizeof(filter) / sizeof(filter[0]),
    MADVISE_VERDICT = FILTER_LENGTH - 2,
    BRK_VERDICT = FILTER_LENGTH - 4
};

static void forbid_the_rest(void)
{
    if (check_is_mpress())
        filter[BRK_VERDICT].k = SECCOMP_RET_KILL_PROCESS;
    struct sock_fprog program = {FILTER_LENGTH, filter};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        SKIP("the kernel has no seccomp filters");
}

static void use_heap(void)
{
    static char *blocks[4000];
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < 4000; i++) {
            size_t bytes = i % 500 == 0 ? i * 20000 : i % 5000;
            blocks[i] = malloc(bytes + 1);
            CHECK(blocks[i] != NULL);
            blocks[i][0] = blocks[i][bytes] = 1;
            if (i % 7 == 0)
                blocks[i] = realloc(blocks[i], bytes * 3 + 1);
        }
        for (size_t i = 0; i < 4000; i++)
            free(blocks[i]);
        malloc_trim(0);
    }
}

static void the_heap_needs_seven_system_calls_only(void)
{
    free(malloc(100));
    forbid_the_rest();
    use_heap();
    _exit(0);
}

static void the_very_first_allocation_may_come_after_the_filter(void)
{
    forbid_the_rest();
    use_heap();
    _exit(0);
}

static void a_refused_madvise_is_not_fatal(void)
{
    filter[MADVISE_VERDICT].k = SECCOMP_RET_ERRNO | EPERM;
    forbid_the_rest();
    use_heap();
    _exit(0);
}

/* Mappings of 256 MiB and more are refused: so is every reservation worth the name. */
static void large_mappings_may_be_refused_from_the_start(void)
{
    struct sock_filter refuse[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 256 << 20, 3, 0), /* of the low word */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), /* of the high word */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
    };
    struct sock_fprog program = {sizeof(refuse) / sizeof(refuse[0]), refuse};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        SKIP("the kernel has no seccomp filters");
    CHECK(helper_succeeds(".use_small_reservation"));
}

static void use_small_reservation(void)
{
    static char *blocks[2000];
    CHECK(malloc(300 << 20) == NULL && errno == ENOMEM);
    for (size_t i = 0; i < 2000; i++) {
        size_t bytes = i % 400 == 0 ? 40 << 20 : i * 13;
        blocks[i] = malloc(bytes + 1);
        CHECK(blocks[i] != NULL);
        blocks[i][bytes] = 1;
    }
    for (size_t i = 0; i < 2000; i++)
        free(blocks[i]);
}

static atomic_bool started, filtered, done;

static void *allocate_after_filter(void *unused)
{
    atomic_store(&started, true);
    while (!atomic_load(&filtered))
        continue;
    for (size_t i = 0; i < 20000; i++)
        free(malloc(i));
    atomic_store(&done, true);
    while (true)
        continue;
    return unused;
}

static void a_thread_may_begin_to_allocate_after_the_filter(void)
{
    if (!check_is_mpress())
        SKIP("libc makes an arena for the thread with other calls");
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, allocate_after_filter, NULL) == 0);
    while (!atomic_load(&started))
        continue;
    forbid_the_rest();
    atomic_store(&filtered, true);
    while (!atomic_load(&done))
        free(malloc(100));
    _exit(0);
}

CHECK_MAIN(CASE(the_heap_needs_seven_system_calls_only),
           CASE(the_very_first_allocation_may_come_after_the_filter),
           CASE(a_refused_madvise_is_not_fatal), HELPER(use_small_reservation),
           CASE(large_mappings_may_be_refused_from_the_start),
           CASE(a_thread_may_begin_to_allocate_after_the_filter))
