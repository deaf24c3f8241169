/* os_linux.c - the Linux behind os.h; with the other os_*.c the only files of the library that
 * include OS headers. */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "allocators/base/check.h"
#include "allocators/base/os_call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* -- the process ------------------------------------------------------------------------------ */

extern void *__libc_stack_end; /* ld.so: the stack as the kernel laid it: argc, argv, envp */
extern char **environ;

/* Asked for by every large block, and libc searches the vector each time: 93 instructions. */
size_t os_page_bytes(void)
{
    static _Atomic size_t bytes; /* relaxed: whoever is first writes what the others would */
    size_t known = atomic_load_explicit(&bytes, memory_order_relaxed);
    if (known == 0) {
        known = (size_t)getauxval(AT_PAGESZ);
        atomic_store_explicit(&bytes, known, memory_order_relaxed);
    }
    return known;
}

int os_process_id(void)
{
    return (int)call3(SYS_getpid, 0, 0, 0);
}

int os_parent_id(void)
{
    return (int)call3(SYS_getppid, 0, 0, 0);
}

int os_thread_id(void)
{
    return (int)call3(SYS_gettid, 0, 0, 0);
}

void os_thread_name(char name[OS_THREAD_NAME_BYTES])
{
    name[0] = '\0';
    call3(SYS_prctl, PR_GET_NAME, (long)name, 0);
    name[OS_THREAD_NAME_BYTES - 1] = '\0';
}

char **os_environ(void)
{
    if (environ != NULL)
        return environ;
    if (__libc_stack_end == NULL)
        return NULL;
    long argc = *(long *)__libc_stack_end;
    return (char **)__libc_stack_end + 1 + argc + 1;
}

bool os_is_secure(void)
{
    return getauxval(AT_SECURE) != 0;
}

