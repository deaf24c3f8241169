/* lane.c - blocks of a lane, and the list of lanes. Encoding is events.c, info.c and stacks.c. */
#include "tracer/lane.h"

#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/lock.h"
#include "tracer/births.h"
#include "tracer/recorder.h"
#include "tracer/turn.h"
#include "tracer/unwind.h"

enum { LANE_PAGE_BYTES = 4096 };

_Static_assert(sizeof(struct lane) <= LANE_PAGE_BYTES, "a lane is one page");
_Static_assert((int)TRACE_NAME_BYTES == (int)OS_THREAD_NAME_BYTES, "names fit");

static struct {
    struct lock lock;
    struct lane *free;             /* lock */
    _Atomic(struct lane *) newest; /* lock for writing */
    _Atomic uint32_t count;        /* lock for writing */
    uint32_t created;              /* in all traces, in those of the parent too; lock */
    uint32_t trace;                /* of new ones; lock for writing, constant while it runs */
} lanes = {.lock = LOCK_INIT(LOCK_RANK_TRACE_LANES), .trace = 1};

_Atomic uint64_t births[1 << BIRTHS_BITS];

/* -- the list --------------------------------------------------------------------------------- */

struct lane *lane_newest(void)
{
    /* acquire: pairs with the release in lane_create */
    return atomic_load_explicit(&lanes.newest, memory_order_acquire);
}

uint32_t lane_count(void)
{
    return atomic_load_explicit(&lanes.count, memory_order_relaxed);
}

struct lane *lane_create(uint32_t first)
{
    size_t bytes = round_up(sizeof(struct lane), os_page_bytes());
    struct lane *lane = os_map(bytes);
    if (lane == NULL)
        return NULL;
    os_set_wiped_on_fork(lane, bytes);
    lock_take(&lanes.lock);
    lane->trace = lanes.trace;
    uint32_t count = lane_count();
    lane->number = count < first ? first : count; /* no count comes up to the timeline's */
    lane->owner = births_owner(++lanes.created);
    lane->next = lane_newest();
    atomic_store_explicit(&lanes.newest, lane, memory_order_release);
    if (lane->number != TRACE_LANE_TIMELINE)
        atomic_store_explicit(&lanes.count, lane->number + 1, memory_order_relaxed);
    lock_drop(&lanes.lock);
    return lane;
}

struct lane *lane_get(void)
{
    lock_take(&lanes.lock);
    struct lane *lane = lanes.free;
    if (lane != NULL)
        lanes.free = lane->next_free;
    lock_drop(&lanes.lock);
    return lane != NULL ? lane : lane_create(TRACE_LANE_EVENTS);
}

void lane_put(struct lane *lane)
{
    lock_take(&lanes.lock);
    if (lane->trace == lanes.trace) { /* else another trace has begun meanwhile */
        lane->next_free = lanes.free;
        lanes.free = lane;
    }
    lock_drop(&lanes.lock);
}

void lane_abandon_all(void)
{
    lock_reset(&lanes.lock);
    lanes.free = NULL;
    atomic_store_explicit(&lanes.newest, NULL, memory_order_relaxed);
    atomic_store_explicit(&lanes.count, 0, memory_order_relaxed);
}

/* The walk goes with the lane. A thread that comes back to either finds zeros, and the number of
 * its trace is not the present one. */
static void retire(struct lane *lane)
{
    struct walk *walk = lane->walk;
    if (walk != NULL)
        walk_purge(walk);
    os_purge(lane, round_up(sizeof(*lane), os_page_bytes()));
}

void lane_retire_all(void)
{
    lock_take(&lanes.lock);
    struct lane *lane = lane_newest();
    lanes.free = NULL;
    lanes.trace++;
    atomic_store_explicit(&lanes.newest, NULL, memory_order_relaxed);
    atomic_store_explicit(&lanes.count, 0, memory_order_relaxed);
    lock_drop(&lanes.lock);
    while (lane != NULL) {
        struct lane *next = lane->next;
        if (atomic_load_explicit(&lane->writing, memory_order_acquire) == 0)
            retire(lane);
        lane = next;
    }
}

