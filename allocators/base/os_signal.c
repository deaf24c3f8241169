/* os_signal.c - names of signals, a pause of all of them, and a handler for one that nobody else
 * wants. */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static const struct {
    const char *name;
    int number;
} names[] = {
    {"HUP", SIGHUP},       {"INT", SIGINT},   {"QUIT", SIGQUIT},     {"USR1", SIGUSR1},
    {"USR2", SIGUSR2},     {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},     {"TERM", SIGTERM},
    {"CHLD", SIGCHLD},     {"CONT", SIGCONT}, {"TSTP", SIGTSTP},     {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU},     {"URG", SIGURG},   {"XCPU", SIGXCPU},     {"XFSZ", SIGXFSZ},
    {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},   {"IO", SIGIO},
    {"PWR", SIGPWR},       {"KILL", SIGKILL}, {"STOP", SIGSTOP},     {"SEGV", SIGSEGV},
    {"BUS", SIGBUS},       {"ILL", SIGILL},   {"FPE", SIGFPE},       {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT},     {"SYS", SIGSYS},   {"STKFLT", SIGSTKFLT},
};

enum { SIGNAL_SET_BYTES = 8 }; /* the kernel's */

static uint64_t block(uint64_t which)
{
    uint64_t before = 0;
    call6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&which, (long)&before, SIGNAL_SET_BYTES, 0, 0);
    return before;
}

uint64_t os_signals_block(void)
{
    return block(UINT64_MAX);
}

static uint64_t bit_of(int number)
{
    return UINT64_C(1) << (number - 1);
}

uint64_t os_signals_put_off(void)
{
    return block(~(bit_of(SIGSEGV) | bit_of(SIGBUS) | bit_of(SIGILL) | bit_of(SIGFPE) |
                   bit_of(SIGTRAP) | bit_of(SIGSYS)));
}

void os_signals_restore(uint64_t before)
{
    call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, SIGNAL_SET_BYTES, 0, 0);
}

/* All of `text` as a decimal number of up to three digits; -1: it is none. */
static int parse_number(const char *text)
{
    int number = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 3; digits++)
        number = number * 10 + (text[digits] - '0');
    return digits > 0 && text[digits] == '\0' ? number : -1;
}

/* "RTMIN", "RTMIN+3", "RTMAX-1"; 0: none of these. */
static int parse_real_time(const char *name)
{
    bool from_least = strncmp(name, "RTMIN", 5) == 0;
    if (!from_least && strncmp(name, "RTMAX", 5) != 0)
        return 0;
    int steps = name[5] == '\0' ? 0 : parse_number(name + 6);
    if (steps < 0 || (name[5] != '\0' && name[5] != (from_least ? '+' : '-')))
        return 0;
    int number = from_least ? SIGRTMIN + steps : SIGRTMAX - steps;
    return number >= SIGRTMIN && number <= SIGRTMAX ? number : 0;
}

int os_signal_of(const char *text)
{
    int number = parse_number(text);
    if (number >= 0)
        return number <= SIGRTMAX ? number : 0;
    const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i].name, name) == 0)
            return names[i].number;
    }
    return parse_real_time(name);
}

/* Those that tell of a fault, end the process by libc's own hand, or are libc's between 31 and
 * SIGRTMIN. */
static bool is_unsafe(int number)
{
    const uint64_t unsafe = bit_of(SIGKILL) | bit_of(SIGSTOP) | bit_of(SIGSEGV) | bit_of(SIGBUS) |
                            bit_of(SIGILL) | bit_of(SIGFPE) | bit_of(SIGTRAP) | bit_of(SIGABRT) |
                            bit_of(SIGSYS) | bit_of(SIGSTKFLT);
    return number < 1 || (number < 32 && (unsafe & bit_of(number)) != 0) ||
           (number > 31 && number < SIGRTMIN);
}

int os_signal_catch(int number, void (*handler)(int))
{
    struct sigaction old, new;
    if (is_unsafe(number))
        return EINVAL;
    if (sigaction(number, NULL, &old) != 0)
        return errno;
    if ((old.sa_flags & SA_SIGINFO) != 0 || old.sa_handler != SIG_DFL)
        return EBUSY;
    memset(&new, 0, sizeof(new));
    new.sa_handler = handler;
    new.sa_flags = SA_RESTART | SA_ONSTACK;
    return sigaction(number, &new, NULL) == 0 ? 0 : errno;
}

/* -- the last words --------------------------------------------------------------------------- */

static os_signal_last *last_words;

/* The default is in place again before anything can go wrong. A fault happens again when we return;
 * what was sent has to be sent again, and waits until then. */
static void on_last(int number, siginfo_t *info, void *context)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    const uintptr_t from[3] = {frame[1], (uintptr_t)(frame + 2), frame[0]};
    (void)context;
    struct sigaction normal;
    memset(&normal, 0, sizeof(normal));
    normal.sa_handler = SIG_DFL;
    (void)sigaction(number, &normal, NULL);
    last_words(number, info->si_code, info->si_addr, from);
    if (info->si_code <= 0)
        call3(SYS_tgkill, os_process_id(), os_thread_id(), number);
}

/* In a thread that could not run a handler when its own stack is full. */
enum { SIGNAL_STACK_BYTES = 256 << 10 }; /* programs may run handlers of theirs on it, too */

static _Thread_local char *own_stack __attribute__((tls_model("initial-exec")));

void os_signal_give_stack(void)
{
    stack_t now;
    if (last_words == NULL || own_stack != NULL || call3(SYS_sigaltstack, 0, (long)&now, 0) != 0 ||
        (now.ss_flags & SS_DISABLE) == 0)
        return;
    char *stack = os_map(SIGNAL_STACK_BYTES);
    if (stack == NULL)
        return;
    size_t guard = os_page_bytes();
    stack_t given = {.ss_sp = stack + guard, .ss_size = SIGNAL_STACK_BYTES - guard};
    if (call3(SYS_mprotect, (long)stack, (long)guard, PROT_NONE) == 0 &&
        call3(SYS_sigaltstack, (long)&given, 0, 0) == 0)
        own_stack = stack;
    else
        os_unmap(stack, SIGNAL_STACK_BYTES);
}

void os_signal_take_stack(void)
{
    stack_t now, none = {.ss_flags = SS_DISABLE};
    if (own_stack == NULL || call3(SYS_sigaltstack, 0, (long)&now, 0) != 0)
        return;
    bool is_ours = now.ss_sp == own_stack + os_page_bytes();
    if (is_ours && call3(SYS_sigaltstack, (long)&none, 0, 0) != 0)
        return; /* a handler ends the thread: this is the stack we stand on */
    os_unmap(own_stack, SIGNAL_STACK_BYTES);
    own_stack = NULL;
}

void os_signal_catch_last(os_signal_last *last)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction old, new;
    memset(&new, 0, sizeof(new));
    new.sa_sigaction = on_last;
    new.sa_flags = SA_SIGINFO | SA_ONSTACK;
    last_words = last;
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        if (sigaction(fatal[i], NULL, &old) == 0 && (old.sa_flags & SA_SIGINFO) == 0 &&
            old.sa_handler == SIG_DFL)
            (void)sigaction(fatal[i], &new, NULL);
    }
}
