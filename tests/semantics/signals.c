/* signals.c - handlers that allocate, though POSIX says they must not: real ones do. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/semantics/check.h"

static volatile sig_atomic_t handled;

static void start_timer(int signal_number, long period_ns)
{
    struct sigevent event;
    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = signal_number;
    timer_t timer;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec period = {{0, period_ns}, {0, period_ns}};
    CHECK(timer_settime(timer, 0, &period, NULL) == 0);
}

static void install(int signal_number, void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = flags;
    CHECK(sigaction(signal_number, &action, NULL) == 0);
}

static void allocate_in_handler(int signal_number)
{
    (void)signal_number;
    int kept_errno = errno;
    char *blocks[8];
    for (size_t i = 0; i < 8; i++) {
        blocks[i] = malloc(i * i * 300 + 1);
        blocks[i][0] = 1;
    }
    blocks[7] = realloc(blocks[7], 100000);
    for (int i = 0; i < 8; i++)
        free(blocks[i]);
    handled++;
    errno = kept_errno;
}

/* Works outside the heap most of the time, so that the signals meet code that is not malloc: what
 * glibc allows. */
static void handlers_that_interrupt_other_code_may_allocate(void)
{
    install(SIGUSR1, allocate_in_handler, SA_RESTART);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    start_timer(SIGUSR1, 300000);
    unsigned long sum = 0;
    for (int i = 0; handled < 1000; i++) {
        CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
        free(malloc((size_t)i % 10000));
        CHECK(sigprocmask(SIG_UNBLOCK, &blocked, NULL) == 0);
        for (int j = 0; j < 1000; j++)
            sum = sum * 31 + (unsigned)j;
    }
    CHECK(hidden_size(sum) == sum);
}

/* The handler interrupts malloc itself. libc may deadlock here; the library promises not to. */
static void handlers_that_interrupt_malloc_itself_may_allocate(void)
{
    if (!check_is_mpress() || check_option_is("MPRESS_HEAP", "mimalloc") ||
        check_option_is("MPRESS_HEAP", "mixed"))
        SKIP("only the library's own heap promises this");
    install(SIGUSR1, allocate_in_handler, SA_RESTART);
    start_timer(SIGUSR1, 100000);
    static char *blocks[512];
    for (size_t i = 0; handled < 3000; i++) {
        size_t slot = i * 7919 % 512, bytes = i * 104729 % (i % 64 == 0 ? 100000 : 2000) + 1;
        free(blocks[slot]);
        blocks[slot] = malloc(bytes);
        blocks[slot][0] = blocks[slot][bytes - 1] = 1;
    }
}

enum { OWN_MAPPING_BYTES = 40 << 20 }; /* far above what shares a mapping with other blocks */

/* Both calls look into the table of such blocks; there may be no memory in a handler. */
static void use_own_mapping_in_handler(int signal_number)
{
    (void)signal_number;
    int kept_errno = errno;
    static void *kept;
    free(kept);
    kept = malloc(OWN_MAPPING_BYTES);
    handled++;
    errno = kept_errno;
}

static void handlers_that_interrupt_questions_about_large_blocks_may_allocate(void)
{
    if (check_option_is("MPRESS_HEAP", "mimalloc") || check_option_is("MPRESS_HEAP", "mixed"))
        SKIP("only the library's own heap promises this");
    char *block = malloc(OWN_MAPPING_BYTES);
    CHECK(block != NULL);
    install(SIGUSR1, use_own_mapping_in_handler, SA_RESTART);
    start_timer(SIGUSR1, 50000);
    while (handled < 5000)
        CHECK(malloc_usable_size(hidden_pointer(block)) >= OWN_MAPPING_BYTES);
}

static void *alternate_stack(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    stack_t stack = {.ss_sp = memory, .ss_size = bytes};
    CHECK(sigaltstack(&stack, NULL) == 0);
    return memory;
}

static void handlers_on_a_small_alternate_stack_may_allocate(void)
{
    (void)alternate_stack(16384);
    install(SIGUSR1, allocate_in_handler, SA_ONSTACK);
    for (int i = 0; i < 300; i++)
        CHECK(raise(SIGUSR1) == 0);
    CHECK(handled == 300);
}

static char *guarded;

static void repair_and_allocate(int signal_number)
{
    allocate_in_handler(signal_number);
    if (mprotect(guarded, 4096, PROT_READ | PROT_WRITE) != 0)
        _exit(9);
}

static void a_handler_of_a_segmentation_fault_may_allocate(void)
{
    guarded = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)alternate_stack(65536);
    install(SIGSEGV, repair_and_allocate, SA_ONSTACK);
    for (int i = 0; i < 100; i++) {
        free(malloc(100));
        CHECK(mprotect(guarded, 4096, PROT_NONE) == 0);
        *(volatile char *)guarded = 1;
    }
    CHECK(handled == 100);
}

/* A crash handler of a real program: writes a report with whatever it needs, then ends it. */
static void report_crash(int signal_number)
{
    char *report = NULL;
    if (asprintf(&report, "signal %d", signal_number) != 8 || strcmp(report, "signal 8") != 0)
        _exit(9);
    free(report);
    _exit(0);
}

static void a_crash_handler_may_allocate_before_it_exits(void)
{
    install(SIGFPE, report_crash, 0);
    free(malloc(10));
    raise(SIGFPE);
    CHECK(false);
}

static void *allocate_for_a_while(void *unused)
{
    for (size_t i = 0; handled < 1000; i++) {
        sigset_t all, old;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &old);
        char *block = malloc(i % 4000);
        free(block);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    return unused;
}

static void signals_reach_any_of_several_allocating_threads(void)
{
    pthread_t threads[3];
    install(SIGUSR1, allocate_in_handler, SA_RESTART);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, allocate_for_a_while, NULL) == 0);
    start_timer(SIGUSR1, 300000);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

CHECK_MAIN(CASE(handlers_that_interrupt_other_code_may_allocate),
           CASE(handlers_that_interrupt_malloc_itself_may_allocate),
           CASE(handlers_that_interrupt_questions_about_large_blocks_may_allocate),
           CASE(handlers_on_a_small_alternate_stack_may_allocate),
           CASE(a_handler_of_a_segmentation_fault_may_allocate),
           CASE(a_crash_handler_may_allocate_before_it_exits),
           CASE(signals_reach_any_of_several_allocating_threads))
