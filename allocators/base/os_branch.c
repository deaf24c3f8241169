/* os_branch.c - see os_branch.h */
#define _GNU_SOURCE
#include "allocators/base/os_branch.h"

#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    TIMERS = 3, /* ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF */
    FLAGS_KEPT = O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECTORY | O_NOATIME | O_DIRECT | O_SYNC,
};

/* The thread keeps the number that libc has for it, though it is another one now: it may hold locks
 * that name their owner by it. The kernel forgets the list of robust mutexes. */
int os_branch(void)
{
    void *list = NULL;
    size_t list_bytes = 0;
    long parent = call3(SYS_getppid, 0, 0, 0);
    call3(SYS_get_robust_list, 0, (long)&list, (long)&list_bytes);
    long process = call6(SYS_clone, CLONE_PARENT, 0, 0, 0, 0, 0);
    if (process != 0)
        return (int)process;
    call3(SYS_setpgid, 0, 0, 0);
    call3(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0);
    if (call3(SYS_getppid, 0, 0, 0) != parent) /* it died before that */
        os_branch_give_up();
    if (list != NULL)
        call3(SYS_set_robust_list, (long)list, (long)list_bytes, 0);
    return 0;
}

_Noreturn void os_branch_give_up(void)
{
    const uint64_t only = UINT64_C(1) << (SIGSYS - 1);
    struct {
        uint64_t handler, flags, restorer, mask;
    } by_default = {0};
    call6(SYS_rt_sigaction, SIGSYS, (long)&by_default, 0, sizeof(only), 0, 0);
    call6(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&only, 0, sizeof(only), 0, 0);
    call3(SYS_kill, os_process_id(), SIGSYS, 0);
    for (;;)
        call3(SYS_exit_group, 1, 0, 0);
}

bool os_has_timer(void)
{
    struct itimerval timer;
    bool runs = false;
    for (long which = 0; which < TIMERS; which++) {
        if (!failed(call3(SYS_getitimer, which, (long)&timer, 0)))
            runs |= timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0;
    }
    return runs;
}

/* -- descriptors ------------------------------------------------------------------------------ */

static bool take_number(const struct os_descriptor *descriptor, long opened)
{
    long flags = descriptor->closes_on_exec ? O_CLOEXEC : 0;
    return !failed(call3(SYS_dup3, opened, descriptor->fd, flags));
}

static bool take_number_of(const struct os_descriptor *descriptor, long opened)
{
    if (failed(opened))
        return false;
    bool is_done = take_number(descriptor, opened);
    os_file_close((int)opened);
    return is_done;
}

bool os_branch_open_again(const struct os_descriptor *descriptor)
{
    char path[32] = "/proc/self/fd/";
    char *at = path + sizeof("/proc/self/fd/") - 1;
    unsigned digits = 1;
    for (int rest = descriptor->fd; rest >= 10; rest /= 10)
        digits++;
    at[digits] = '\0';
    for (int rest = descriptor->fd; digits-- > 0; rest /= 10)
        at[digits] = (char)('0' + rest % 10);
    long flags = (descriptor->flags & FLAGS_KEPT) | O_CLOEXEC;
    long fd = call6(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0, 0);
    if (!failed(fd) && failed(call3(SYS_lseek, fd, (long)descriptor->place, SEEK_SET)))
        return os_file_close((int)fd), false;
    return take_number_of(descriptor, fd);
}

bool os_branch_open_instead(const struct os_descriptor *descriptor, const char *path)
{
    long flags = (descriptor->flags & FLAGS_KEPT) | O_CLOEXEC;
    return take_number_of(descriptor, call6(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0, 0));
}

bool os_branch_join(const struct os_descriptor *descriptor, int other)
{
    return take_number(descriptor, other);
}

/* -- messages --------------------------------------------------------------------------------- */

/* Opened each time: nothing is left that the program could meet, close or hand on. A message is at
 * most PIPE_BUF bytes, so it is written whole. */
bool os_message_write(const char *path, const void *message, size_t bytes)
{
    long fd = call6(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CLOEXEC, 0, 0, 0);
    if (failed(fd))
        return false;
    bool is_done = os_write((int)fd, message, bytes) == 0;
    os_file_close((int)fd);
    return is_done;
}

bool os_message_read(const char *path, void *message, size_t bytes)
{
    size_t got = 0;
    long fd = call6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (failed(fd))
        return false;
    while (got < bytes) {
        long more = call3(SYS_read, fd, (long)message + (long)got, (long)(bytes - got));
        if (more == -EINTR)
            continue;
        if (failed(more) || more == 0)
            break;
        got += (size_t)more;
    }
    os_file_close((int)fd);
    return got == bytes;
}