/* -- blocks ----------------------------------------------------------------------------------- */

static struct trace_block_header *header_of(struct file_block block)
{
    return (struct trace_block_header *)(void *)block.start;
}

typedef uint64_t two __attribute__((vector_size(16)));

/* trace_checksum, four words at a step: 2 us for a full block where the plain loop takes 30. In a
 * lane of a vector a word is counted once in its own sum and once for each step up to the last in
 * the sum of sums, where four words of the plain loop would follow. Bytes behind the end are zero
 * (L2), as the definition wants them. */
static uint64_t checksum_of(const unsigned char *payload, size_t bytes)
{
    size_t words = (bytes + 3) / 4;
    size_t done = 0;
    two even = {0}, odd = {0}, even_sums = {0}, odd_sums = {0}; /* words 0, 2 and 1, 3 of a step */
    for (; done + 4 <= words; done += 4) {
        two step;
        memcpy(&step, payload + done * 4, sizeof(step));
        even += step & UINT32_MAX;
        odd += step >> 32;
        even_sums += even;
        odd_sums += odd;
    }
    uint64_t sum = 1 + even[0] + odd[0] + even[1] + odd[1];
    uint64_t sum_of_sums = done + 4 * (even_sums[0] + odd_sums[0] + even_sums[1] + odd_sums[1]) -
                           odd[0] - 2 * even[1] - 3 * odd[1];
    for (; done < words; done++) {
        uint32_t word;
        memcpy(&word, payload + done * 4, sizeof(word));
        sum += word;
        sum_of_sums += sum;
    }
    return sum ^ (sum_of_sums << 32 | sum_of_sums >> 32);
}

static bool is_whole_words(size_t bytes)
{
    return bytes % 4 == 0;
}

/* The block gets its length and checksum. False: there is none; or none any more, in a child that a
 * handler forked off before signals were put off. */
static bool close_block(struct lane *lane, struct file_block block, uint32_t *used)
{
    const unsigned char *at = lane_at(lane);
    const unsigned char *payload = block.start + TRACE_BLOCK_HEADER_BYTES;
    if (block.start == NULL || at == NULL)
        return false;
    MP_ASSERT(at >= payload && at <= block.start + TRACE_BLOCK_BYTES);
    MP_ASSERT(is_whole_words(TRACE_PAYLOAD_BYTES)); /* checksum_of reads whole words */
    *used = (uint32_t)(at - payload);
    struct trace_block_header *header = header_of(block);
    header->checksum = checksum_of(payload, *used);
    MP_AUDIT(header->checksum == trace_checksum(payload, *used));
    /* release: a reader that sees the length sees the checksum */
    atomic_store_explicit((_Atomic uint32_t *)&header->used, *used, memory_order_release);
    lane_set_at(lane, NULL);
    lane->limit = NULL;
    atomic_store_explicit(&lane->fast, NULL, memory_order_relaxed);
    lane->block.start = NULL;
    return true;
}

static void close_and_put(struct lane *lane)
{
    struct file_block block = lane->block;
    uint32_t used;
    if (close_block(lane, block, &used))
        file_put_block(block, lane->number);
}

void lane_finish(struct lane *lane)
{
    uint64_t signals = os_signals_put_off();
    struct file_block block = lane->block;
    uint32_t used;
    if (close_block(lane, block, &used))
        file_finish_block(block, used);
    os_signals_restore(signals);
}

/* Not so: in a child of a fork that ran no handler, in one of an earlier trace; there is no file of
 * ours to write to. */
static bool is_of_this_trace(const struct lane *lane)
{
    return lane->trace == lanes.trace;
}

