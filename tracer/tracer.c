/* tracer.c - the life of a trace: start, samples, marks, forks, the end. */
#include "tracer/tracer.h"

#include <errno.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "tracer/dump.h"
#include "tracer/file.h"
#include "tracer/info.h"
#include "tracer/lane.h"
#include "tracer/learn.h"
#include "tracer/modules.h"
#include "tracer/plain.h"
#include "tracer/recorder.h"
#include "tracer/samples.h"
#include "tracer/stacks.h"
#include "tracer/thread.h"
#include "tracer/turn.h"
#include "tracer/unwind.h"
#include "tracer/unwritten.h"

#define TRACER_LIBRARY "mpress " TRACER_VERSION

enum {
    TRACER_DEPTH_MOST = 256,
};

_Thread_local struct thread thread_self;
struct recorder recorder;

bool tracer_is_on(void)
{
    uint32_t phase = atomic_load_explicit(&recorder.phase, memory_order_relaxed);
    return phase != RECORDER_OFF;
}

bool tracer_is_inside(void)
{
    return thread_is_busy();
}

const char *tracer_path(void)
{
    return file_path();
}

/* -- start ------------------------------------------------------------------------------------ */

static int open_trace(bool forked)
{
    struct trace_header header = {
        .address_shift = recorder.address_shift,
        .has_stacks = recorder.depth != 0,
        .sample_period = recorder.sample_period,
        .near_units = recorder.near_from >> recorder.address_shift,
        .lane_blocks_most = recorder.lane_blocks_most,
        .blocks_most = recorder.blocks_most,
        .pid = (uint64_t)os_process_id(),
        .parent_pid = (uint64_t)os_parent_id(),
        .start_wall_ns = os_wall_ns(),
        .start_ns = os_time_ns(),
        .forked = forked,
        .process_start = os_process_start(),
        .forked_ns = recorder.forked_ns,
        .parent_trace_ns = recorder.parent_trace_ns,
        .library = TRACER_LIBRARY,
    };
    int error = file_create(&header, recorder.drops);
    if (error != 0)
        return error;
    recorder.start_ns = header.start_ns;
    bool ready = info_create() && info_write_classes(recorder.classes, recorder.classes_bytes) &&
                 stacks_create() && modules_write();
    if (ready)
        return 0;
    error = file_error() != 0 ? file_error() : ENOMEM;
    say("no trace: %s: %s", file_path(), os_error_text(error));
    file_close();
    return error;
}

/* What one reading of the clock takes, at best. */
static uint64_t measure_clock(void)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 16; i++) {
        uint64_t before = os_time_ns();
        uint64_t took = os_time_ns() - before;
        least = took < least ? took : least;
    }
    return least;
}

/* The transactions that are open now are not in what is recorded from now on. */
static void forget_txns(void)
{
    uint64_t txns = atomic_load_explicit(&recorder.txns, memory_order_relaxed);
    atomic_store_explicit(&recorder.older_txns, txns, memory_order_relaxed);
}

/* What an earlier trace left. A thread that was about to write to its lane has the number of its
 * trace compared once more behind the barrier, or is seen there and its lane left alone. */
static void begin_anew(void)
{
    forget_txns();
    if (atomic_fetch_add_explicit(&recorder.trace, 1, memory_order_relaxed) == 0)
        return;
    os_barrier(); /* pairs with the order of stores in turn_begin (turn.h) */
    lane_retire_all();
    stacks_forget();
    modules_forget();
    unwritten_begin();
    atomic_store_explicit(&recorder.is_shared, false, memory_order_relaxed);
    samples_forget();
    atomic_store_explicit(&recorder.epoch, 0, memory_order_relaxed);
    atomic_store_explicit(&recorder.lost, 0, memory_order_relaxed);
    atomic_store_explicit(&recorder.drop_is_said, false, memory_order_relaxed);
    atomic_store_explicit(&recorder.sampled_ns, 0, memory_order_relaxed);
}

static bool can_unwind(void)
{
    static enum { NOT_TRIED, CAN, CANNOT } answer; /* one caller at a time */
    if (answer == NOT_TRIED)
        answer = unwind_init() ? CAN : CANNOT;
    return answer == CAN;
}

