/* gauge.c - see gauge.h. */
#include "preload/gauge.h"

#include "allocators/growth.h"
#include "preload/bounds.h"
#include "preload/budget_slot.h"
#include "preload/door.h"
#include "preload/mapped.h"
#include "preload/watch.h"

#define SECOND_NS UINT64_C(1000000000)
static const uint64_t SMALL_BYTES = 4 << 20;       /* of them each growth is told, of more 1/64 */
static const uint64_t LONGEST_NS = 30 * SECOND_NS; /* between two looks at anything */

static struct {
    bool follows_system;
    struct gauge newest;
    uint64_t sizes_due_ns, swapped_due_ns, stalls_due_ns, machine_due_ns, heap_due_ns;
    uint64_t judged_due_ns; /* `swapped`, for who judges growth */
    uint64_t flow_ns;       /* when `flow` was read; 0: never */
    struct usage_flow flow;
    struct os_kept sizes_file, swapped_file, machine_file, stalls_file;
    /* What the heap took and the program mapped, the most so far; and what is to be told next. */
    _Atomic uint64_t most, passed;
    _Atomic int64_t left; /* that it might take, as that was asked last */
} gauge;

void gauge_follow_system(void)
{
    gauge.follows_system = true;
}

static bool is_due(uint64_t *due_ns, uint64_t now_ns, uint64_t pause_ns)
{
    if (now_ns < *due_ns)
        return false;
    *due_ns = now_ns + pause_ns;
    return true;
}

static void name_files(void)
{
    if (gauge.sizes_file.path[0] != '\0')
        return;
    os_kept_init(&gauge.sizes_file, "/proc/self/statm");
    os_kept_init(&gauge.swapped_file, "/proc/self/status");
    os_kept_init(&gauge.machine_file, "/proc/meminfo");
    os_kept_init(&gauge.stalls_file, "/proc/pressure/memory");
}

static void sample_sizes(void)
{
    name_files();
    if (!os_kept_sizes(&gauge.sizes_file, &gauge.newest.sizes))
        gauge.newest.sizes = (struct os_sizes){0};
}

static void sample_swapped(void)
{
    if (!os_kept_swapped(&gauge.swapped_file, &gauge.newest.swapped))
        gauge.newest.swapped = 0;
}

/* `taken`: as bounds_sample wants it. */
static void sample_system(uint64_t now_ns, uint64_t taken)
{
    struct gauge *newest = &gauge.newest;
    bounds_sample(now_ns, &newest->sizes, taken);
    if (is_due(&gauge.stalls_due_ns, now_ns, 2 * SECOND_NS))
        newest->has_stalls = bounds_read_stalls(&newest->stalls) ||
                             os_kept_stalls(&gauge.stalls_file, &newest->stalls);
    if (is_due(&gauge.machine_due_ns, now_ns, 4 * SECOND_NS) &&
        !os_kept_machine(&gauge.machine_file, &newest->machine))
        newest->machine = (struct os_machine){0};
}

static void sample_process_if_due(uint64_t now_ns)
{
    if (is_due(&gauge.sizes_due_ns, now_ns, SECOND_NS))
        sample_sizes();
    if (is_due(&gauge.swapped_due_ns, now_ns, LONGEST_NS))
        sample_swapped();
}

static void sample_system_if_followed(uint64_t now_ns)
{
    if (gauge.follows_system)
        sample_system(now_ns, gauge.newest.usage.heap + gauge.newest.usage.mapped);
}

static uint64_t rate_of(uint64_t before, uint64_t now, uint64_t ns)
{
    return now > before ? (uint64_t)((double)(now - before) * SECOND_NS / (double)ns) : 0;
}

static void sample_flow(uint64_t now_ns)
{
    struct usage_flow flow;
    usage_read_flow(&flow);
    if (gauge.flow_ns != 0 && now_ns > gauge.flow_ns) {
        uint64_t ns = now_ns - gauge.flow_ns;
        gauge.newest.taken_rate = rate_of(gauge.flow.taken, flow.taken, ns);
        gauge.newest.given_rate = rate_of(gauge.flow.given, flow.given, ns);
    }
    gauge.flow = flow;
    gauge.flow_ns = now_ns;
}

/* To sum over the heap takes as long as it has slabs: so seldom that it comes to three tenths of a
 * microsecond a sample. */