/* The state of both sides starts anew (L3). */
static void forget_state(struct lane *lane)
{
    memset(lane->stacks, 0, sizeof(lane->stacks));
    memset(lane->sizes, 0, sizeof(lane->sizes));
    memset(lane->alloc_at, 0, sizeof(lane->alloc_at));
    memset(lane->recent, 0, sizeof(lane->recent));
    lane->freed_at = 0;
    lane->last_ip = 0;
}

static void open_block(struct lane *lane, struct file_block block)
{
    forget_state(lane);
    lane->time_ns = os_time_ns();
    struct trace_block_header header = {
        .lane = lane->number,
        .sequence = lane->sequence,
        .time_ns = lane->time_ns,
        .epoch = lane->epoch,
        .events = lane->events,
        .tid = lane->tid,
    };
    memcpy(header.name, lane->name, sizeof(header.name));
    *header_of(block) = header;
    /* release: a block with a magic has a whole header */
    atomic_store_explicit((_Atomic uint32_t *)&header_of(block)->magic, TRACE_BLOCK_MAGIC,
                          memory_order_release);
    lane->sequence++;
    lane->block = block;
    lane->at = block.start + TRACE_BLOCK_HEADER_BYTES;
    lane->limit = block.start + TRACE_BLOCK_BYTES - TRACE_EVENT_BYTES_MAX + 1;
}

/* Closes the block of the lane that has been without a thread for longest, so that it may be
 * written over. tracer_stop waits for the mark, or we see behind it that it came first. */
static void close_unused(void)
{
    struct lane *unused = NULL;
    lock_take(&lanes.lock);
    for (struct lane *lane = lanes.free; lane != NULL; lane = lane->next_free)
        unused = lane->block.start != NULL ? lane : unused;
    if (unused != NULL) {
        turn_mark(unused);
        if (recorder_is_on())
            close_and_put(unused);
        atomic_store_explicit(&unused->writing, 0, memory_order_release);
    }
    lock_drop(&lanes.lock);
}

/* A lane that has as many blocks as it may goes on in its oldest one. */
static struct file_block take_block(struct lane *lane)
{
    struct file_block block = {NULL, 0};
    uint32_t most = file_lane_blocks_most(lane->number); /* 0: any number */
    if (most != 0 && lane->fresh >= most)
        block = file_reuse_block(lane->number);
    if (block.start != NULL)
        return block;
    if (file_writes_over())
        close_unused();
    block = file_take_block();
    lane->fresh += block.start != NULL;
    return block;
}

static bool renew(struct lane *lane)
{
    if (!is_of_this_trace(lane))
        return false;
    uint64_t begun_ns = os_thread_time_ns(); /* it may wait for the disk, or for others */
    struct file_block block = take_block(lane);
    if (block.start == NULL)
        return false;
    close_and_put(lane);
    open_block(lane, block);
    lane->overhead_ns += os_thread_time_ns() - begun_ns;
    return true;
}

/* The header that all share, windows and used blocks are written to, what a child of the kernel's
 * fork would do as well with its copies of what we know: no handler runs that could fork one off.
 */
bool lane_renew(struct lane *lane)
{
    uint64_t signals = os_signals_put_off();
    bool is_renewed = renew(lane);
    os_signals_restore(signals);
    return is_renewed;
}

bool lane_reserve(struct lane *lane, size_t bytes)
{
    MP_ASSERT(bytes <= TRACE_PAYLOAD_BYTES);
    return lane_holds(lane, bytes) || lane_renew(lane);
}

bool lane_write_time(struct lane *lane, uint64_t now_ns)
{
    if (!lane_has_room(lane) && !lane_renew(lane))
        return false;
    if (now_ns <= lane->time_ns)
        return true;
    unsigned char fields[10];
    const unsigned char *end = trace_put_uvarint(fields, now_ns - lane->time_ns);
    lane->time_ns = now_ns;
    lane_append(lane, TRACE_TIME, fields, end);
    return true;
}
