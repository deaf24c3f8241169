/* os_fault.c - see os_fault.h. Two userfaultfds:
 *
 *     heap   what was taken out: faults, and the events of madvise and fork
 *     own    the memory it is put into, and the bell: no events, as the serving thread gives that
 *            memory back itself and would wait for itself */
#define _GNU_SOURCE
#include "allocators/base/os_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "allocators/base/os.h"
#include "allocators/base/os_call.h"
#include "allocators/base/say.h"

/* Linux 6.8; Debian 12's headers are older. */
struct move {
    uint64_t to, from, bytes, mode;
    int64_t moved;
};
#define MOVE _IOWR(UFFDIO, 0x05, struct move)
enum { MOVE_DONTWAKE = 1, MOVE_ALLOW_HOLES = 2 };
#define FEATURE_MOVE (UINT64_C(1) << 16)

static const uint64_t HEAP_FEATURES =
    UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_THREAD_ID | FEATURE_MOVE;
static const uint64_t OWN_FEATURES = UFFD_FEATURE_PAGEFAULT_FLAG_WP | FEATURE_MOVE;

static struct {
    int heap, own;
    uintptr_t bell;
    bool is_trusted; /* constant */
} fault;

static int control(int fd, unsigned long request, void *argument)
{
    return error_of(call3(SYS_ioctl, fd, (long)request, (long)argument));
}

/* -- opening ---------------------------------------------------------------------------------- */

void os_fault_trust(void)
{
    fault.is_trusted = true;
}

/* Faults in the kernel count too, and forks are told of: for both a right is needed. */
static int open_with(uint64_t features, int *opened)
{
    int flags = O_CLOEXEC | O_NONBLOCK | (fault.is_trusted ? UFFD_USER_MODE_ONLY : 0);
    if (fault.is_trusted)
        features &= ~(uint64_t)UFFD_FEATURE_EVENT_FORK;
    struct uffdio_api api = {.api = UFFD_API, .features = features};
    long fd = call3(SYS_userfaultfd, flags, 0, 0);
    if (failed(fd))
        return error_of(fd);
    int error = control((int)fd, UFFDIO_API, &api);
    if (error == 0 && (api.features & features) != features)
        error = EINVAL;
    if (error != 0)
        call3(SYS_close, fd, 0, 0);
    *opened = (int)fd;
    return error;
}

int os_fault_check(void)
{
    int fd;
    int error = open_with(HEAP_FEATURES | OWN_FEATURES, &fd);
    if (error == 0)
        call3(SYS_close, fd, 0, 0);
    return error;
}

static int register_with(int fd, void *start, size_t bytes, uint64_t mode)
{
    struct uffdio_register range = {.range = {(uintptr_t)start, bytes}, .mode = mode};
    return control(fd, UFFDIO_REGISTER, &range);
}

static int open_both(void *own, size_t own_bytes, void *bell)
{
    int error = open_with(HEAP_FEATURES, &fault.heap);
    if (error == 0)
        error = open_with(OWN_FEATURES, &fault.own);
    if (error == 0)
        error = register_with(fault.own, own, own_bytes, UFFDIO_REGISTER_MODE_WP);
    if (error == 0)
        error = register_with(fault.own, bell, os_page_bytes(), UFFDIO_REGISTER_MODE_MISSING);
    return error;
}

int os_fault_open(void *own, size_t own_bytes, void *bell)
{
    fault.heap = fault.own = -1;
    fault.bell = (uintptr_t)bell;
    int error = error_of(call3(SYS_close_range, 0, (long)UINT32_MAX, CLOSE_RANGE_UNSHARE));
    if (error == 0)
        error = open_both(own, own_bytes, bell);
    if (error != 0)
        os_fault_close();
    return error;
}

void os_fault_close(void)
{
    if (fault.heap >= 0)
        call3(SYS_close, fault.heap, 0, 0);
    if (fault.own >= 0)
        call3(SYS_close, fault.own, 0, 0);
}

