/* events.c - the records of event lanes: what happens between a call of the slow door and the bytes
 * in the file. The encoding is format.h's; the state it needs is in struct lane.
 *
 * Every event: enter (busy, lane, clock) - the stack - room - fields - first byte - leave. */
#include "tracer/tracer.h"

#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "tracer/births.h"
#include "tracer/encode.h"
#include "tracer/epoch.h"
#include "tracer/lane.h"
#include "tracer/recorder.h"
#include "tracer/samples.h"
#include "tracer/thread.h"
#include "tracer/unwind.h"

enum {
    EVENTS_TICKS_TIMED = 16, /* one of so many events that read the clock is timed to its end */
    EVENTS_TIMED_MOST_NS = 20000, /* what takes longer was not on the processor all the time */
};

/* -- small records ---------------------------------------------------------------------------- */

static unsigned first_byte(unsigned op, unsigned argument)
{
    MP_ASSERT(op >= TRACE_ALLOC && op <= TRACE_OTHER && argument < 32);
    return op | argument << 3;
}

/* Room for a record of ops 1..6; false: the disk is full. */
static inline bool have_room(struct lane *lane)
{
    return MP_LIKELY(lane_has_room(lane)) || lane_renew(lane);
}

static bool write_sync(struct lane *lane)
{
    if (!have_room(lane))
        return false;
    /* acq_rel: an object given away before one draw and taken before a later one passes between
     * them through memory that the heap orders; the numbers must be ordered alike */
    uint64_t epoch = atomic_fetch_add_explicit(&recorder.epoch, 1, memory_order_acq_rel) + 1;
    MP_ASSERT(epoch > lane->epoch);
    unsigned char *end = trace_put_uvarint(lane->at + 1, epoch - lane->epoch);
    lane->epoch = epoch;
    lane_commit(lane, first_byte(TRACE_SYNC, 0), end);
    return true;
}

static inline bool draw_if(struct lane *lane, bool is_due)
{
    return !is_due || write_sync(lane);
}

static void put_dropped(struct lane *lane, uint64_t count)
{
    unsigned char number[10];
    size_t bytes = (size_t)(trace_put_uvarint(number, count) - number);
    unsigned char *end = trace_put_uvarint(lane->at + 1, bytes);
    memcpy(end, number, bytes);
    lane->dropped += count;
    lane_commit(lane, first_byte(TRACE_OTHER, TRACE_DROPPED), end + bytes);
}

static bool write_missed(struct lane *lane)
{
    if (!have_room(lane))
        return false;
    uint32_t count = atomic_exchange_explicit(&lane->missed, 0, memory_order_relaxed);
    if (count != 0)
        put_dropped(lane, count);
    bool is_due = thread_self.sync_missed;
    thread_self.sync_missed = false;
    if (draw_if(lane, is_due && epoch_is_due()))
        return true;
    thread_self.sync_missed = true;
    return false;
}

void events_write_missed(struct lane *lane)
{
    if (lane->block.start != NULL && lane_has_room(lane))
        (void)write_missed(lane);
}

/* -- threads ---------------------------------------------------------------------------------- */

/* Marks the lane as being written. tracer_stop stores the phase, passes a barrier through every
 * thread and then reads the mark: either it sees the 1 or we see the phase, behind this. No barrier
 * is needed here. A lane of an earlier trace may be marked: nobody looks at it any more. */
