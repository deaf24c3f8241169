/* os_confine.c - system calls that a branch may make: those that nobody outside can feel, and what
 * goes to its standard output and error, which are its own. All others kill it, so that whoever
 * counts on it knows: what is not named here is thought to be felt. */
#define _GNU_SOURCE
#include "allocators/base/os_branch.h"

#if !defined(__x86_64__)
bool os_branch_confine(void)
{
    return false;
}
#else

#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -- whatever their arguments are ------------------------------------------------------------- */

/* clang-format off */
static const uint16_t harmless[] = {
    /* memory */
    SYS_brk, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_mincore, SYS_mlock,
    SYS_mlock2, SYS_munlock, SYS_mlockall, SYS_munlockall, SYS_msync, SYS_mbind,
    SYS_get_mempolicy, SYS_set_mempolicy, SYS_membarrier, SYS_pkey_alloc, SYS_pkey_free,
    SYS_pkey_mprotect, SYS_process_vm_readv, SYS_memfd_create,
    /* files, read and looked at */
    SYS_read, SYS_readv, SYS_pread64, SYS_preadv, SYS_preadv2, SYS_lseek, SYS_close,
    SYS_close_range, SYS_stat, SYS_lstat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_statfs,
    SYS_fstatfs, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_readlink, SYS_readlinkat,
    SYS_getdents, SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_umask, SYS_fsync, SYS_fdatasync, SYS_fadvise64, SYS_readahead, SYS_getxattr,
    SYS_lgetxattr, SYS_fgetxattr, SYS_listxattr, SYS_llistxattr, SYS_flistxattr,
    SYS_inotify_init, SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch,
    /* made and waited for within the process */
    SYS_pipe, SYS_pipe2, SYS_socketpair, SYS_getsockopt,
    SYS_getsockname, SYS_getpeername, SYS_recvfrom, SYS_eventfd,
    SYS_eventfd2, SYS_signalfd, SYS_signalfd4, SYS_epoll_create, SYS_epoll_create1,
    SYS_epoll_ctl, SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_poll, SYS_ppoll,
    SYS_select, SYS_pselect6, SYS_futex, SYS_sched_yield, SYS_pause, SYS_nanosleep,
    SYS_clock_nanosleep, SYS_wait4, SYS_waitid, SYS_restart_syscall,
    /* time */
    SYS_time, SYS_gettimeofday, SYS_clock_gettime, SYS_clock_getres, SYS_times, SYS_alarm,
    SYS_getitimer, SYS_setitimer, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime,
    SYS_timer_getoverrun, SYS_timer_delete, SYS_timerfd_create, SYS_timerfd_settime,
    SYS_timerfd_gettime,
    /* signals that it gets */
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending,
    SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_sigaltstack,
    /* itself */
    SYS_getpid, SYS_getppid, SYS_gettid, SYS_getpgrp, SYS_getpgid, SYS_getsid, SYS_getuid,
    SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups,
    SYS_capget, SYS_getrlimit, SYS_setrlimit, SYS_getrusage, SYS_getpriority, SYS_personality,
    SYS_prctl, SYS_arch_prctl, SYS_seccomp, SYS_set_tid_address, SYS_set_robust_list,
    SYS_get_robust_list, SYS_rseq, SYS_exit, SYS_exit_group,
    /* the system */
    SYS_uname, SYS_sysinfo, SYS_getrandom, SYS_getcpu, SYS_sched_getaffinity,
    SYS_sched_getscheduler, SYS_sched_getparam, SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
};
/* clang-format on */

/* -- with certain arguments ------------------------------------------------------------------- */

enum condition { IS, IS_SELF, AT_MOST, ABOVE, HAS, HAS_NOT };