/* -- events ----------------------------------------------------------------------------------- */

static bool translate(const struct uffd_msg *message, struct os_fault_event *event)
{
    uintptr_t page = ~(os_page_bytes() - 1);
    switch (message->event) {
    case UFFD_EVENT_PAGEFAULT:
        event->start = message->arg.pagefault.address;
        event->kind = (event->start & page) == fault.bell ? OS_FAULT_BELL : OS_FAULT_TOUCHED;
        event->id = (int)message->arg.pagefault.feat.ptid;
        return true;
    case UFFD_EVENT_REMOVE:
        event->kind = OS_FAULT_REMOVED;
        event->start = message->arg.remove.start;
        event->end = message->arg.remove.end;
        return true;
    case UFFD_EVENT_FORK:
        event->kind = OS_FAULT_FORKED;
        event->child = (int)message->arg.fork.ufd;
        return true;
    default:
        return false;
    }
}

static unsigned read_from(int fd, struct os_fault_event *events, unsigned most)
{
    struct uffd_msg messages[OS_FAULT_EVENTS];
    unsigned count = 0;
    long bytes = call3(SYS_read, fd, (long)messages, (long)(most * sizeof(messages[0])));
    for (long at = 0; !failed(bytes) && at < bytes / (long)sizeof(messages[0]); at++)
        count += translate(&messages[at], &events[count]);
    return count;
}

unsigned os_fault_read(struct os_fault_event events[OS_FAULT_EVENTS], int ms)
{
    struct pollfd polled[2] = {{fault.heap, POLLIN, 0}, {fault.own, POLLIN, 0}};
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    long ready = call6(SYS_ppoll, (long)polled, 2, ms < 0 ? 0 : (long)&time, 0, 8, 0);
    unsigned count = 0;
    if (failed(ready) || ready == 0)
        return 0;
    if (polled[1].revents != 0)
        count = read_from(fault.own, events, 1);
    if (polled[0].revents != 0)
        count += read_from(fault.heap, events + count, OS_FAULT_EVENTS - count);
    return count;
}

void os_fault_ring(void *bell)
{
    os_purge(bell, os_page_bytes());
    (void)*(volatile char *)bell;
}

void os_fault_hush(void *bell)
{
    struct uffdio_zeropage zero = {.range = {(uintptr_t)bell, os_page_bytes()}};
    control(fault.own, UFFDIO_ZEROPAGE, &zero);
    control(fault.own, UFFDIO_WAKE, &zero.range); /* it may have been there */
}

/* -- ranges ----------------------------------------------------------------------------------- */

int os_fault_watch(void *start, size_t bytes)
{
    return register_with(fault.heap, start, bytes, UFFDIO_REGISTER_MODE_MISSING);
}

int os_fault_unwatch(void *start, size_t bytes)
{
    struct uffdio_range range = {(uintptr_t)start, bytes};
    return control(fault.heap, UFFDIO_UNREGISTER, &range);
}

void os_fault_wake(void *start, size_t bytes)
{
    struct uffdio_range range = {(uintptr_t)start, bytes};
    control(fault.heap, UFFDIO_WAKE, &range);
}

/* The kernel may be at a page just then (EAGAIN): a few tries. */
static int move(int fd, void *to, void *from, size_t bytes, uint64_t mode)
{
    enum { TRIES = 8 };
    size_t done = 0;
    int error = EAGAIN;
    for (int i = 0; i < TRIES && done < bytes && (error == EAGAIN || error == 0); i++) {
        struct move part = {(uintptr_t)to + done, (uintptr_t)from + done, bytes - done,
                            mode | MOVE_ALLOW_HOLES, 0};
        error = control(fd, MOVE, &part);
        done += part.moved > 0 ? (size_t)part.moved : 0;
    }
    return done == bytes ? 0 : error != 0 ? error : EAGAIN;
}

int os_fault_take(void *own, void *from, size_t bytes)
{
    return move(fault.own, own, from, bytes, MOVE_DONTWAKE);
}

