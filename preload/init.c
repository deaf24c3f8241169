/* init.c - the library's life in a process: constructor, threads, forks, exit.
 *
 * The heap works before any of this (ld.so itself allocates first) and after all of it. The
 * constructor applies the options; nothing is ever torn down. */
#define _GNU_SOURCE
#include "preload/budget_slot.h"
#include "preload/init.h"
#include "preload/leaks.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "allocators/cold/cold.h"
#include "allocators/heap.h"
#include "allocators/mimalloc_heap.h"
#include "allocators/pressure/outlook.h"
#include "allocators/space.h"
#include "allocators/txn_chunk.h"
#include "preload/compression.h"
#include "preload/control_serve.h"
#include "preload/door.h"
#include "preload/entry.h"
#include "preload/failing.h"
#include "preload/latency.h"
#include "preload/mpress.h"
#include "preload/route.h"
#include "preload/signals.h"
#include "preload/summary.h"
#include "preload/traced_heap.h"
#include "preload/txn.h"
#include "preload/view.h"
#include "preload/watch.h"
#include "tracer/tracer.h"

static struct {
    struct conf conf; /* constant after the constructor */
    pthread_key_t exit_key;
    bool has_exit_key;
    bool is_ready;             /* the constructor ran */
    _Atomic bool is_switching; /* a trace is being started or stopped */
} init;

const struct conf *init_conf(void)
{
    return &init.conf;
}

/* -- threads ---------------------------------------------------------------------------------- */

/* Destructors of other keys may still come, and allocate: they are served without magazines. */
static void on_thread_exit(void *unused)
{
    (void)unused;
    budget_thread_ends();
    if (door_come_in()) {
        heap_thread_exit();
        door_go_out();
    }
    tracer_thread_exit();
}

static void on_thread_attach(void)
{
    budget_thread_begins();
    if (init.has_exit_key)
        pthread_setspecific(init.exit_key, (void *)1);
}

/* -- switching traces ------------------------------------------------------------------------- */

static bool begin_switch(void)
{
    return init.is_ready &&
           !atomic_exchange_explicit(&init.is_switching, true, memory_order_acquire);
}

static void end_switch(void)
{
    atomic_store_explicit(&init.is_switching, false, memory_order_release);
}

/* -- forks ------------------------------------------------------------------------------------ */

/* Where the kernel cannot wipe a page: such children go unnoticed. */
static struct init_mark no_mark = {true, true};
struct init_mark *init_mark = &no_mark;

static bool is_quiet(void)
{
    return atomic_load_explicit(&init_mark->is_quiet, memory_order_relaxed);
}

static void set_quiet(void)
{
    atomic_store_explicit(&init_mark->is_quiet, true, memory_order_relaxed);
}

void init_settle(void)
{
    if (!begin_switch())
        return; /* a later call will */
    set_quiet();
    door_settle();
    end_switch();
}

void init_fork_child(void)
{
    end_switch(); /* by whom vanished */
    init_mark->is_ours = true;
    set_quiet();
    uint32_t inside = hand.inside;
    hand.inside = 1; /* a signal handler must wait until all is whole again */
    if (tracer_is_on())
        latency_forget();
    tracer_fork_child(init.conf.trace_pid == 0);
    cold_fork_child();
    heap_fork_child();
    mimalloc_fork_child();
    failing_fork_child(&init.conf);
    control_fork_child();
    leaks_fork_child();
    if (door_is_shut())
        init_settle();
    hand.inside = inside;
    watch_fork_child();
}

void init_notice(uintptr_t caller)
{
    int error = errno;
    if (!init_mark->is_ours)
        init_fork_child();
    /* The child of a vfork runs on its parent's memory. */
    bool is_called = !is_quiet() && scavenge_is_in_own_process();
    if (is_called && control_is_asked())
        control_serve(caller);
    else if (is_called)
        init_settle(); /* it was cancelled */
    errno = error;
}

static void watch_forks(void)
{
    pthread_atfork(cold_hold, cold_release, init_fork_child);
    struct init_mark *mark = os_map_wiped_on_fork();
    if (mark == NULL)
        return;
    init_mark = mark;
    init_mark->is_ours = true;
    set_quiet();
}

/* -- start and end ---------------------------------------------------------------------------- */

static bool is_to_be_traced(const struct conf *conf)
{
    return conf->trace_pid == 0 || conf->trace_pid == (uint64_t)os_process_id();
}

static void note_last_signal(int number, int code, const void *address, const uintptr_t frame[3])
{
    const struct tracer_caller caller = {.ip = frame[0], .sp = frame[1], .bp = frame[2]};
    MP_CHECK(!txn_chunk_was_given(address), FAULT_TXN_BLOCK, address);
    if (tracer_is_on())
        tracer_signal(number, code, address, &caller);
}

