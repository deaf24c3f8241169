/* turn.c - see turn.h. Here are the rare things: a thread's first and last records, the clock,
 * epochs, missed events. */
#include "tracer/turn.h"

#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "tracer/epoch.h"
#include "tracer/samples.h"
#include "tracer/tracer.h"
#include "tracer/unwind.h"

enum {
    TURN_TICKS_TIMED = 16,       /* behind one of so many events that read the clock */
    TURN_EVENTS_WARM = 4,        /* so many go the slow way, so that it is in the caches, */
    TURN_EVENTS_TIMED = 4,       /* and so many are timed: with and without stacks, mostly */
    TURN_CLOCK_TIMES = 4,        /* as long as at best it takes to read the clock, mostly */
    TURN_TIMED_MOST_NS = 20000,  /* what takes longer was not on the processor all the time */
    TURN_TICK_BYTES = 128,       /* records before the clock is read again, where little happens, */
    TURN_TICK_BUSY_BYTES = 512,  /* or much: it costs 25 ns, and mostly an epoch with it; */
    TURN_TICK_RUSH_BYTES = 4096, /* or nothing else, for long */
    TURN_BUSY_NS = 50000,        /* between two readings where much happens, */
    TURN_RUSH_NS = 3000,         /* or nothing else, for 512 bytes */
};

/* -- small records ---------------------------------------------------------------------------- */

bool turn_draw(struct lane *lane)
{
    if (!turn_have_room(lane))
        return false;
    /* acq_rel: an object given away before one draw and taken before a later one passes between
     * them through memory that the heap orders; the numbers must be ordered alike */
    uint64_t epoch = atomic_fetch_add_explicit(&recorder.epoch, 1, memory_order_acq_rel) + 1;
    MP_ASSERT(epoch > lane->epoch);
    unsigned char fields[10];
    const unsigned char *end = trace_put_uvarint(fields, epoch - lane->epoch);
    lane->epoch = epoch;
    lane_append(lane, turn_first_byte(TRACE_SYNC, 0), fields, end);
    return true;
}

static void put_dropped(struct lane *lane, uint64_t count)
{
    unsigned char fields[1 + 10];
    const unsigned char *end = trace_put_uvarint(fields + 1, count);
    fields[0] = (unsigned char)(end - fields - 1);
    lane->dropped += count;
    lane_append(lane, turn_first_byte(TRACE_OTHER, TRACE_DROPPED), fields, end);
}

static bool write_missed(struct lane *lane)
{
    if (!turn_have_room(lane))
        return false;
    uint32_t count = atomic_exchange_explicit(&lane->missed, 0, memory_order_relaxed);
    if (count != 0)
        put_dropped(lane, count);
    bool is_due = thread_self.sync_missed;
    thread_self.sync_missed = false;
    if (turn_draw_if(lane, is_due && epoch_is_due()))
        return true;
    thread_self.sync_missed = true;
    return false;
}

void turn_write_missed(struct lane *lane)
{
    if (lane->block.start != NULL && lane_has_room(lane))
        (void)write_missed(lane);
}

static void make_due(struct lane *lane)
{
    atomic_store_explicit(&lane->fast, NULL, memory_order_relaxed);
}

/* -- threads ---------------------------------------------------------------------------------- */

static bool write_name(struct lane *lane)
{
    char name[OS_THREAD_NAME_BYTES];
    os_thread_name(name);
    size_t length = strlen(name);
    if (length == 0 || strncmp(name, lane->name, sizeof(name)) == 0)
        return true;
    if (!turn_have_room(lane))
        return false;
    memcpy(lane->name, name, sizeof(name));
    unsigned char fields[1 + OS_THREAD_NAME_BYTES];
    fields[0] = (unsigned char)length;
    memcpy(fields + 1, name, length);
    lane_append(lane, turn_first_byte(TRACE_THREAD, TRACE_THREAD_NAME), fields,
                fields + 1 + length);
    return true;
}

static bool write_start(struct lane *lane)
{
    lane->name[0] = '\0';
    lane->tid = 0;
    atomic_store_explicit(&lane->stack, (uintptr_t)__builtin_frame_address(0),
                          memory_order_relaxed);
    if (!lane_write_time(lane, os_time_ns()) || !turn_have_room(lane))
        return false;
    uint32_t tid = (uint32_t)os_thread_id();
    unsigned char fields[10];
    const unsigned char *end = trace_put_uvarint(fields, tid);
    lane_append(lane, turn_first_byte(TRACE_THREAD, TRACE_THREAD_START), fields, end);
    lane->tid = tid;
    (void)write_name(lane); /* without room the next event will say so */
    return true;
}