static const struct allowed {
    uint16_t call;
    uint8_t argument;
    uint8_t condition; /* of its low half */
    uint32_t value;
} allowed[] = {
    {SYS_mmap, 3, HAS_NOT, MAP_SHARED},
    {SYS_mmap, 2, HAS_NOT, PROT_WRITE},
    /* Those are its own or lead nowhere (examine.c). Many programs close them at the end; what can
     * take their numbers then has nobody behind it: pipes, pairs and files in memory of its own,
     * files that are read, but no socket, nor descriptors that a message brings. */
    {SYS_write, 0, AT_MOST, STDERR_FILENO},
    {SYS_writev, 0, AT_MOST, STDERR_FILENO},
    {SYS_sendfile, 0, AT_MOST, STDERR_FILENO},
    {SYS_copy_file_range, 2, AT_MOST, STDERR_FILENO},
    {SYS_open, 1, HAS_NOT, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC},
    {SYS_openat, 2, HAS_NOT, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC},
    {SYS_dup2, 1, ABOVE, STDERR_FILENO}, /* nothing takes the place of those; so neither dup */
    {SYS_dup3, 1, ABOVE, STDERR_FILENO}, /* nor F_DUPFD, which take the first that is free */
    {SYS_fcntl, 1, IS, F_GETFD},
    {SYS_fcntl, 1, IS, F_SETFD},
    {SYS_fcntl, 1, IS, F_GETFL}, /* not F_SETFL: descriptions may be shared with the parent */
    {SYS_ioctl, 1, IS, TCGETS},
    {SYS_ioctl, 1, IS, TIOCGWINSZ},
    {SYS_ioctl, 1, IS, TIOCGPGRP},
    {SYS_ioctl, 1, IS, FIONREAD},
    {SYS_ioctl, 1, IS, FIOCLEX},
    {SYS_ioctl, 1, IS, FIONCLEX},
    {SYS_clone, 0, HAS, CLONE_THREAD},
    {SYS_kill, 0, IS_SELF, 0},
    {SYS_kill, 0, IS, 0}, /* its group, which is its own */
    {SYS_tgkill, 0, IS_SELF, 0},
    {SYS_rt_sigqueueinfo, 0, IS_SELF, 0},
    {SYS_rt_tgsigqueueinfo, 0, IS_SELF, 0},
    {SYS_prlimit64, 0, IS, 0},
    {SYS_prlimit64, 0, IS_SELF, 0},
};

/* -- the filter ------------------------------------------------------------------------------- */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
enum { STEPS_MOST = 2 * COUNT(harmless) + 5 * COUNT(allowed) + 16 };

struct filter {
    struct sock_filter steps[STEPS_MOST];
    unsigned short count;
};

static void add(struct filter *filter, unsigned code, unsigned if_so, unsigned if_not,
                uint32_t value)
{
    filter->steps[filter->count++] =
        (struct sock_filter){(uint16_t)code, (uint8_t)if_so, (uint8_t)if_not, value};
}

static void load(struct filter *filter, size_t offset)
{
    add(filter, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* The next `skipped` steps are for that number only. */
static void unless_is(struct filter *filter, uint32_t value, unsigned skipped)
{
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, 0, skipped, value);
}

static void answer(struct filter *filter, uint32_t what)
{
    add(filter, BPF_RET | BPF_K, 0, 0, what);
}

static void add_condition(struct filter *filter, const struct allowed *call)
{
    uint32_t self = (uint32_t)os_process_id();
    load(filter, offsetof(struct seccomp_data, nr));
    unless_is(filter, call->call, 3);
    load(filter, offsetof(struct seccomp_data, args) + sizeof(uint64_t) * call->argument);
    switch ((enum condition)call->condition) {
    case IS:
        unless_is(filter, call->value, 1);
        break;
    case IS_SELF:
        unless_is(filter, self, 1);
        break;
    case AT_MOST:
        add(filter, BPF_JMP | BPF_JGT | BPF_K, 1, 0, call->value);
        break;
    case ABOVE:
        add(filter, BPF_JMP | BPF_JGT | BPF_K, 0, 1, call->value);
        break;
    case HAS:
        add(filter, BPF_JMP | BPF_JSET | BPF_K, 0, 1, call->value);
        break;
    case HAS_NOT:
        add(filter, BPF_JMP | BPF_JSET | BPF_K, 1, 0, call->value);
        break;
    }
    answer(filter, SECCOMP_RET_ALLOW);
}

static void make_filter(struct filter *filter)
{
    load(filter, offsetof(struct seccomp_data, arch));
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
    answer(filter, SECCOMP_RET_KILL_PROCESS);
    load(filter, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < COUNT(harmless); i++) {
        unless_is(filter, harmless[i], 1);
        answer(filter, SECCOMP_RET_ALLOW);
    }
    unless_is(filter, SYS_clone3, 1); /* its flags cannot be seen: libc tries clone then */
    answer(filter, SECCOMP_RET_ERRNO | ENOSYS);
    for (size_t i = 0; i < COUNT(allowed); i++)
        add_condition(filter, &allowed[i]);
    answer(filter, SECCOMP_RET_KILL_PROCESS);
}

bool os_branch_confine(void)
{
    static struct filter filter; /* of a process that confines itself once */
    make_filter(&filter);
    const struct sock_fprog program = {filter.count, filter.steps};
    return !failed(call6(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)) &&
           !failed(call3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program));
}
#endif
