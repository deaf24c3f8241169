/* usage.c - see usage.h. */
#include "preload/usage.h"

#include "allocators/cold/cold.h"
#include "allocators/heap.h"
#include "allocators/strategy.h"
#include "preload/budget_slot.h"
#include "preload/door.h"
#include "preload/mapped.h"
#include "preload/residency.h"

/* What a fork left this process with is its parent's, mostly. */
static uint64_t without_inherited(uint64_t used)
{
    uint64_t inherited = atomic_load_explicit(&budget_slot->inherited, memory_order_relaxed);
    return used > inherited ? used - inherited : 0;
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct {
    uint64_t taken; /* by the heap, of the system */
    uint64_t heap, kept, live, asked, parked_hits;
} last;

static void add_up(struct usage *usage, const struct os_sizes *sizes, uint64_t swapped)
{
    usage->heap -= min(usage->heap, swapped);
    usage->now_ns = os_time_ns();
    usage->mapped = mapped_bytes();
    usage->rss_anon = sizes->rss_anon;
    uint64_t counted = usage->heap + usage->mapped;
    usage->used = counted > usage->rss_anon ? counted : usage->rss_anon;
    usage->all = budget_is_for_family() ? budget_used_by_others() + without_inherited(usage->used)
                                        : usage->used;
}

void usage_read(struct usage *usage, const struct os_sizes *sizes, uint64_t swapped)
{
    struct heap_stats heap;
    *usage = (struct usage){0};
    last.taken = door_taken_bytes();
    if (door_read_stats(&heap)) {
        usage->live = heap.live_bytes;
        usage->asked = heap.live_bytes - heap.internal_bytes;
        usage->objects = heap.live_objects;
        usage->kept = heap.cached_bytes + heap.dirty_bytes;
        usage->parked_hits = heap.parked_hits;
        usage->heap = heap.live_bytes + heap.external_bytes + usage->kept + heap.meta_bytes;
        usage->heap -= min(usage->heap, cold_saved_bytes());
    }
    last.heap = usage->heap;
    last.kept = usage->kept;
    last.live = usage->live;
    last.asked = usage->asked;
    last.parked_hits = usage->parked_hits;
    add_up(usage, sizes, swapped);
}

static uint64_t estimate_heap(void)
{
    uint64_t taken = door_taken_bytes();
    uint64_t given = last.taken > taken ? last.taken - taken : 0;
    uint64_t more = taken > last.taken ? taken - last.taken : 0;
    return last.heap > given ? last.heap - given + more : more;
}

void usage_note_peak(const struct os_sizes *sizes, uint64_t swapped, uint64_t grown, uint64_t bytes)
{
    uint64_t heap = estimate_heap();
    uint64_t counted = heap - min(heap, swapped) + mapped_bytes();
    uint64_t before = counted - min(counted, min(grown, bytes));
    before = before > sizes->rss_anon ? before : sizes->rss_anon;
    budget_raise(&budget_slot->peak, without_inherited(before + bytes));
}

void usage_estimate(struct usage *usage, const struct os_sizes *sizes, uint64_t swapped)
{
    *usage = (struct usage){
        .kept = last.kept, .live = last.live, .asked = last.asked, .parked_hits = last.parked_hits};
    usage->heap = estimate_heap();
    add_up(usage, sizes, swapped);
}

void usage_publish_cold(void)
{
    struct budget_slot *slot = budget_slot;
    struct cold_stats cold;
    cold_read_stats(&cold);
    budget_set(&slot->runs[BUDGET_COMPRESSION], cold.packs);
    budget_set(&slot->gained[BUDGET_COMPRESSION], cold.saved_bytes);
    budget_set(&slot->strategy_ns[BUDGET_COMPRESSION], cold.pack_ns + cold.return_ns);
    budget_set(&slot->returns, cold.returns);
    budget_set(&slot->return_ns, cold.return_ns);
}

void usage_publish(const struct usage *usage, int level)
{
    struct budget_slot *slot = budget_slot;
    budget_set(&slot->used, usage->used);
    budget_raise(&slot->peak, without_inherited(usage->used));
    budget_set(&slot->heap, usage->heap);
    budget_set(&slot->live, usage->live);
    budget_set(&slot->asked, usage->asked);
    budget_set(&slot->objects, usage->objects);
    budget_set(&slot->mapped, usage->mapped);
    budget_set(&slot->rss_anon, usage->rss_anon);
    budget_set(&slot->runs[BUDGET_POOLING], usage->parked_hits);
    budget_set(&slot->runs[BUDGET_LAZY], strategy.uncleared_blocks);
    budget_set(&slot->gained[BUDGET_LAZY], strategy.uncleared_bytes);
    usage_publish_cold();
    if (budget_is_attached())
        residency_publish(usage->now_ns, usage->rss_anon);
    budget_set(&slot->updated_ns, usage->now_ns);
    atomic_store_explicit(&slot->level, (uint32_t)level, memory_order_relaxed);
}

void usage_read_flow(struct usage_flow *flow)
{
    *flow = (struct usage_flow){0, 0};
    if (!door_come_in())
        return;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        struct cache_counts counts = {0};
        cache_read_counts(class, &counts);
        flow->taken += counts.taken * size_tables.classes[class].bytes;
        flow->given += counts.given * size_tables.classes[class].bytes;
    }
    door_go_out();
}

void usage_publish_progress(void)
{
    struct usage_flow flow;
    usage_read_flow(&flow);
    if (flow.taken != 0)
        budget_set(&budget_slot->progress, flow.taken);
}