const volatile char *os_single_thread_mark(void)
{
    return &__libc_single_threaded;
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now = {0, 0};
    clock_gettime(clock, &now); /* vdso: no system call, cannot fail for these clocks */
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t os_time_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t os_time_coarse_ns(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

uint64_t os_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void os_yield(void)
{
    call3(SYS_sched_yield, 0, 0, 0);
}

/* -- memory ----------------------------------------------------------------------------------- */

static void *map(size_t bytes, int protection, int flags, int fd, long offset)
{
    return pointer_of(call6(SYS_mmap, 0, (long)bytes, protection, flags, fd, offset));
}

static void *map_own(size_t bytes, int protection, int flags)
{
    void *start = map(bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    os_own_add(start, bytes);
    return start;
}

void *os_map(size_t bytes)
{
    return map_own(bytes, PROT_READ | PROT_WRITE, 0);
}

void *os_map_unpromised(size_t bytes)
{
    return map_own(bytes, PROT_READ | PROT_WRITE, MAP_NORESERVE);
}

/* MAP_HUGE_SHIFT is 26. */
void *os_map_pool(size_t bytes, size_t page_bytes)
{
    int page_size = __builtin_ctzll(page_bytes) << 26;
    return map_own(bytes, PROT_READ | PROT_WRITE, MAP_HUGETLB | page_size);
}

void os_set_huge(void *start, size_t bytes, bool huge)
{
    call3(SYS_madvise, (long)start, (long)bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

void *os_reserve(size_t bytes)
{
    return map_own(bytes, PROT_NONE, MAP_NORESERVE);
}

MP_RARE bool os_map_again(void *start, size_t bytes, bool usable)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    long result = call6(SYS_mmap, (long)start, (long)bytes,
                        usable ? PROT_READ | PROT_WRITE : PROT_NONE, flags, -1, 0);
    bool is_there = !failed(result) && pointer_of(result) == start;
    if (is_there)
        os_own_add(start, bytes);
    else if (!failed(result)) /* before Linux 4.17 it is a hint */
        os_unmap(pointer_of(result), bytes);
    return is_there;
}

uint64_t os_address_limit(void)
{
    struct rlimit limit;
    bool is_known = call6(SYS_prlimit64, 0, RLIMIT_AS, 0, (long)&limit, 0, 0) == 0;
    return is_known && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur : UINT64_MAX;
}

int os_commit(void *start, size_t bytes)
{
    return error_of(call3(SYS_mprotect, (long)start, (long)bytes, PROT_READ | PROT_WRITE));
}

int os_purge(void *start, size_t bytes)
{
    return error_of(call3(SYS_madvise, (long)start, (long)bytes, MADV_DONTNEED));
}

int os_unmap(void *start, size_t bytes)
{
    os_own_remove(start, bytes);
    return error_of(call3(SYS_munmap, (long)start, (long)bytes, 0));
}

void *os_remap(void *start, size_t old_bytes, size_t new_bytes)
{
    os_own_remove(start, old_bytes);
    void *moved = pointer_of(
        call6(SYS_mremap, (long)start, (long)old_bytes, (long)new_bytes, MREMAP_MAYMOVE, 0, 0));
    os_own_add(moved != NULL ? moved : start, moved != NULL ? new_bytes : old_bytes);
    return moved;
}

void *os_map_wiped_on_fork(void)
{
    size_t page = os_page_bytes();
    void *p = os_map(page);
    if (p == NULL || !failed(call3(SYS_madvise, (long)p, (long)page, MADV_WIPEONFORK)))
        return p;
    os_unmap(p, page);
    return NULL;
}

void os_set_dumped(void *start, size_t bytes, bool dumped)
{
    call3(SYS_madvise, (long)start, (long)bytes, dumped ? MADV_DODUMP : MADV_DONTDUMP);
}

/* All that this flag of msync still does is to look, at mappings and not at pages. (Any other error
 * is that of a sandbox, and tells nothing of them.) */
bool os_is_mapped(const void *start, size_t bytes)
{
    uintptr_t at = (uintptr_t)start & ~(os_page_bytes() - 1);
    uintptr_t end = (uintptr_t)start + bytes;
    return call3(SYS_msync, (long)at, (long)(end - at), MS_ASYNC) != -ENOMEM;
}

/* The kernel fetches the new signal set before it finds the first argument to be nonsense. */
bool os_is_readable(const void *word)
{
    return call6(SYS_rt_sigprocmask, -1, (long)word, 0, 8, 0, 0) != -EFAULT;
}

void os_set_wiped_on_fork(void *start, size_t bytes)
{
    call3(SYS_madvise, (long)start, (long)bytes, MADV_WIPEONFORK);
}

/* -- waiting ---------------------------------------------------------------------------------- */

void os_wait(_Atomic uint32_t *word, uint32_t value)
{
    call6(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, (long)value, 0, 0, 0);
}

void os_wait_for(_Atomic uint32_t *word, uint32_t value, uint64_t ns)
{
    const struct timespec time = {.tv_sec = (time_t)(ns / 1000000000),
                                  .tv_nsec = (long)(ns % 1000000000)};
    call6(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, (long)value, (long)&time, 0, 0);
}

void os_sleep(uint64_t ns)
{
    const struct timespec time = {.tv_sec = (time_t)(ns / 1000000000),
                                  .tv_nsec = (long)(ns % 1000000000)};
    call3(SYS_nanosleep, (long)&time, 0, 0);
}

void os_wake(_Atomic uint32_t *word, unsigned waiters)
{
    call6(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, (long)waiters, 0, 0, 0);
}

bool os_barrier(void)
{
    if (call3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
        return true;
    call3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    return call3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0 ||
           call3(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0;
}

/* -- files ------------------------------------------------------------------------------------ */

int os_write(int fd, const void *bytes, size_t count)
{
    const char *at = bytes;
    while (count > 0) {
        long written = call3(SYS_write, fd, (long)at, (long)count);
        if (written == -EINTR)
            continue;
        if (failed(written))
            return error_of(written);
        at += written;
        count -= (size_t)written;
    }
    return 0;
}

/* Out of the way of programs that close all of theirs or select() on them. */
int os_file_duplicate(int fd)
{
    static const int floors[] = {1000, 256, 64, 3};
    for (size_t i = 0; i < sizeof(floors) / sizeof(floors[0]); i++) {
        long raised = call3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, floors[i]);
        if (!failed(raised))
            return (int)raised;
    }
    return -1;
}

static int raise_descriptor(int fd)
{
    int raised = os_file_duplicate(fd);
    if (raised < 0)
        return fd;
    call3(SYS_close, fd, 0, 0);
    return raised;
}

static int open_anything(void)
{
    long fd = call6(SYS_openat, AT_FDCWD, (long)"/", O_PATH | O_CLOEXEC, 0, 0, 0);
    return failed(fd) ? -1 : (int)fd;
}

void os_next_descriptors(int fds[2])
{
    for (int i = 0; i < 2; i++)
        fds[i] = open_anything();
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            call3(SYS_close, fds[i], 0, 0);
    }
}

unsigned os_hold_standard(void)
{
    unsigned held = 0;
    for (;;) {
        int fd = open_anything();
        if (fd < 0)
            return held;
        if (fd > OS_STDERR) {
            call3(SYS_close, fd, 0, 0);
            return held;
        }
        held |= 1U << fd;
    }
}

void os_release_standard(unsigned held)
{
    for (int fd = 0; fd <= OS_STDERR; fd++) {
        bool is_ours = (held >> fd & 1) != 0 && (call3(SYS_fcntl, fd, F_GETFL, 0) & O_PATH) != 0;
        if (is_ours) /* and not what another thread has put there */
            call3(SYS_close, fd, 0, 0);
    }
}

static int open_file(const char *path, int flags, int *fd)
{
    long opened = call6(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags,
                        0644, 0, 0);
    if (failed(opened))
        return error_of(opened);
    *fd = raise_descriptor((int)opened);
    return 0;
}

int os_file_create(const char *path, int *fd)
{
    return open_file(path, O_CREAT | O_EXCL, fd);
}

int os_file_open(const char *path, int *fd)
{
    return open_file(path, 0, fd);
}

int os_file_identity(int fd, struct os_identity *identity)
{
    struct stat status;
    long result = call3(SYS_fstat, fd, (long)&status, 0);
    if (!failed(result))
        *identity = (struct os_identity){.device = status.st_dev, .inode = status.st_ino};
    return error_of(result);
}

bool os_file_is(int fd, const struct os_identity *identity)
{
    struct os_identity now;
    return os_file_identity(fd, &now) == 0 && now.device == identity->device &&
           now.inode == identity->inode;
}

bool os_file_bytes(int fd, uint64_t *bytes)
{
    struct stat status;
    if (failed(call3(SYS_fstat, fd, (long)&status, 0)))
        return false;
    *bytes = (uint64_t)status.st_size;
    return true;
}

int os_file_truncate(int fd, uint64_t bytes)
{
    return error_of(call3(SYS_ftruncate, fd, (long)bytes, 0));
}

void *os_file_map_sparse(int fd, uint64_t from, size_t bytes)
{
    return map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (long)from);
}

void *os_file_map(int fd, uint64_t from, size_t bytes)
{
    void *start = os_file_map_sparse(fd, from, bytes);
    /* MAP_POPULATE would map shared pages read-only: the first store would fault all the same. */
    if (start != NULL)
        call3(SYS_madvise, (long)start, (long)bytes, MADV_POPULATE_WRITE);
    return start;
}

void os_file_close(int fd)
{
    call3(SYS_close, fd, 0, 0);
}

void os_file_punch(int fd, uint64_t from, uint64_t bytes)
{
    call6(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (long)from, (long)bytes, 0,
          0);
}

void os_file_remove(const char *path)
{
    call3(SYS_unlinkat, AT_FDCWD, (long)path, 0);
}

static size_t read_all(long fd, char *buffer, size_t capacity)
{
    size_t used = 0;
    while (used + 1 < capacity) {
        long got = call3(SYS_read, fd, (long)(buffer + used), (long)(capacity - 1 - used));
        if (got == -EINTR)
            continue;
        if (failed(got) || got == 0)
            break;
        used += (size_t)got;
    }
    buffer[used] = '\0';
    return used;
}

enum os_file os_file_read(const char *path, char *buffer, size_t capacity, size_t *bytes)
{
    struct stat status;
    *bytes = 0;
    int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    long fd = call6(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0, 0);
    if (failed(fd))
        return OS_FILE_UNREADABLE;
    enum os_file result = OS_FILE_NOT_REGULAR;
    if (!failed(call3(SYS_fstat, fd, (long)&status, 0)) && S_ISREG(status.st_mode)) {
        *bytes = read_all(fd, buffer, capacity);
        result = *bytes + 1 < capacity ? OS_FILE_WHOLE : OS_FILE_CUT;
    }
    call3(SYS_close, fd, 0, 0);
    return result;
}

size_t os_link_read(const char *path, char *buffer, size_t capacity)
{
    long got = call6(SYS_readlinkat, AT_FDCWD, (long)path, (long)buffer, (long)capacity - 1, 0, 0);
    size_t used = failed(got) ? 0 : (size_t)got;
    buffer[used] = '\0';
    return used;
}

size_t os_working_directory(char *buffer, size_t capacity)
{
    long got = call3(SYS_getcwd, (long)buffer, (long)capacity, 0);
    size_t used = failed(got) || got == 0 ? 0 : (size_t)got - 1;
    buffer[used] = '\0';
    return used;
}
