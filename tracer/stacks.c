/* stacks.c - see stacks.h, and STACK LANE in format.h. */
#include "tracer/stacks.h"

#include <stdatomic.h>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "tracer/file.h"
#include "tracer/lane.h"
#include "tracer/recorder.h"
#include "tracer/table.h"

/* In the table: key = address, its top bit for exact ones (user addresses have none); value =
 * parent << 32 | id. Roots have no parent; their place holds a generation with the top bit set.
 *
 * In a ring the tree begins anew when its nodes fill half of the lane's blocks, in a block of its
 * own: so what is written over then is half of the lane old. A walk that began before that has
 * parents of the tree before; it gets no node and begins anew too (unwind.c). */
#define STACKS_EXACT (UINT64_C(1) << 63)
#define STACKS_TAG_MASK UINT64_C(0xffffffff00000000)
#define STACKS_ROOT UINT32_C(0x80000000)

_Atomic uint32_t stacks_trees;

static struct {
    struct lock lock;
    struct lane *lane;      /* lock; NULL: no trace */
    uint32_t first;         /* id of the tree's first node; lock */
    uint32_t first_block;   /* of the lane, with that node; lock */
    _Atomic uint32_t count; /* nodes so far = id of the last; lock for writing */
    struct table nodes;     /* lock for writing */
} stacks = {.lock = LOCK_INIT(LOCK_RANK_TRACE_STACKS), .nodes = {.tag_mask = STACKS_TAG_MASK}};

uint32_t stacks_count(void)
{
    return atomic_load_explicit(&stacks.count, memory_order_relaxed);
}

size_t stacks_bytes(void)
{
    return table_bytes(&stacks.nodes);
}

bool stacks_create(void)
{
    stacks.lane = lane_create(TRACE_LANE_STACKS);
    return stacks.lane != NULL;
}

static uint64_t tag_of(uint32_t parent)
{
    return (uint64_t)(parent != 0 ? parent : STACKS_ROOT | stacks_generation()) << 32;
}

void stacks_start_anew(void)
{
    atomic_fetch_add_explicit(&stacks_trees, 1, memory_order_relaxed);
}

static void begin_tree_if_due(const struct lane *lane)
{
    uint32_t most = file_lane_blocks_most(TRACE_LANE_STACKS);
    if (most == 0 || lane->sequence - stacks.first_block < most / 2)
        return;
    stacks.first = stacks_count() + 1;
    stacks.first_block = lane->sequence;
    stacks_start_anew();
    table_clear(&stacks.nodes);
}

static bool have_room(struct lane *lane)
{
    if (lane_has_room(lane))
        return true;
    begin_tree_if_due(lane);
    return lane_renew(lane);
}

/* Appends the record of the node that will have the next id. */
static void write_node(struct lane *lane, uint32_t id, uint32_t parent, uintptr_t ip, bool is_exact)
{
    unsigned char bytes[20];
    const unsigned char *end =
        trace_put_svarint(trace_put_uvarint(bytes, (uint64_t)(id - parent) << 1 | is_exact),
                          (int64_t)(ip - lane->last_ip));
    lane->last_ip = ip;
    lane->events++;
    lane_append(lane, bytes[0], bytes + 1, end);
}

/* `place`: where it was looked for without the lock. */
static uint32_t add_node(uint64_t key, uint32_t parent, uintptr_t ip, bool is_exact,
                         struct table_place *place)
{
    uint32_t found = 0;
    if (!table_is_free(&stacks.nodes, place))
        found = (uint32_t)table_find_place(&stacks.nodes, key, tag_of(parent), place);
    if (found != 0 || stacks.lane == NULL)
        return found;
    uint32_t id = stacks_count() + 1;
    MP_ASSERT(parent < id);
    if (id >= STACKS_ROOT || !have_room(stacks.lane) || (parent != 0 && parent < stacks.first))
        return 0;
    write_node(stacks.lane, id, parent, ip, is_exact);
    atomic_store_explicit(&stacks.count, id, memory_order_relaxed);
    /* Without memory for the table the node is found by nobody and written again next time. */
    (void)table_insert_at(&stacks.nodes, place, key, tag_of(parent) | id);
    return id;
}

static __attribute__((noinline)) uint32_t add_node_locked(uint64_t key, uint32_t parent,
                                                          uintptr_t ip, bool is_exact,
                                                          struct table_place place)
{
    lock_take(&stacks.lock);
    uint32_t id = add_node(key, parent, ip, is_exact, &place);
    lock_drop(&stacks.lock);
    return id;
}

uint32_t stacks_get_node(uint32_t parent, uintptr_t ip, bool is_exact)
{
    uint64_t key = is_exact ? ip | STACKS_EXACT : ip;
    struct table_place place;
    uint32_t id = (uint32_t)table_find_place(&stacks.nodes, key, tag_of(parent), &place);
    return MP_LIKELY(id != 0) ? id : add_node_locked(key, parent, ip, is_exact, place);
}

void stacks_finish(void)
{
    uint64_t start = os_time_ns();
    while (!lock_try(&stacks.lock)) {
        if (os_time_ns() - start > RECORDER_PATIENCE_NS)
            return;
        os_yield();
    }
    if (stacks.lane != NULL)
        lane_finish(stacks.lane);
    stacks.lane = NULL;
    lock_drop(&stacks.lock);
}

static void forget(void)
{
    atomic_store_explicit(&stacks.count, 0, memory_order_relaxed);
    stacks.lane = NULL;
    stacks.first = stacks.first_block = 0;
    table_clear(&stacks.nodes);
}

void stacks_forget(void)
{
    lock_take(&stacks.lock);
    forget();
    lock_drop(&stacks.lock);
}

void stacks_abandon(void)
{
    lock_reset(&stacks.lock);
    forget();
}