int os_fault_put(void *to, void *own, size_t bytes)
{
    return move(fault.heap, to, own, bytes, 0);
}

/* Page by page, where some are there already: for these the system wakes nobody. */
int os_fault_fill(int child, void *to, const void *from, size_t bytes)
{
    size_t page = os_page_bytes();
    bool is_parent = child == OS_FAULT_PARENT;
    for (size_t done = 0; done < bytes;) {
        struct uffdio_copy copy = {.dst = (uintptr_t)to + done,
                                   .src = (uintptr_t)from + done,
                                   .len = bytes - done,
                                   .mode = is_parent ? 0 : UFFDIO_COPY_MODE_DONTWAKE};
        int error = control(is_parent ? fault.heap : child, UFFDIO_COPY, &copy);
        done += copy.copy > 0 ? (size_t)copy.copy : 0;
        if (error == EEXIST && is_parent)
            os_fault_wake((char *)to + done, page);
        if (error == EEXIST)
            done += page;
        else if (error != 0 && copy.copy <= 0)
            return error;
    }
    return 0;
}

void os_fault_leave_child(int child)
{
    call3(SYS_close, child, 0, 0);
}

/* -- processors ------------------------------------------------------------------------------- */

static int processor_of(int id)
{
    enum { FIELD = 39, AFTER_NAME = 2 };
    char buffer[64], stat[512];
    size_t bytes;
    struct text path = TEXT_IN(buffer);
    text_add(&path, "/proc/self/task/%d/stat", id);
    if (os_file_read(buffer, stat, sizeof(stat), &bytes) == OS_FILE_UNREADABLE)
        return -1;
    const char *at = stat;
    for (const char *c = stat; *c != '\0'; c++)
        at = *c == ')' ? c + 1 : at; /* the name may have any character */
    for (int field = AFTER_NAME; field < FIELD && *at != '\0'; at++)
        field += *at == ' ';
    return *at == '\0' ? -1 : (int)os_line_number(&at, 10);
}

void os_fault_follow(int id)
{
    cpu_set_t processors;
    int processor = processor_of(id);
    if (processor < 0 || processor >= CPU_SETSIZE)
        return;
    CPU_ZERO(&processors);
    CPU_SET((size_t)processor, &processors);
    call3(SYS_sched_setaffinity, 0, sizeof(processors), (long)&processors);
}

void os_fault_roam(void)
{
    cpu_set_t processors;
    memset(&processors, 0xff, sizeof(processors));
    call3(SYS_sched_setaffinity, 0, sizeof(processors), (long)&processors);
}

/* -- pages ------------------------------------------------------------------------------------ */

int os_set_cold(void *start, size_t bytes, bool out)
{
    return error_of(call3(SYS_madvise, (long)start, (long)bytes, out ? MADV_PAGEOUT : MADV_COLD));
}

bool os_read_present(const void *start, size_t bytes, uint64_t *pages)
{
    unsigned char present[64];
    size_t count = bytes / os_page_bytes();
    *pages = 0;
    if (count > 64 || failed(call3(SYS_mincore, (long)start, (long)bytes, (long)present)))
        return false;
    for (size_t i = 0; i < count; i++)
        *pages |= (uint64_t)(present[i] & 1) << i;
    return true;
}

int os_unshare_pages(void *start, size_t bytes)
{
    return error_of(call3(SYS_madvise, (long)start, (long)bytes, MADV_POPULATE_WRITE));
}

void os_set_unforked(void *start, size_t bytes)
{
    call3(SYS_madvise, (long)start, (long)bytes, MADV_DONTFORK);
}

static void add_swap(const char *line, void *bytes)
{
    os_line_take(line, "SwapTotal:", bytes);
}

bool os_has_swap(void)
{
    uint64_t bytes = 0;
    os_visit_lines("/proc/meminfo", add_swap, &bytes);
    return bytes > 0;
}