static void sample_heap(uint64_t now_ns)
{
    struct gauge *newest = &gauge.newest;
    if (now_ns < gauge.heap_due_ns) {
        usage_estimate(&newest->usage, &newest->sizes, newest->swapped);
        return;
    }
    usage_read(&newest->usage, &newest->sizes, newest->swapped);
    sample_flow(now_ns);
    uint64_t pause_ns = (os_time_ns() - now_ns) * 333333;
    pause_ns = pause_ns < SECOND_NS ? SECOND_NS : pause_ns;
    gauge.heap_due_ns = now_ns + (pause_ns < LONGEST_NS ? pause_ns : LONGEST_NS);
}

static void count(uint64_t start_ns)
{
    gauge.newest.samples++;
    gauge.newest.sample_ns += os_time_ns() - start_ns;
}

const struct gauge *gauge_sample(uint64_t now_ns)
{
    uint64_t start_ns = os_time_ns();
    sample_process_if_due(now_ns);
    sample_heap(now_ns);
    sample_system_if_followed(now_ns);
    count(start_ns);
    return &gauge.newest;
}

void gauge_sample_system(uint64_t now_ns)
{
    uint64_t start_ns = os_time_ns();
    sample_process_if_due(now_ns);
    sample_system_if_followed(now_ns);
    count(start_ns);
}

static void close_files(void)
{
    os_kept_close(&gauge.sizes_file);
    os_kept_close(&gauge.swapped_file);
    os_kept_close(&gauge.machine_file);
    os_kept_close(&gauge.stalls_file);
    bounds_close();
}

static void note_peak(uint64_t counted, size_t bytes)
{
    uint64_t most = atomic_load_explicit(&gauge.most, memory_order_relaxed);
    uint64_t grown = counted > most ? counted - most : 0;
    uint64_t step = counted < SMALL_BYTES ? 0 : counted / 64;
    sample_sizes();
    usage_note_peak(&gauge.newest.sizes, gauge.newest.swapped, grown, bytes);
    atomic_store_explicit(&gauge.most, counted, memory_order_relaxed);
    atomic_store_explicit(&gauge.passed, counted + step, memory_order_relaxed);
}

/* (Relaxed: two threads at the same time may both see that it is time; the second notes less.) */
void gauge_follow_peak(size_t bytes)
{
    int64_t left = atomic_load_explicit(&growth.left, memory_order_relaxed);
    if (!budget_is_attached() || left == atomic_load_explicit(&gauge.left, memory_order_relaxed))
        return;
    atomic_store_explicit(&gauge.left, left, memory_order_relaxed);
    uint64_t counted = door_taken_bytes() + mapped_bytes();
    if (counted <= atomic_load_explicit(&gauge.passed, memory_order_relaxed) ||
        !watch_begin_acting())
        return;
    note_peak(counted, bytes);
    watch_end_acting();
}

const struct gauge *gauge_read(uint64_t now_ns, bool all)
{
    if (all)
        gauge.machine_due_ns = gauge.stalls_due_ns = 0;
    sample_sizes();
    if (all || is_due(&gauge.judged_due_ns, now_ns, SECOND_NS / 10))
        sample_swapped();
    if (all || gauge.follows_system)
        sample_system(now_ns, UINT64_MAX);
    usage_read(&gauge.newest.usage, &gauge.newest.sizes, gauge.newest.swapped);
    if (all)
        sample_flow(now_ns);
    if (all && !gauge.follows_system)
        close_files(); /* nobody wants them again soon */
    return &gauge.newest;
}

void gauge_tell(int level)
{
    if (budget_is_attached())
        usage_publish(&gauge_read(os_time_ns(), false)->usage, level);
}

void gauge_copy(const struct gauge *from, struct mpress_signals *signals)
{
    const struct usage *usage = &from->usage;
    *signals = (struct mpress_signals){
        .live = usage->live,
        .asked = usage->asked,
        .heap = usage->heap,
        .mapped = usage->mapped,
        .rss_anon = usage->rss_anon,
        .machine = from->machine.total,
        .available = from->machine.available,
        .swap = from->machine.swap,
        .taken_rate = from->taken_rate,
        .given_rate = from->given_rate,
        .samples = from->samples,
        .sample_ns = from->sample_ns,
    };
    if (!from->has_stalls)
        return;
    signals->some_ns = from->stalls.some_ns;
    signals->full_ns = from->stalls.full_ns;
    signals->some_percent_100 = from->stalls.some_percent_100;
    signals->full_percent_100 = from->stalls.full_percent_100;
}

void gauge_fork_child(void)
{
    close_files();
    gauge.sizes_due_ns = gauge.swapped_due_ns = gauge.stalls_due_ns = gauge.machine_due_ns =
        gauge.heap_due_ns = gauge.judged_due_ns = 0;
    gauge.flow_ns = 0;
    gauge.most = gauge.passed = 0;
    gauge.newest.samples = gauge.newest.sample_ns = 0;
}
