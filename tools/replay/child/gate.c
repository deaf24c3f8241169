/* gate.c - keeps threads in their windows, lets them wait for each other, starts them.
 *
 *     gate.open        the window that threads may be in; only the last one done moves it
 *     gate.remaining   threads that are not done with the open window
 *
 * Nobody spins for long: a few hundred cycles, then the futex. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tools/replay/child/child.h"

enum {
    SPINS = 200,
    STACK_BYTES = 256 * 1024,
    PACE_SLACK_NS = 60000, /* sooner is soon enough: about what a sleep oversleeps */
    NS_PER_S = 1000000000,
};

static struct {
    _Alignas(64) _Atomic uint32_t open;      /* futex */
    _Atomic uint32_t open_waiters;           /* threads asleep or about to be */
    _Alignas(64) _Atomic uint32_t remaining; /* of the open window */
    _Atomic int64_t live;                    /* bytes asked, of all windows done */
    _Alignas(64) _Atomic uint32_t handed;    /* futex: moves when someone may wait for an object */
    _Atomic uint32_t object_waiters;
    struct runner *runners; /* by copy and thread */
    uint64_t begun_ns, begun_cpu_ns;
    uint64_t paused_ns, paused_cpu_ns; /* taken by samples while all threads stood still */
} gate;

