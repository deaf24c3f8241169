/* os_stop.c - all other threads of the process stand still in a signal handler.
 *
 * The kernel puts a thread's registers onto its stack when it delivers a signal: so they can be
 * read like memory. The signal is one that the program has no handler for; ours stays installed, as
 * a thread that had it blocked gets it later, which then means nothing. */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum {
    SIGNAL_FIRST = 63, /* of the real-time signals, from this one downwards, */
    SIGNAL_LAST = 40,  /* as far from those that libraries use as there are */
    SIGNAL_SET_BYTES = 8,
    PATIENCE_NS =
        100 * 1000 * 1000, /* for a thread that has the signal blocked, or is about to end */
    PAUSE_NS = 200 * 1000,
    ENTRIES_BYTES = 4096,
};

/* The kernel's struct sigaction, and SA_RESTORER. */
struct action {
    void (*handler)(int signal, siginfo_t *info, void *context);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
#define FLAG_RESTORER 0x04000000UL

static struct {
    int signal;             /* 0: none was chosen yet */
    _Atomic uint32_t hold;  /* 1: whoever comes shall stay */
    _Atomic uint32_t count; /* who came */
    struct os_stopped *stopped;
    uint32_t most;
} stop;

#if defined(__x86_64__)
__asm__(".text\n.type mpress_signal_return, @function\nmpress_signal_return:\n"
        "mov $15, %eax\nsyscall\n.size mpress_signal_return, .-mpress_signal_return\n");
void mpress_signal_return(void) __attribute__((visibility("hidden")));
#define RESTORER mpress_signal_return

static uintptr_t stack_pointer(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
}
#else
#define RESTORER NULL

static uintptr_t stack_pointer(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.sp;
}
#endif

static void stay(int signal, siginfo_t *info, void *context_)
{
    (void)signal, (void)info;
    const ucontext_t *context = context_;
    if (atomic_load_explicit(&stop.hold, memory_order_acquire) == 0)
        return; /* it comes too late */
    uint32_t number = atomic_fetch_add_explicit(&stop.count, 1, memory_order_relaxed);
    if (number < stop.most) {
        stop.stopped[number].sp = stack_pointer(context);
        stop.stopped[number].from = (uintptr_t)&context->uc_mcontext;
        stop.stopped[number].to = (uintptr_t)(&context->uc_mcontext + 1);
        /* release: pairs with the acquire in wait_for_all */
        atomic_store_explicit(&stop.stopped[number].is_here, 1, memory_order_release);
    }
    while (atomic_load_explicit(&stop.hold, memory_order_acquire) != 0)
        os_wait(&stop.hold, 1);
}

static bool choose_signal(void)
{
    for (int signal = SIGNAL_FIRST; stop.signal == 0 && signal >= SIGNAL_LAST; signal--) {
        struct action old;
        long result = call6(SYS_rt_sigaction, signal, 0, (long)&old, SIGNAL_SET_BYTES, 0, 0);
        if (failed(result) || (uintptr_t)old.handler != (uintptr_t)SIG_DFL)
            continue;
        const struct action ours = {.handler = stay,
                                    .flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | FLAG_RESTORER,
                                    .restorer = RESTORER,
                                    .mask = ~UINT64_C(0)};
        if (!failed(call6(SYS_rt_sigaction, signal, (long)&ours, 0, SIGNAL_SET_BYTES, 0, 0)))
            stop.signal = signal;
    }
    return stop.signal != 0;
}

/* -- the list of threads ---------------------------------------------------------------------- */

/* An entry of a folder as the kernel hands it over. */
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short bytes;
    unsigned char type;
    char name[];
};

static int read_id(const char *name)
{
    int id = 0;
    for (; *name >= '0' && *name <= '9'; name++)
        id = id * 10 + (*name - '0');
    return *name == '\0' ? id : 0;
}

/* Sends the signal to those of the entries that are threads and did not get it yet. */
static void send_to(const char *entries, long bytes, struct os_stopped *list, uint32_t *sent)
{
    int self = os_thread_id();
    for (const char *at = entries; at < entries + bytes;) {
        const struct entry *entry = (const struct entry *)(const void *)at;
        int id = read_id(entry->name);
        bool is_known = id == 0 || id == self;
        for (uint32_t i = 0; i < *sent && !is_known; i++)
            is_known = list[i].id == id;
        if (!is_known && *sent < stop.most &&
            !failed(call3(SYS_tgkill, os_process_id(), id, stop.signal)))
            list[(*sent)++].id = id;
        at += entry->bytes;
    }
}

/* One pass over all threads; false: the system does not tell. */
static bool send_to_all(struct os_stopped *list, uint32_t *sent)
{
    union {
        char bytes[ENTRIES_BYTES];
        struct entry aligned;
    } entries;
    long fd = call6(SYS_openat, AT_FDCWD, (long)"/proc/self/task",
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0),
         got;
    if (failed(fd))
        return false;
    while ((got = call3(SYS_getdents64, fd, (long)entries.bytes, ENTRIES_BYTES)) > 0)
        send_to(entries.bytes, got, list, sent);
    call3(SYS_close, fd, 0, 0);
    return !failed(got);
}

/* Those that came, until all have or no more do. */
static uint32_t wait_for_all(uint32_t sent)
{
    uint32_t seen = 0;
    for (uint64_t since_ns = os_time_ns(); os_time_ns() - since_ns < PATIENCE_NS;) {
        uint32_t here = 0;
        for (uint32_t i = 0; i < sent; i++)
            here += atomic_load_explicit(&stop.stopped[i].is_here, memory_order_acquire);
        if (here == sent)
            return here;
        if (here != seen)
            since_ns = os_time_ns();
        seen = here;
        _Atomic uint32_t never = 0;
        os_wait_for(&never, 0, PAUSE_NS);
    }
    return seen;
}

bool os_stop_others(struct os_stopped *stopped, uint32_t most, uint32_t *count, uint32_t *missed)
{
    uint32_t sent = 0, before;
    if (!choose_signal())
        return false;
    memset(stopped, 0, most * sizeof(*stopped));
    stop.stopped = stopped;
    stop.most = most;
    atomic_store_explicit(&stop.count, 0, memory_order_relaxed);
    atomic_store_explicit(&stop.hold, 1, memory_order_release);
    *count = 0;
    do { /* threads that were born meanwhile */
        before = sent;
        if (!send_to_all(stopped, &sent)) {
            os_resume_others();
            return false;
        }
        *count = wait_for_all(sent);
    } while (sent != before && sent < most);
    *missed = sent - *count;
    return true;
}

void os_resume_others(void)
{
    atomic_store_explicit(&stop.hold, 0, memory_order_release);
    os_wake(&stop.hold, UINT32_MAX >> 1);
}