static inline void begin_writing(struct lane *lane)
{
    atomic_store_explicit(&lane->writing, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

static bool write_name(struct lane *lane)
{
    char name[OS_THREAD_NAME_BYTES];
    os_thread_name(name);
    size_t length = strlen(name);
    if (length == 0 || strncmp(name, lane->name, sizeof(name)) == 0)
        return true;
    if (!have_room(lane))
        return false;
    memcpy(lane->name, name, sizeof(name));
    unsigned char *end = trace_put_uvarint(lane->at + 1, length);
    memcpy(end, name, length);
    lane_commit(lane, first_byte(TRACE_THREAD, TRACE_THREAD_NAME), end + length);
    return true;
}

bool events_begin_thread(struct lane *lane)
{
    lane->name[0] = '\0';
    lane->tid = 0;
    atomic_store_explicit(&lane->stack, (uintptr_t)__builtin_frame_address(0),
                          memory_order_relaxed);
    if (!lane_write_time(lane, os_time_ns()) || !have_room(lane))
        return false;
    uint32_t tid = (uint32_t)os_thread_id();
    unsigned char *end = trace_put_uvarint(lane->at + 1, tid);
    lane_commit(lane, first_byte(TRACE_THREAD, TRACE_THREAD_START), end);
    lane->tid = tid;
    lane->until_tick = recorder.events_per_tick;
    (void)write_name(lane); /* without room the next event will say so */
    return true;
}

void events_end_thread(struct lane *lane)
{
    atomic_store_explicit(&lane->stack, 0, memory_order_relaxed);
    if (write_missed(lane) && write_name(lane) && lane_write_time(lane, os_time_ns()) &&
        have_room(lane))
        lane_commit(lane, first_byte(TRACE_THREAD, TRACE_THREAD_END), lane->at + 1);
    else
        recorder_fail(lane);
}

static void give_back(struct lane *lane)
{
    thread_self.lane = NULL;
    atomic_store_explicit(&lane->writing, 0, memory_order_release);
    lane_put(lane);
}

/* A lane of the trace that runs, marked as being written; NULL: no memory, or none runs. Between
 * taking it and marking it another trace may begin, which then retires it: the number is read from
 * the lane itself, behind the mark. */
static struct lane *take_lane(void)
{
    struct lane *lane;
    while ((lane = lane_get()) != NULL) {
        begin_writing(lane);
        thread_self.lane = lane;
        thread_self.trace = lane->trace;
        if (recorder_has_lane())
            return lane;
        give_back(lane);
        if (!recorder_is_on())
            return NULL;
    }
    return NULL;
}

static bool begin_lane(struct lane *lane)
{
    /* what it took before it had a lane arrives now */
    thread_self.sync_missed = true;
    if (lane->number > TRACE_LANE_EVENTS)
        atomic_store_explicit(&recorder.is_shared, true, memory_order_relaxed);
    walk_forget(lane->walk);
    return recorder_is_on() && events_begin_thread(lane);
}

static struct lane *begin_thread(void)
{
    struct lane *lane = take_lane();
    if (lane != NULL && begin_lane(lane))
        return lane;
    if (recorder_is_on() && (lane == NULL || recorder_has_lane())) {
        atomic_fetch_add_explicit(&recorder.lost, 1, memory_order_relaxed);
        if (lane != NULL)
            recorder_fail(lane);
    }
    if (lane != NULL)
        give_back(lane);
    return NULL;
}

/* -- entering and leaving --------------------------------------------------------------------- */

/* An event of a signal handler that interrupted the tracer: the place it would have is taken. */
static void count_missed(void)
{
    if (!recorder_is_on())
        return;
    struct lane *lane = thread_self.lane;
    if (recorder_has_lane())
        atomic_fetch_add_explicit(&lane->missed, 1, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&recorder.lost, 1, memory_order_relaxed);
}

static void leave(struct lane *lane)
{
    /* release: tracer_stop reads the lane once it sees the zero */
    atomic_store_explicit(&lane->writing, 0, memory_order_release);
    thread_end_busy();
}

static void leave_lost(struct lane *lane)
{
    atomic_fetch_add_explicit(&lane->missed, 1, memory_order_relaxed);
    recorder_fail(lane);
    leave(lane);
}

/* The event is there, its epoch is not. */
static void leave_unsynced(struct lane *lane)
{
    thread_self.sync_missed = true;
    recorder_fail(lane);
    leave(lane);
}

static bool tick(struct lane *lane)
{
    lane->until_tick = recorder.events_per_tick;
    uint64_t now = os_time_ns();
    lane->ticks++;
    lane->is_timed = lane->ticks - lane->timed >= EVENTS_TICKS_TIMED || samples_are_due(now);
    /* the draw: segments are short, and so no lane runs far ahead of another in the reader */
    return lane_write_time(lane, now) && draw_if(lane, epoch_is_due());
}

static inline bool is_up_to_date(const struct lane *lane)
{
    return recorder_is_on() && recorder_has_lane() && lane_has_room(lane) &&
           lane->until_tick != 0 && !thread_self.sync_missed &&
           atomic_load_explicit(&lane->missed, memory_order_relaxed) == 0;
}

/* What is rare before an event: a thread without a lane of this trace (in a forked child, before
 * there is a file), or something that is due. Busy. */
static __attribute__((noinline)) struct lane *enter_late(struct lane *lane, bool is_event)
{
    if (!recorder_has_lane()) {
        if (lane != NULL)
            atomic_store_explicit(&lane->writing, 0, memory_order_release);
        lane = recorder_is_on() || recorder_open_pending() ? begin_thread() : NULL;
        if (lane == NULL) {
            thread_end_busy();
            return NULL;
        }
    }
    if (!recorder_is_on() || !recorder_has_lane()) {
        leave(lane); /* the trace ended, another may have begun */
    } else if (have_room(lane) && (lane->until_tick != 0 || tick(lane)) && write_missed(lane)) {
        lane->until_tick--;
        return lane;
    } else if (is_event) {
        leave_lost(lane);
    } else {
        leave_unsynced(lane);
    }
    return NULL;
}

/* The lane to write to, marked as being written; NULL: nothing is recorded, an event is counted. */
static inline __attribute__((always_inline)) struct lane *enter(bool is_event)
{
    if (MP_UNLIKELY(!thread_begin_busy())) {
        count_missed();
        return NULL;
    }
    struct lane *lane = thread_self.lane;
    if (MP_UNLIKELY(lane == NULL))
        return enter_late(NULL, is_event);
    begin_writing(lane);
    if (MP_UNLIKELY(!is_up_to_date(lane)))
        return enter_late(lane, is_event);
    lane->until_tick--;
    return lane;
}

/* After an event that was timed, the other things that are due now and then. */
static void finish_timed(struct lane *lane)
{
    lane->is_timed = false;
    uint64_t now = os_time_ns();
    uint64_t took = now - lane->time_ns;
    if (took > recorder.clock_ns && took < EVENTS_TIMED_MOST_NS)
        lane->overhead_ns +=
            (took - recorder.clock_ns) * recorder.events_per_tick * (lane->ticks - lane->timed);
    lane->timed = lane->ticks;
    if (!write_name(lane) || !samples_take_if_due(now))
        recorder_fail(lane);
}

static inline void leave_written(struct lane *lane)
{
    if (MP_UNLIKELY(lane->is_timed))
        finish_timed(lane);
    leave(lane);
}

/* -- allocations ------------------------------------------------------------------------------ */

/* The stack of the event; *written false: the disk is full. */
static inline uint32_t stack_of(struct lane *lane, const struct tracer_caller *caller,
                                bool *written)
{
    uint32_t id = 0;
    *written = recorder.depth == 0 || unwind(lane, caller, recorder.depth, &id);
    return id;
}

void tracer_alloc(const void *p, size_t asked, size_t alignment, unsigned bits,
                  const struct tracer_caller *caller)
{
    struct lane *lane = enter(true);
    if (lane == NULL) {
        births_note(encode_units(p), BIRTHS_NOBODY); /* a life that was not recorded is nobody's */
        return;
    }
    MP_ASSERT((bits & ~(unsigned)(TRACE_ZEROED | TRACE_CPP)) == 0);
    bool written;
    struct birth birth = {.units = encode_units(p), .size = asked, .argument = bits};
    birth.stack = stack_of(lane, caller, &written);
    if (alignment > 16) {
        birth.argument |= TRACE_ALIGNED;
        birth.alignment_log2 = (unsigned char)log2_floor(alignment);
    }
    if (!written || !draw_if(lane, epoch_is_due_at_birth()) || !have_room(lane)) {
        births_note(birth.units, BIRTHS_NOBODY);
        leave_lost(lane);
        return;
    }
    epoch_note_birth(lane, birth.units);
    unsigned char *end = encode_birth(lane, lane->at + 1, &birth);
    lane->events++;
    lane_commit(lane, first_byte(TRACE_ALLOC, birth.argument), end);
    leave_written(lane);
}

void tracer_free(const void *p)
{
    struct lane *lane = enter(true);
    if (lane == NULL)
        return;
    uint64_t units = encode_units(p);
    if (!draw_if(lane, epoch_is_due_at_death(lane, units)) || !have_room(lane)) {
        leave_lost(lane);
        return;
    }
    unsigned slot = trace_recent_slot(units);
    unsigned char *end = lane->at + 1;
    if (lane->recent[slot] != units) {
        slot = 0;
        end = encode_svarint(end, (int64_t)(units - lane->freed_at));
        lane->freed_at = units;
    }
    lane->events++;
    lane_commit(lane, first_byte(TRACE_FREE, slot), end);
    leave_written(lane);
}

void tracer_realloc(const void *old, const void *new, size_t asked,
                    const struct tracer_caller *caller)
{
    struct lane *lane = enter(true);
    if (lane == NULL) {
        births_note(encode_units(new), BIRTHS_NOBODY);
        return;
    }
    bool written;
    struct birth birth = {.units = encode_units(new), .size = asked};
    birth.stack = stack_of(lane, caller, &written);
    uint64_t old_units = encode_units(old);
    if (!written || !draw_if(lane, epoch_is_due_at_death(lane, old_units)) || !have_room(lane)) {
        births_note(birth.units, BIRTHS_NOBODY);
        leave_lost(lane);
        return;
    }
    if (old == new)
        birth.argument = TRACE_IN_PLACE;
    epoch_note_birth(lane, birth.units);
    unsigned char *end = encode_svarint(lane->at + 1, (int64_t)(old_units - lane->freed_at));
    lane->freed_at = old_units;
    end = encode_birth(lane, end, &birth);
    lane->events++;
    lane_commit(lane, first_byte(TRACE_REALLOC, birth.argument), end);
    leave_written(lane);
}

void tracer_failed(size_t asked, const struct tracer_caller *caller)
{
    struct lane *lane = enter(true);
    if (lane == NULL)
        return;
    bool written;
    uint32_t stack = stack_of(lane, caller, &written);
    if (!written || !have_room(lane)) {
        leave_lost(lane);
        return;
    }
    unsigned char fields[20];
    unsigned char *at = trace_put_uvarint(trace_put_uvarint(fields, stack), asked);
    size_t bytes = (size_t)(at - fields);
    unsigned char *end = trace_put_uvarint(lane->at + 1, bytes);
    memcpy(end, fields, bytes);
    lane->events++;
    lane_commit(lane, first_byte(TRACE_OTHER, TRACE_FAILED), end + bytes);
    leave_written(lane);
}

void events_write_aside(events_writer *write, const void *what, const struct tracer_caller *caller)
{
    struct lane *lane = thread_self.busy ? NULL : enter(true);
    if (lane == NULL)
        return;
    bool written = true;
    uint32_t stack = caller != NULL ? stack_of(lane, caller, &written) : 0;
    lane->mappings++;
    if (written && write(what, stack))
        leave_written(lane);
    else
        leave_lost(lane);
}

/* -- the rest --------------------------------------------------------------------------------- */

void tracer_sync(void)
{
    /* A thread without a lane has recorded no object that it could give away, and what it takes
     * may be put into order as late as at its first record. */
    if (thread_self.busy || !recorder_has_lane()) {
        thread_self.sync_missed = true;
        return;
    }
    if (!epoch_is_due())
        return;
    struct lane *lane = enter(false);
    if (lane == NULL)
        return;
    if (write_sync(lane))
        leave(lane);
    else
        leave_unsynced(lane);
}

void tracer_thread_exit(void)
{
    struct lane *lane = thread_self.lane;
    if (!recorder_has_lane() || !thread_begin_busy())
        return;
    begin_writing(lane);
    if (recorder_is_on())
        events_end_thread(lane);
    give_back(lane);
    thread_end_busy();
}
