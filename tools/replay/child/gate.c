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
    uint64_t opened_cpu_ns;            /* when the open window was opened */
    uint64_t *least_cpu_ns;            /* by window, of all rounds */
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

/* -- waiting ---------------------------------------------------------------------------------- */

/* Until another window than `open` is open. */
static void wait_for_change(uint32_t open, unsigned *spins)
{
    if ((*spins)++ < SPINS) {
        relax();
        return;
    }
    atomic_fetch_add(&gate.open_waiters, 1);
    sleep_at(&gate.open, open); /* returns at once if it moved */
    atomic_fetch_sub(&gate.open_waiters, 1);
}

/* What was done in earlier windows is seen behind it. */
static uint32_t read_open(void)
{
    /* acquire: pairs with the store in open_next */
    return atomic_load_explicit(&gate.open, memory_order_acquire);
}

/* Until a window is open that the thread has a part in and did not begin yet. It may have been told
 * of it before. */
static void wait_for_part(struct runner *runner)
{
    uint32_t done = runner->done;
    for (unsigned spins = 0;;) {
        uint32_t open = read_open();
        uint32_t turn = atomic_load_explicit(&runner->turn, memory_order_relaxed);
        if (turn > done && turn <= open + 1)
            break;
        wait_for_change(open, &spins);
    }
    runner->done = atomic_load_explicit(&runner->turn, memory_order_relaxed);
}

/* -- threads ---------------------------------------------------------------------------------- */

static void run_thread(struct runner *runner)
{
    wait_for_part(runner);
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

/* Tells all that have a part in the window what it is. Nobody is in one. */
static void deal_parts(uint32_t window)
{
    const struct program_part *parts = stream_read(window);
    uint32_t count = child.windows[window].participants;
    for (uint32_t copy = 0; copy < child.copies; copy++) {
        struct runner *runners = &gate.runners[(size_t)copy * child.program->threads];
        for (uint32_t i = 0; i < count; i++) {
            struct runner *runner = &runners[parts[i].thread];
            runner->part = child.words + parts[i].first_word;
            atomic_store_explicit(&runner->turn, window + 1, memory_order_relaxed);
        }
    }
    atomic_store(&gate.remaining, count * child.copies);
}

static void *map(size_t bytes)
{
    void *start = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (start == MAP_FAILED)
        child_fail("no memory for %zu threads", child.runners);
    return start;
}

void gate_init(void)
{
    gate.runners = map(child.runners * sizeof(*gate.runners));
    gate.least_cpu_ns = map(child.program->windows * sizeof(*gate.least_cpu_ns));
    for (uint32_t window = 0; window < child.program->windows; window++)
        gate.least_cpu_ns[window] = UINT64_MAX;
}

static struct runner make_runner(uint32_t copy, uint32_t thread)
{
    size_t index = (size_t)copy * child.program->threads + thread;
    return (struct runner){.child = &child,
                           .slots = child.slots + copy * child.program->slots,
                           .txns = child.txns != NULL ? child.txns + copy * child.program->txn_slots
                                                      : NULL,
                           .copy = copy,
                           .thread = thread,
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
    deal_parts(0);
    gate.begun_ns = clock_ns();
    gate.begun_cpu_ns = gate.opened_cpu_ns = clock_cpu_ns();
    gate.paused_ns = gate.paused_cpu_ns = 0;
    for (uint32_t copy = 1; copy < child.copies; copy++)
        spawn(copy, 0);
    spawn_with(0);
    wait_for_part(&gate.runners[0]); /* open it is */
    return &gate.runners[0];
}

/* -- windows ---------------------------------------------------------------------------------- */

static void check_live(uint32_t window)
{
    int64_t live = atomic_load(&gate.live);
    int64_t wanted = (int64_t)child.windows[window].live_bytes * child.copies;
    if (live != wanted)
        child_fail("at the end of window %u %lld bytes are asked for, recorded were %lld", window,
                   (long long)live, (long long)wanted);
}

static void note_cpu(uint32_t window, uint64_t cpu_ns)
{
    uint64_t taken = cpu_ns - gate.opened_cpu_ns, *least = &gate.least_cpu_ns[window];
    *least = taken < *least ? taken : *least;
}

/* Ends it, and those behind it that nobody has a part in; returns the next one. */
static uint32_t end_window(uint32_t window)
{
    do {
        check_live(window);
        resident_sample(window, child.windows[window].live_bytes * child.copies);
        child.result->windows_done++;
        window++;
    } while (window < child.program->windows && child.windows[window].participants == 0);
    return window;
}

/* All threads are done with the open window: nobody runs but the caller, in time that does not
 * count. */
static void open_next(void)
{
    uint64_t paused = clock_ns(), paused_cpu = clock_cpu_ns();
    note_cpu(atomic_load(&gate.open), paused_cpu);
    uint32_t window = end_window(atomic_load(&gate.open));
    bool is_over = window == child.program->windows;
    if (!is_over)
        deal_parts(window);
    gate.paused_ns += clock_ns() - paused;
    gate.opened_cpu_ns = clock_cpu_ns();
    gate.paused_cpu_ns += gate.opened_cpu_ns - paused_cpu;
    if (is_over) {
        child.result->wall_ns += clock_ns() - gate.begun_ns - gate.paused_ns;
        child.result->cpu_ns += clock_cpu_ns() - gate.begun_cpu_ns - gate.paused_cpu_ns;
    } else {
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

const uint64_t *gate_pass(struct runner *runner)
{
    leave_window(runner);
    wait_for_part(runner);
    return runner->part;
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
    unsigned spins = 0;
    for (uint32_t open = read_open(); open < child.program->windows; open = read_open())
        wait_for_change(open, &spins);
    child.result->cpu_least_ns = 0;
    for (uint32_t window = 0; window < child.program->windows; window++) {
        if (gate.least_cpu_ns[window] != UINT64_MAX) /* somebody has a part in it */
            child.result->cpu_least_ns += gate.least_cpu_ns[window];
    }
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
