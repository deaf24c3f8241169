/* os_thread.c - a thread of the library's own, which libc does not know. (And one that it does.)
 *
 * pthread_create would allocate, and take locks of libc under which libc itself frees: inside an
 * allocator that is a deadlock. A thread that libc counts would also keep the process alive after
 * main's pthread_exit, and turn off what libc does cheaper with one thread. So: clone, with thread-
 * local data of its own, in which only what this library declares may be used.
 *
 *     | guard | stack            <- | thread-local data | thread control block |
 *                                                       ^ thread pointer (x86-64) */
#define _GNU_SOURCE
#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum {
    STACK_BYTES = 64 * 1024,
    MARGIN_BYTES = 64 * 1024, /* around what is known of the thread-local data; hardly touched */
    JOIN_LOOKS = 10000,       /* some ms; should its number be given to another thread meanwhile */
    FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
            CLONE_SETTLS | CLONE_CHILD_CLEARTID,
};

/* libc writes the id of the owner into a mutex that may be locked again by it. Nobody else sees
 * this one, so no system call is made. */
int os_thread_id_quiet(void)
{
    pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    if (pthread_mutex_lock(&mutex) != 0)
        return 0;
    int id = mutex.__data.__owner;
    pthread_mutex_unlock(&mutex);
    return id;
}

/* Its word is cleared, and waiters of other processes woken, before it leaves the list of the
 * process's threads: both is looked at again and again. */
void os_thread_join(_Atomic uint32_t *alive, const _Atomic uint32_t *id)
{
    const uint64_t pause_ns = 50 * 1000;
    uint32_t running;
    while ((running = atomic_load_explicit(alive, memory_order_acquire)) != 0)
        os_wait_for(alive, running, pause_ns);
    long thread = (long)atomic_load_explicit(id, memory_order_relaxed);
    for (int i = 0; i < JOIN_LOOKS && thread != 0; i++) {
        if (call3(SYS_tgkill, os_process_id(), thread, 0) == -ESRCH)
            return;
        os_yield();
    }
}

static void *run_known(void *run)
{
    void (*real)(void);
    memcpy(&real, &run, sizeof(real));
    real();
    return NULL;
}

int os_thread_start_known(void (*run)(void))
{
    sigset_t all, before;
    pthread_t thread;
    void *argument;
    memcpy(&argument, &run, sizeof(argument));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, run_known, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error != 0 ? error : pthread_detach(thread);
}

/* Lies with the library's other thread-local data; tells how far from the thread pointer. */
static _Thread_local char anchor __attribute__((tls_model("initial-exec")));

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
/* Their runtimes keep thread-local data elsewhere. */
int os_thread_start(void (*run)(void), _Atomic uint32_t *alive, void **memory)
{
    (void)run, (void)alive, (void)memory, (void)anchor;
    return ENOTSUP;
}
#else

#if defined(__x86_64__)
static uintptr_t thread_pointer(void)
{
    uintptr_t pointer;
    __asm__("mov %%fs:0, %0" : "=r"(pointer));
    return pointer;
}

/* What compiled code reads at the thread pointer: its own address, and the stack protector's word.
 */
static void fill_control_block(uintptr_t at, uintptr_t current)
{
    uintptr_t *words = (uintptr_t *)at;
    const uintptr_t *from = (const uintptr_t *)current;
    words[0] = words[2] = at;
    words[5] = from[5];
    words[6] = from[6];
}

static long clone_and_run(uintptr_t *stack, uintptr_t pointer, _Atomic uint32_t *alive)
{
    register long r10 __asm__("r10") = (long)alive;
    register long r8 __asm__("r8") = (long)pointer;
    long result;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "pop %%rax\n\t"
                     "call *%%rax\n\t"
                     "mov %[exit], %%eax\n\t"
                     "xor %%edi, %%edi\n\t"
                     "syscall\n"
                     "1:"
                     : "=a"(result)
                     : "a"((long)SYS_clone), "D"((long)FLAGS), "S"(stack), "d"(0L), "r"(r10),
                       "r"(r8), [exit] "i"(SYS_exit)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static uintptr_t thread_pointer(void)
{
    uintptr_t pointer;
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
    return pointer;
}

static void fill_control_block(uintptr_t at, uintptr_t current)
{
    (void)at, (void)current;
}

static long clone_and_run(uintptr_t *stack, uintptr_t pointer, _Atomic uint32_t *alive)
{
    register long x8 __asm__("x8") = SYS_clone;
    register long x0 __asm__("x0") = FLAGS;
    register long x1 __asm__("x1") = (long)stack;
    register long x2 __asm__("x2") = 0;
    register long x3 __asm__("x3") = (long)pointer;
    register long x4 __asm__("x4") = (long)alive;
    __asm__ volatile("svc 0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, #0\n\t"
                     "ldr x16, [sp], #16\n\t"
                     "blr x16\n\t"
                     "mov x0, #0\n\t"
                     "mov x8, %[exit]\n\t"
                     "svc 0\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), [exit] "i"(SYS_exit)
                     : "memory", "x16");
    return x0;
}
#endif

/* Where the thread pointer lies in the thread's memory: as far from its thread-local data as ours
 * is. *bytes: of all of it. The same for every thread. */
static size_t thread_layout(uintptr_t pointer, size_t *bytes)
{
    uintptr_t mine = (uintptr_t)&anchor;
    size_t distance = mine < pointer ? pointer - mine : mine - pointer;
    size_t below = mine < pointer ? distance + MARGIN_BYTES : MARGIN_BYTES;
    size_t at = STACK_BYTES + round_up(below, os_page_bytes());
    *bytes = round_up(at + distance + MARGIN_BYTES, os_page_bytes());
    return at;
}

/* A mapping as laid out above. It stays for later threads. */
static bool make_memory(size_t bytes, void **memory)
{
    if (*memory != NULL)
        return true;
    char *start = os_map_unpromised(bytes);
    if (start == NULL)
        return false;
    call3(SYS_mprotect, (long)start, (long)os_page_bytes(), PROT_NONE); /* the guard */
    *memory = start;
    return true;
}

int os_thread_start(void (*run)(void), _Atomic uint32_t *alive, void **memory)
{
    size_t bytes;
    uintptr_t current = thread_pointer();
    size_t at = thread_layout(current, &bytes);
    if (!make_memory(bytes, memory))
        return ENOMEM;
    uintptr_t start = (uintptr_t)*memory;
    fill_control_block(start + at, current);
    uintptr_t *stack = (uintptr_t *)(start + STACK_BYTES);
#if defined(__x86_64__)
    *--stack = (uintptr_t)run; /* popped: the stack is aligned again */
#else
    stack -= 2;
    *stack = (uintptr_t)run;
#endif
    atomic_store_explicit(alive, 1, memory_order_relaxed);
    uint64_t before = os_signals_block();
    long result = clone_and_run(stack, start + at, alive);
    os_signals_restore(before);
    if (failed(result))
        atomic_store_explicit(alive, 0, memory_order_relaxed);
    return error_of(result);
}
#endif

uint64_t os_thread_time_ns(void)
{
    struct timespec time = {0};
    call3(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, (long)&time, 0);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}