/* The whole blocks of a limit, two at least; 0: none. */
static uint32_t blocks_of(uint64_t bytes)
{
    uint64_t blocks = bytes / TRACE_BLOCK_BYTES;
    if (bytes == 0 || blocks >= UINT32_MAX)
        return 0;
    return blocks > 2 ? (uint32_t)blocks : 2;
}

static void set_limits(const struct tracer_options *options)
{
    recorder.drops = options->drops;
    recorder.lane_blocks_most = blocks_of(options->lane_bytes);
    recorder.blocks_most = 0;
    if (options->most_bytes > TRACE_HEADER_BYTES)
        recorder.blocks_most = blocks_of(options->most_bytes - TRACE_HEADER_BYTES);
}

static int start(const struct tracer_options *options)
{
    int error = file_set_path(options->path);
    if (error != 0) {
        say("no trace: the path is too long: %s", options->path);
        return error;
    }
    begin_anew();
    set_limits(options);
    recorder.address_shift = options->address_shift;
    recorder.ordered_by_caller = options->ordered_by_caller;
    recorder.sample_period = options->sample_period;
    recorder.sample_heap = options->sample_heap;
    recorder.write_latency = options->write_latency;
    recorder.classes = options->classes;
    recorder.classes_bytes = options->classes_bytes;
    recorder.looks_at_pages = options->looks_at_pages;
    recorder.clock_ns = measure_clock();
    recorder.depth = options->depth < TRACER_DEPTH_MOST ? options->depth : TRACER_DEPTH_MOST;
    if (recorder.depth != 0 && !can_unwind())
        recorder.depth = 0;
    recorder.near_from = options->near_from;
    recorder.is_plain = recorder.depth == 0 && recorder.ordered_by_caller &&
                        options->near_from != 0 && options->address_shift == PLAIN_SHIFT;
    modules_refresh();
    error = open_trace(false);
    if (error != 0)
        return error;
    (void)samples_take(os_time_ns());
    /* release: pairs with the acquire in recorder_is_on */
    atomic_store_explicit(&recorder.phase, RECORDER_ON, memory_order_release);
    return 0;
}

int tracer_start(const struct tracer_options *options)
{
    MP_ASSERT(options->address_shift == 3 || options->address_shift == 4);
    if (tracer_is_on() || !thread_begin_busy())
        return EBUSY;
    int error = start(options);
    thread_end_busy();
    return error;
}

/* -- samples and marks ------------------------------------------------------------------------ */

/* For what any thread may ask at any time: busy, on, and in no lane. */
static bool begin_aside(void)
{
    if (!recorder_is_on() || !thread_begin_busy())
        return false;
    if (recorder_is_on())
        return true;
    thread_end_busy();
    return false;
}

static void end_aside(bool written)
{
    if (!written)
        recorder_fail(NULL);
    thread_end_busy();
}

void tracer_mark(const char *label)
{
    if (!begin_aside())
        return;
    /* the thread's events before the mark are told from those behind it */
    uint64_t now = os_time_ns();
    end_aside(turn_write_time(now) && info_write_mark(label, now) && modules_write_if_due() &&
              samples_take_at_mark(os_time_ns()));
}

void tracer_visit_memory(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context)
{
    unwind_visit_memory(visit, context);
}

const void *tracer_block(void)
{
    return learn_block();
}

void tracer_write_lost(const unsigned char *entries, size_t bytes)
{
    if (begin_aside())
        end_aside(info_write_lost(entries, bytes));
}

void tracer_write_leaks(const struct trace_leaks *leaks)
{
    if (begin_aside())
        end_aside(info_write_leaks(leaks));
}

void tracer_pressure(const struct trace_pressure *pressure)
{
    if (begin_aside())
        end_aside(info_write_pressure(pressure));
}

void tracer_write_latency(const unsigned char *payload, size_t bytes)
{
    (void)info_write_latency(payload, bytes); /* a full disk is met by the next event */
}

void tracer_sample(void)
{
    if (!begin_aside())
        return;
    uint64_t now = os_time_ns();
    atomic_store_explicit(&recorder.sampled_ns, now, memory_order_relaxed);
    end_aside(samples_take(now));
}