static void write_end(struct lane *lane)
{
    static const unsigned char none[1];
    atomic_store_explicit(&lane->stack, 0, memory_order_relaxed);
    if (write_missed(lane) && write_name(lane) && lane_write_time(lane, os_time_ns()) &&
        turn_have_room(lane))
        lane_append(lane, turn_first_byte(TRACE_THREAD, TRACE_THREAD_END), none, none);
    else
        recorder_fail(lane);
}

static void give_back(struct lane *lane)
{
    thread_self.lane = NULL;
    make_due(lane);
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
        turn_mark(lane);
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
    return recorder_is_on() && write_start(lane);
}

static struct lane *begin_thread(void)
{
    struct lane *lane = take_lane();
    if (lane != NULL && begin_lane(lane)) {
        os_signal_give_stack();
        return lane;
    }
    if (recorder_is_on() && (lane == NULL || recorder_has_lane())) {
        atomic_fetch_add_explicit(&recorder.lost, 1, memory_order_relaxed);
        if (lane != NULL)
            recorder_fail(lane);
    }
    if (lane != NULL)
        give_back(lane);
    return NULL;
}

/* As a turn without an event. */
bool turn_write_time(uint64_t now_ns)
{
    struct lane *lane = thread_self.lane;
    if (!recorder_has_lane())
        return true;
    turn_mark(lane);
    bool is_written = !recorder_is_on() || lane_write_time(lane, now_ns);
    /* release: as in turn_end */
    atomic_store_explicit(&lane->writing, 0, memory_order_release);
    return is_written;
}

/* -- turns ------------------------------------------------------------------------------------ */

void turn_count_missed(void)
{
    if (!recorder_is_on())
        return;
    struct lane *lane = thread_self.lane;
    if (recorder_has_lane()) {
        atomic_fetch_add_explicit(&lane->missed, 1, memory_order_relaxed);
        make_due(lane);
    } else {
        atomic_fetch_add_explicit(&recorder.lost, 1, memory_order_relaxed);
    }
}

void turn_end_lost(struct lane *lane)
{
    atomic_fetch_add_explicit(&lane->missed, 1, memory_order_relaxed);
    make_due(lane);
    recorder_fail(lane);
    turn_end(lane);
}

void turn_end_unsynced(struct lane *lane)
{
    thread_self.sync_missed = true;
    make_due(lane);
    recorder_fail(lane);
    turn_end(lane);
}

/* By how long the last one took. Where nothing else happens for long each is twice the one before:
 * what comes behind a pause that nobody has seen yet is taken to be from before it. */
static uint32_t next_pace(const struct lane *lane, uint64_t took_ns)
{
    if (took_ns > TURN_BUSY_NS)
        return TURN_TICK_BYTES;
    bool is_rush = took_ns * TURN_TICK_BUSY_BYTES < (uint64_t)TURN_RUSH_NS * lane->pace;
    if (!is_rush || lane->pace < TURN_TICK_BUSY_BYTES)
        return TURN_TICK_BUSY_BYTES;
    return lane->pace < TURN_TICK_RUSH_BYTES ? 2 * lane->pace : TURN_TICK_RUSH_BYTES;
}

/* Reads the clock. The draw: segments are short, and so no lane runs far ahead of another in the
 * reader. */
static bool tick(struct lane *lane)
{
    uint64_t now = os_time_ns();
    lane->pace = next_pace(lane, now - lane->time_ns);
    lane->ticks++;
    lane->begun_ns = now;
    bool is_to_time = lane->to_time == 0 && lane->ticks - lane->timed.ticks >= TURN_TICKS_TIMED;
    if (is_to_time || samples_are_due(now))
        lane->to_time = 1 + TURN_EVENTS_WARM + TURN_EVENTS_TIMED;
    return lane_write_time(lane, now) && turn_draw_if(lane, epoch_is_due());
}

void turn_note_time(struct lane *lane, uint64_t *timed, uint64_t count, uint64_t took_ns)
{
    if (took_ns >= TURN_TIMED_MOST_NS)
        return;
    if (took_ns > lane->clock_ns && count > *timed)
        lane->overhead_ns += (took_ns - lane->clock_ns) * (count - *timed);
    *timed = count;
}

/* Reads the clock twice, so that what that takes is known as it is here and now: for short events
 * it is the greater part. */
