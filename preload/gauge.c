/* gauge.c - see gauge.h. */
#include "preload/gauge.h"

#include "preload/bounds.h"
#include "preload/budget_slot.h"

#define SECOND_NS UINT64_C(1000000000)
static const uint64_t LONGEST_NS = 30 * SECOND_NS; /* between two looks at anything */

static struct {
    bool follows_system;
    struct gauge newest;
    uint64_t sizes_due_ns, swapped_due_ns, stalls_due_ns, machine_due_ns, heap_due_ns;
    uint64_t judged_due_ns; /* `swapped`, for who judges growth */
    uint64_t flow_ns;       /* when `flow` was read; 0: never */
    struct usage_flow flow;
    struct os_kept sizes_file, swapped_file, machine_file, stalls_file;
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
    gauge.newest.samples = gauge.newest.sample_ns = 0;
}