void tracer_sample_late(void)
{
    if (!thread_self.sample_waits || !begin_aside())
        return;
    thread_self.sample_waits = false;
    end_aside(samples_take_if_due(os_time_ns()));
}

void tracer_signal(int number, int code, const void *address, const struct tracer_caller *caller)
{
    bool is_aside = begin_aside();
    if (!is_aside && !recorder_is_on())
        return;
    struct trace_signal signal = {.time_ns = os_time_ns(),
                                  .address = (uintptr_t)address,
                                  .number = number,
                                  .code = code,
                                  .tid = (uint32_t)os_thread_id()};
    bool has_stacks = recorder.depth != 0 && recorder_has_lane();
    if (!is_aside) { /* an overflow of the stack, mostly: ours is deeper than the program's */
        signal.stack = has_stacks ? unwind_last(thread_self.lane) : 0;
        info_write_signal_within(&signal);
        return;
    }
    if (has_stacks)
        (void)unwind(thread_self.lane, caller, recorder.depth, &signal.stack);
    end_aside(info_write_signal(&signal));
}

int tracer_dump(const char *name)
{
    if (!begin_aside())
        return tracer_is_on() ? EBUSY : ENOENT;
    /* acq_rel: as in turn_draw */
    uint64_t epoch = atomic_fetch_add_explicit(&recorder.epoch, 1, memory_order_acq_rel) + 1;
    int error = dump_write(name, epoch);
    thread_end_busy();
    return error;
}

void tracer_module_unloaded(void)
{
    if (!begin_aside())
        return;
    unwind_forget_code();
    end_aside(modules_refresh());
}

/* -- the end ---------------------------------------------------------------------------------- */

/* Waits until the lane's writer is between two events. False: it stays in the middle of one. */
static bool is_at_rest(const struct lane *lane)
{
    uint64_t start = os_time_ns();
    /* acquire: pairs with the release in turn_end: what the event wrote is there */
    while (atomic_load_explicit(&lane->writing, memory_order_acquire) != 0) {
        if (os_time_ns() - start > RECORDER_PATIENCE_NS)
            return false;
        os_yield();
    }
    return true;
}

static void add_lane(struct trace_costs *costs, struct trace_end *end, const struct lane *lane)
{
    end->lanes += lane->sequence != 0;
    if (!trace_lane_has_events(lane->number))
        return;
    end->events += lane->events;
    end->dropped += lane->dropped;
    end->dropped += atomic_load_explicit(&lane->missed, memory_order_relaxed); /* without room */
    end->overhead_ns += lane->overhead_ns;
    costs->walks += lane->walks;
    costs->proven += lane->proven;
    costs->stepped += lane->stepped;
    costs->mappings += lane->mappings;
}

/* The thread that had it ended, and what it wrote was written over since (lane.c, close_unused). */
static void add_gone(struct trace_end *end, const struct lane *lane)
{
    if (!file_is_ring() || lane->events == 0 || lane->block.start != NULL ||
        file_has_blocks_of(lane->number))
        return;
    end->gone_events += lane->events;
    if (lane->time_ns > end->gone_ns)
        end->gone_ns = lane->time_ns;
}

/* A lane whose writer does not come to rest (it was stopped, or is what we interrupted) stays open:
 * the reader finds its end by itself. */
static void finish_lane(struct trace_costs *costs, struct trace_end *end, struct lane *lane,
                        const struct lane *self)
{
    if (trace_lane_has_events(lane->number) && (lane == self || is_at_rest(lane))) {
        turn_write_missed(lane);
        add_gone(end, lane);
        lane_finish(lane);
    }
    add_lane(costs, end, lane);
}

/* No turn begins any more, whose end is not waited for. A thread that stores lane->fast looks at
 * the phase behind it: all that saw it on have stored theirs at the first barrier, and what we
 * store then is seen from the second one on. */
static void end_turns(void)
{
    os_barrier();
    for (struct lane *lane = lane_newest(); lane != NULL; lane = lane->next)
        atomic_store_explicit(&lane->fast, NULL, memory_order_relaxed);
    os_barrier();
}