static uint64_t read_clock(struct lane *lane)
{
    uint64_t before = os_time_ns();
    uint64_t now = os_time_ns();
    uint64_t most = TURN_CLOCK_TIMES * recorder.clock_ns; /* else it was interrupted */
    lane->clock_ns = now - before < most ? now - before : most;
    return now;
}

/* Behind what was due, in the event that read the clock or one of those behind it. */
static void begin_timed(struct lane *lane, bool has_ticked)
{
    if (has_ticked)
        turn_note_time(lane, &lane->timed.ticks, lane->ticks, os_time_ns() - lane->begun_ns);
    lane->begun_walks = lane->walks;
    lane->begun_searched = lane->searched;
    lane->begun_ns = lane->to_time <= TURN_EVENTS_TIMED ? read_clock(lane) : 0;
}

/* Each sample has its own time; each death of nobody's is foreign. */
static bool is_always_late(const struct lane *lane)
{
    return recorder.sample_period != 0 || lane->owner == BIRTHS_NOBODY;
}

/* Does what is due; false: the disk is full. Signal handlers may make more of it due at any time.
 */
static bool do_due(struct lane *lane)
{
    bool ticks = lane->to_time == 0 || is_always_late(lane);
    bool was_timing = lane->to_time != 0;
    if (!turn_have_room(lane) || (ticks && !tick(lane)))
        return false;
    do {
        if (!write_missed(lane) || !turn_have_room(lane))
            return false;
        size_t room = (size_t)(lane->limit - lane->at);
        unsigned char *fast = lane->at + (lane->pace < room ? lane->pace : room);
        if (is_always_late(lane) || lane->to_time > 1)
            fast = NULL;
        atomic_store_explicit(&lane->fast, fast, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
    } while (atomic_load_explicit(&lane->missed, memory_order_relaxed) != 0 ||
             thread_self.sync_missed);
    if (lane->to_time != 0)
        begin_timed(lane, !was_timing);
    return true;
}

static bool is_on_and_mine(struct lane *lane)
{
    if (recorder_is_on() && recorder_has_lane())
        return true;
    make_due(lane);
    turn_end(lane); /* the trace ended, another may have begun */
    return false;
}

struct lane *turn_begin_late(struct lane *lane, bool is_event)
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
    if (!is_on_and_mine(lane))
        return NULL;
    if (do_due(lane)) /* behind the store of lane->fast, for tracer_stop */
        return is_on_and_mine(lane) ? lane : NULL;
    if (is_event)
        turn_end_lost(lane);
    else
        turn_end_unsynced(lane);
    return NULL;
}

static uint64_t count_others(const struct lane *lane)
{
    uint64_t all = lane->events + lane->mappings;
    return all > lane->walks ? all - lane->walks : 0;
}

void turn_finish_timed(struct lane *lane)
{
    uint64_t now = os_time_ns();
    if (lane->to_time-- == 1 + TURN_EVENTS_WARM + TURN_EVENTS_TIMED) {
        if (!write_name(lane) || !samples_take_if_due(now))
            recorder_fail(lane);
    } else if (lane->begun_ns == 0) {
        return;
    } else if (lane->searched != lane->begun_searched) {
        return; /* its stack is timed by itself: the next event stands for the rest of it */
    } else if (lane->walks != lane->begun_walks) {
        turn_note_time(lane, &lane->timed.walks, lane->walks, now - lane->begun_ns);
    } else {
        turn_note_time(lane, &lane->timed.others, count_others(lane), now - lane->begun_ns);
    }
}

void tracer_sync(void)
{
    /* A thread without a lane has recorded no object that it could give away, and what it takes
     * may be put into order as late as at its first record. */
    if (thread_is_busy() || !recorder_has_lane()) {
        thread_self.sync_missed = true;
        if (thread_self.lane != NULL)
            make_due(thread_self.lane);
        return;
    }
    if (!epoch_is_due())
        return;
    struct lane *lane = turn_begin(false);
    if (lane == NULL)
        return;
    if (turn_draw(lane))
        turn_end(lane);
    else
        turn_end_unsynced(lane);
}

void tracer_thread_exit(void)
{
    struct lane *lane = thread_self.lane;
    os_signal_take_stack();
    if (!recorder_has_lane() || !thread_begin_busy())
        return;
    turn_mark(lane);
    if (recorder_is_on())
        write_end(lane);
    give_back(lane);
    thread_end_busy();
}