static MP_RARE int start_trace(const struct conf *conf, const char *path, enum conf_trace mode)
{
    bool is_sampled = mode == CONF_TRACE_SAMPLE;
    struct tracer_options options = {
        .path = path,
        .address_shift = 4,
        .depth = mode == CONF_TRACE_EVENTS ? 0 : (unsigned)conf->trace_depth,
        .sample_period = is_sampled ? conf->trace_period : 0,
        .lane_bytes = mode == CONF_TRACE_FLIGHT ? conf->trace_flight : 0,
        .most_bytes = conf->trace_max_size,
        .drops = conf->trace_policy == CONF_POLICY_DROP,
        .near_from = space.base,
        .ordered_by_caller = !is_sampled && !route_is_mixed(),
        .looks_at_pages = conf->compression == CONF_COMPRESSION_OFF,
        .sample_heap = traced_heap_sample,
        .write_latency = latency_write,
    };
    options.classes_bytes = traced_heap_describe(&options.classes);
    latency_forget();
    door_set_view(is_sampled ? DOOR_SEES_SAMPLES : DOOR_SEES_ALL);
    int error = tracer_start(&options);
    if (error != 0)
        door_set_view(DOOR_SEES_LITTLE);
    else if (mode == CONF_TRACE_FLIGHT)
        os_signal_catch_last(note_last_signal);
    return error;
}

void init_watch_blocks(void)
{
    static _Atomic bool is_watching;
    if (init.conf.check && !atomic_exchange_explicit(&is_watching, true, memory_order_relaxed))
        os_signal_catch_last(note_last_signal);
}

int init_start_trace(const char *path, enum conf_trace mode)
{
    if (!begin_switch())
        return EBUSY;
    int error = EBUSY;
    if (!tracer_is_on())
        error = start_trace(&init.conf, path != NULL ? path : init.conf.trace_file, mode);
    end_switch();
    return error;
}

int init_stop_trace(void)
{
    if (!begin_switch())
        return EBUSY;
    bool was_on = tracer_is_on();
    tracer_stop(TRACE_END_STOPPED);
    door_set_view(DOOR_SEES_LITTLE);
    end_switch();
    return was_on ? 0 : ENOENT;
}

/* A program with a malloc of its own in the executable keeps it: then all calls but those of
 * libraries opened apart go there, and there is nothing for us to do. */
static bool is_interposed(void)
{
    return dlsym(RTLD_DEFAULT, "malloc") != (void *)(uintptr_t)malloc;
}

__attribute__((constructor(101))) static void start(void)
{
    conf_init(&init.conf);
    conf_read(&init.conf, os_is_secure() ? NULL : os_environ());
    if (init.conf.trace == CONF_TRACE_COUNTERS)
        init.conf.trace = CONF_TRACE_OFF;
    heap_init(&init.conf);
    if (init.conf.compression != CONF_COMPRESSION_OFF)
        compression_init(&init.conf);
    outlook_init(init.conf.forecast);
    if (!heap_has_profile())
        strcpy(init.conf.profile, "none"); /* who asks for the options is told what holds */
    init.has_exit_key = pthread_key_create(&init.exit_key, on_thread_exit) == 0;
    heap_on_attach(on_thread_attach);
    on_thread_attach();
    if (is_interposed())
        return;
    watch_forks();
    route_init((enum conf_heap)init.conf.heap);
    door_init();
    txn_trace_init();
    if (init.conf.stats)
        summary_keep_stderr();
    if (init.conf.check) {
        door_set_checked();
        txn_chunk_set_checked();
    }
    if (init.conf.trace != CONF_TRACE_OFF && is_to_be_traced(&init.conf))
        (void)start_trace(&init.conf, init.conf.trace_file, (enum conf_trace)init.conf.trace);
    failing_init(&init.conf); /* behind what the tracer itself asks for */
    if (failing_is_on())
        door_set_view(view());
    init.is_ready = true;
    watch_init(&init.conf);
    signals_init(&init.conf);
    control_init();
}

static void end(int status, void *unused)
{
    (void)status, (void)unused;
    bool is_elsewhere = init.conf.trace != CONF_TRACE_OFF && !tracer_is_on();
    if (init.conf.leaks && !is_elsewhere) /* else another process is meant, or the disk is full */
        leaks_look_at_exit();
    if (init.conf.stats)
        summary_say();
    watch_exit();
    if (tracer_is_on())
        tracer_stop(TRACE_END_EXIT);
}

/* Other libraries' destructors free blocks too, most of them after this one: all destructors run
 * within one exit handler (_dl_fini), and a handler registered meanwhile is called behind it. */
__attribute__((destructor(101))) static void finish(void)
{
    if (init.is_ready && on_exit(end, NULL) != 0)
        end(0, NULL);
}

/* What the tracer learned about the addresses of a library must go with it. */
EXPORTED int dlclose(void *library)
{
    static int (*real)(void *);
    if (real == NULL) {
        void *next = dlsym(RTLD_NEXT, "dlclose");
        memcpy(&real, &next, sizeof(real));
    }
    int result = real(library);
    if (tracer_is_on())
        tracer_module_unloaded();
    return result;
}