static void finish(enum trace_end_reason reason, const struct lane *self)
{
    struct trace_end end = {.reason = reason};
    struct trace_costs costs = {0};
    samples_count(&costs);
    unwind_count(&costs);
    end_turns();
    for (struct lane *lane = lane_newest(); lane != NULL; lane = lane->next)
        finish_lane(&costs, &end, lane, self);
    stacks_finish();
    end.nodes = stacks_count();
    end.blocks = file_blocks();
    end.dropped += atomic_load_explicit(&recorder.lost, memory_order_relaxed);
    end.time_ns = os_time_ns();
    if (info_finish(&costs, &end))
        file_close();
}

static bool turn_off(void)
{
    return atomic_exchange_explicit(&recorder.phase, RECORDER_OFF, memory_order_acq_rel) ==
           RECORDER_ON;
}

static void say_drops(void)
{
    if (!atomic_exchange_explicit(&recorder.drop_is_said, true, memory_order_relaxed))
        say("events are dropped until there is room, the program goes on: %s cannot grow: %s",
            file_path(), os_error_text(file_full()));
}

void recorder_fail(struct lane *self)
{
    MP_ASSERT(thread_self.busy);
    if (file_error() == 0 && file_full() != 0) {
        say_drops();
        return;
    }
    if (self != NULL && !recorder_has_lane())
        return; /* of an earlier trace */
    if (!turn_off())
        return;
    int error = file_error();
    if (error == 0)
        return; /* the file is our parent's */
    say("the trace ends here, the program goes on: %s cannot grow: %s", file_path(),
        os_error_text(error));
    finish(TRACE_END_DISK, self);
}

/* Called inside a signal handler that interrupted the tracer, what it was at stays as it is. */
void tracer_stop(enum trace_end_reason reason)
{
    bool is_nested = !thread_begin_busy();
    if (recorder_is_on() && !is_nested)
        (void)(samples_take_with_areas(os_time_ns(), TRACE_AREAS_END) && unwritten_finish());
    if (turn_off())
        finish(reason, NULL);
    if (!is_nested)
        thread_end_busy();
}

void tracer_dropped(void)
{
    atomic_fetch_add_explicit(&recorder.lost, 1, memory_order_relaxed);
}

/* -- fork ------------------------------------------------------------------------------------- */

/* The parent's blocks stay mapped, untouched: they cost nothing. Its lanes read as zeros now. */
void tracer_fork_child(bool follow)
{
    uint32_t phase = atomic_load_explicit(&recorder.phase, memory_order_relaxed);
    if (atomic_load_explicit(&recorder.trace, memory_order_relaxed) == 0)
        return; /* there never was one */
    thread_self.lane = NULL;
    thread_self.sync_missed = false;
    file_abandon();
    dump_abandon();
    info_abandon();
    stacks_abandon();
    modules_abandon();
    samples_forget();
    unwritten_abandon();
    unwind_abandon();
    lane_abandon_all();
    forget_txns();
    atomic_store_explicit(&recorder.is_shared, false, memory_order_relaxed);
    atomic_store_explicit(&recorder.epoch, 0, memory_order_relaxed);
    atomic_store_explicit(&recorder.lost, 0, memory_order_relaxed);
    recorder.forked_ns = os_time_ns();
    if (recorder.start_ns != 0) /* else nobody opened a file between that fork and this one */
        recorder.parent_trace_ns = recorder.start_ns;
    recorder.start_ns = 0;
    bool goes_on = phase != RECORDER_OFF && follow && !thread_is_busy();
    atomic_store_explicit(&recorder.phase, goes_on ? RECORDER_PENDING : RECORDER_OFF,
                          memory_order_relaxed);
}

bool recorder_open_pending(void)
{
    MP_ASSERT(thread_self.busy);
    uint32_t phase = RECORDER_PENDING;
    if (!atomic_compare_exchange_strong_explicit(&recorder.phase, &phase, RECORDER_OPENING,
                                                 memory_order_relaxed, memory_order_relaxed))
        return false;
    bool opened = open_trace(true) == 0;
    atomic_store_explicit(&recorder.phase, opened ? RECORDER_ON : RECORDER_OFF,
                          memory_order_release);
    return opened;
}