static void sleep_at(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* -- threads ---------------------------------------------------------------------------------- */

static void run_thread(struct runner *runner)
{
    gate_wait(child.threads[runner->thread].first_window);
    engine_run(runner);
    gate_finish(runner);
}

static void *start_thread(void *argument)
{
    run_thread(argument);
    return NULL;
}

static void spawn(uint32_t copy, uint32_t thread)
{
    struct runner *runner = &gate.runners[(size_t)copy * child.program->threads + thread];
    pthread_t id;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int error = pthread_create(&id, &attributes, start_thread, runner);
    pthread_attr_destroy(&attributes);
    if (error != 0)
        child_fail("thread %u cannot be started: %s", thread, strerror(error));
}

static void spawn_with(uint32_t window)
{
    for (uint32_t copy = 0; copy < child.copies; copy++) {
        uint32_t thread = child.windows[window].spawned;
        for (; thread != PROGRAM_NO_THREAD; thread = child.threads[thread].next_spawned)
            spawn(copy, thread);
    }
}

static uint32_t count_participants(uint32_t window)
{
    return child.windows[window].participants * child.copies;
}

void gate_init(void)
{
    size_t bytes = child.runners * sizeof(*gate.runners);
    gate.runners = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (gate.runners == MAP_FAILED)
        child_fail("no memory for %zu threads", child.runners);
}

static struct runner make_runner(uint32_t copy, uint32_t thread)
{
    size_t index = (size_t)copy * child.program->threads + thread;
    return (struct runner){.child = &child,
                           .slots = child.slots + copy * child.program->slots,
                           .copy = copy,
                           .thread = thread,
                           .window = child.threads[thread].first_window,
                           .bump = 0x10000000,
                           .counters = child.counters + index};
}

struct runner *gate_begin(void)
{
    struct runner *runner = gate.runners;
    for (uint32_t copy = 0; copy < child.copies; copy++) {
        for (uint32_t thread = 0; thread < child.program->threads; thread++)
            *runner++ = make_runner(copy, thread);
    }
    atomic_store(&gate.live, 0);
    atomic_store(&gate.open, 0);
    atomic_store(&gate.remaining, count_participants(0));
    gate.begun_ns = clock_ns();
    gate.begun_cpu_ns = clock_cpu_ns();
    gate.paused_ns = gate.paused_cpu_ns = 0;
    for (uint32_t copy = 1; copy < child.copies; copy++)
        spawn(copy, 0);
    spawn_with(0);
    return &gate.runners[0];
}

/* -- windows ---------------------------------------------------------------------------------- */

void gate_wait(uint32_t window)
{
    for (unsigned spins = 0;; spins++) {
        /* acquire: pairs with the release in open_next; what was done in earlier windows is seen */
        uint32_t open = atomic_load_explicit(&gate.open, memory_order_acquire);
        if (open >= window)
            return;
        if (spins < SPINS) {
            relax();
            continue;
        }
        atomic_fetch_add(&gate.open_waiters, 1);
        sleep_at(&gate.open, open); /* returns at once if it moved */
        atomic_fetch_sub(&gate.open_waiters, 1);
    }
}

static void check_live(uint32_t window)
{
    int64_t live = atomic_load(&gate.live);
    int64_t wanted = (int64_t)child.windows[window].live_bytes * child.copies;
    if (live != wanted)
        child_fail("at the end of window %u %lld bytes are asked for, recorded were %lld", window,
                   (long long)live, (long long)wanted);
}

/* All threads are done with the open window: nobody runs but the caller. */
static void open_next(void)
{
    uint32_t window = atomic_load(&gate.open);
    do {
        uint64_t paused = clock_ns(), paused_cpu = clock_cpu_ns();
        check_live(window);
        resident_sample(window, child.windows[window].live_bytes * child.copies);
        gate.paused_ns += clock_ns() - paused;
        gate.paused_cpu_ns += clock_cpu_ns() - paused_cpu;
        child.result->windows_done++;
        window++;
    } while (window < child.program->windows && child.windows[window].participants == 0);
    if (window == child.program->windows) {
        child.result->wall_ns += clock_ns() - gate.begun_ns - gate.paused_ns;
        child.result->cpu_ns += clock_cpu_ns() - gate.begun_cpu_ns - gate.paused_cpu_ns;
    } else {
        atomic_store(&gate.remaining, count_participants(window));
        spawn_with(window);
    }
    /* seq_cst: either the waiter sees the new window or we see the waiter */
    atomic_store(&gate.open, window);
    if (atomic_load(&gate.open_waiters) != 0)
        wake_all(&gate.open);
}

static void leave_window(struct runner *runner)
{
    atomic_fetch_add_explicit(&gate.live, runner->live, memory_order_relaxed);
    runner->live = 0;
    if (atomic_fetch_sub(&gate.remaining, 1) == 1)
        open_next();
}

void gate_pass(struct runner *runner, uint32_t next)
{
    leave_window(runner);
    gate_wait(next);
    runner->window = next;
}

void gate_finish(struct runner *runner)
{
    uint32_t successor = child.threads[runner->thread].successor;
    if (successor != PROGRAM_NO_THREAD)
        spawn(runner->copy, successor);
    leave_window(runner);
}

void gate_wait_for_end(void)
{
    gate_wait(child.program->windows);
    for (size_t i = 0; i < child.runners; i++) {
        child.result->waits += gate.runners[i].waits;
        if (gate.runners[i].behind_ns > child.result->behind_ns)
            child.result->behind_ns = gate.runners[i].behind_ns;
    }
}

/* -- pace ------------------------------------------------------------------------------------- */

void gate_pace(struct runner *runner, uint64_t ns)
{
    uint64_t due = gate.begun_ns + (uint64_t)((double)ns / child.speed);
    uint64_t now = clock_ns();
    if (now > due && now - due > runner->behind_ns)
        runner->behind_ns = now - due;
    if (now + PACE_SLACK_NS >= due)
        return;
    struct timespec until = {(time_t)(due / NS_PER_S), (long)(due % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

/* -- objects of other threads ----------------------------------------------------------------- */

void gate_hand_over(void)
{
    /* seq_cst: the store of the object comes before the load; pairs with gate_wait_for_object */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&gate.object_waiters, memory_order_relaxed) == 0)
        return;
    atomic_fetch_add(&gate.handed, 1);
    wake_all(&gate.handed);
}

void *gate_wait_for_object(struct runner *runner, struct slot *slot)
{
    void *object = NULL;
    runner->waits++;
    for (unsigned spins = 0; spins < SPINS && object == NULL; spins++) {
        relax();
        object = atomic_load_explicit(&slot->object, memory_order_acquire);
    }
    if (object != NULL)
        return object;
    atomic_fetch_add(&gate.object_waiters, 1);
    for (;;) {
        uint32_t handed = atomic_load(&gate.handed);
        object = atomic_load(&slot->object);
        if (object != NULL)
            break;
        sleep_at(&gate.handed, handed);
    }
    atomic_fetch_sub(&gate.object_waiters, 1);
    return object;
}
