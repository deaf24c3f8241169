/* samples.c - see samples.h. What the heap says is asked each time, what the process is by its
 * pages too (9 us); what the whole system says (20 us), a few times a second. */
#include "tracer/samples.h"

#include <stdatomic.h>

#include "allocators/base/os.h"
#include "tracer/areas.h"
#include "tracer/info.h"
#include "tracer/lane.h"
#include "tracer/modules.h"
#include "tracer/recorder.h"
#include "tracer/stacks.h"

enum {
    SAMPLES_PAUSE_NS = 50000000,   /* between samples; 20 a second draw a curve */
    SAMPLES_COUNT = 2000,          /* in a long trace, up to a time and from there to its double */
    SAMPLES_SYSTEM_NS = 200000000, /* between looks at the system */
    SAMPLES_MARK_NS = 1000000,     /* between samples at marks */
};

#define SAMPLES_PAUSE_MOST_NS UINT64_C(10000000000)

static struct {
    _Atomic uint64_t start_ns;  /* of the first sample; 0: none yet */
    _Atomic uint64_t marked_ns; /* of the last one at a mark; 0: none yet */
    _Atomic bool taken;         /* a thread looks at the system; the rest is its own */
    bool is_group_sought;
    struct os_group group;
    uint64_t system_ns; /* when that was done last */
    _Atomic uint64_t count;
    _Atomic uint64_t took_ns;
} samples;

static void read_process(struct trace_sample *sample)
{
    struct os_memory memory;
    if (!os_memory_read(&memory)) {
        if (!os_resident(&sample->rss, &sample->rss_anon))
            sample->rss = sample->rss_anon = 0;
        return;
    }
    sample->rss = memory.rss;
    sample->rss_anon = memory.rss_anon;
    sample->rss_file = memory.rss_file;
    sample->rss_shmem = memory.rss_shmem;
    sample->swap = memory.swap;
    sample->known |= TRACE_KNOWS_PARTS;
}

static void read_pressure(struct trace_sample *sample)
{
    struct os_pressure pressure;
    if (os_pressure_read(&pressure)) {
        sample->some_ns = pressure.some_ns;
        sample->full_ns = pressure.full_ns;
        sample->some_percent_100 = pressure.some_percent_100;
        sample->full_percent_100 = pressure.full_percent_100;
        sample->known |= TRACE_KNOWS_PRESSURE;
    }
    if (os_group_pressure_read(&samples.group, &pressure)) {
        sample->group_some_ns = pressure.some_ns;
        sample->group_full_ns = pressure.full_ns;
        sample->group_some_percent_100 = pressure.some_percent_100;
        sample->group_full_percent_100 = pressure.full_percent_100;
        sample->known |= TRACE_KNOWS_GROUP_PRESSURE;
    }
}

static void read_system(struct trace_sample *sample)
{
    if (!samples.is_group_sought)
        os_group_find(&samples.group);
    samples.is_group_sought = true;
    if (os_available_read(&sample->available))
        sample->known |= TRACE_KNOWS_AVAILABLE;
    if (os_group_read(&samples.group, &sample->group, &sample->group_max))
        sample->known |= TRACE_KNOWS_GROUP;
    read_pressure(sample);
}

static void read_system_if_due(struct trace_sample *sample, bool is_due)
{
    /* acquire, release: threads look one after another */
    if (atomic_exchange_explicit(&samples.taken, true, memory_order_acquire))
        return;
    if (is_due || samples.system_ns == 0 ||
        sample->time_ns - samples.system_ns >= SAMPLES_SYSTEM_NS) {
        samples.system_ns = sample->time_ns;
        read_system(sample);
    }
    atomic_store_explicit(&samples.taken, false, memory_order_release);
}

static bool ask_heap(struct trace_sample *sample)
{
    return recorder.sample_heap == NULL || recorder.sample_heap(sample);
}

/* What the heap said is in the sample. */
static bool take(struct trace_sample *sample, uint64_t now_ns, bool with_system)
{
    uint64_t none = 0;
    atomic_store_explicit(&recorder.sampled_ns, now_ns, memory_order_relaxed);
    atomic_compare_exchange_strong_explicit(&samples.start_ns, &none, now_ns, memory_order_relaxed,
                                            memory_order_relaxed);
    sample->time_ns = now_ns;
    sample->tracer = stacks_bytes() + (uint64_t)lane_count() * os_page_bytes();
    read_process(sample);
    read_system_if_due(sample, with_system);
    bool is_written = info_write_sample(sample);
    atomic_fetch_add_explicit(&samples.count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&samples.took_ns, os_time_ns() - now_ns, memory_order_relaxed);
    return is_written && modules_write_if_due();
}

static void write_latency(bool is_last)
{
    if (recorder.write_latency != NULL)
        recorder.write_latency(is_last);
}

static uint64_t pause_at(uint64_t now_ns)
{
    uint64_t start_ns = atomic_load_explicit(&samples.start_ns, memory_order_relaxed);
    uint64_t pause_ns = start_ns < now_ns ? (now_ns - start_ns) / SAMPLES_COUNT : 0;
    if (pause_ns < SAMPLES_PAUSE_NS)
        return SAMPLES_PAUSE_NS;
    return pause_ns < SAMPLES_PAUSE_MOST_NS ? pause_ns : SAMPLES_PAUSE_MOST_NS;
}

bool samples_are_due(uint64_t now_ns)
{
    uint64_t last = atomic_load_explicit(&recorder.sampled_ns, memory_order_relaxed);
    return now_ns > last && now_ns - last >= pause_at(now_ns);
}

static bool take_with_growth(struct trace_sample *sample, uint64_t now_ns)
{
    if (!take(sample, now_ns, false))
        return false;
    write_latency(false);
    return !areas_are_due(now_ns, sample->rss) || areas_write(now_ns, TRACE_AREAS_GROWN);
}

bool samples_take_if_due(uint64_t now_ns)
{
    struct trace_sample sample = {0};
    uint64_t last = atomic_load_explicit(&recorder.sampled_ns, memory_order_relaxed);
    if (!samples_are_due(now_ns) ||
        !atomic_compare_exchange_strong_explicit(&recorder.sampled_ns, &last, now_ns,
                                                 memory_order_relaxed, memory_order_relaxed))
        return true;
    thread_self.sample_waits = !ask_heap(&sample);
    if (!thread_self.sample_waits)
        return take_with_growth(&sample, now_ns);
    atomic_store_explicit(&recorder.sampled_ns, last, memory_order_relaxed);
    return true;
}

bool samples_take(uint64_t now_ns)
{
    struct trace_sample sample = {0};
    (void)ask_heap(&sample);
    return take_with_growth(&sample, now_ns);
}

bool samples_take_with_areas(uint64_t now_ns, enum trace_areas_reason reason)
{
    struct trace_sample sample = {0};
    (void)ask_heap(&sample);
    if (!take(&sample, now_ns, true))
        return false;
    write_latency(reason == TRACE_AREAS_END);
    return areas_write(now_ns, reason);
}

bool samples_take_at_mark(uint64_t now_ns)
{
    uint64_t last = atomic_load_explicit(&samples.marked_ns, memory_order_relaxed);
    if (now_ns - last < SAMPLES_MARK_NS && now_ns >= last)
        return true;
    atomic_store_explicit(&samples.marked_ns, now_ns, memory_order_relaxed);
    if (areas_may_cost(now_ns, TRACE_AREAS_MARK))
        return samples_take_with_areas(now_ns, TRACE_AREAS_MARK);
    return samples_take(now_ns);
}

void samples_count(struct trace_costs *costs)
{
    costs->samples = atomic_load_explicit(&samples.count, memory_order_relaxed);
    costs->samples_ns = atomic_load_explicit(&samples.took_ns, memory_order_relaxed);
    costs->tables = areas_count(&costs->tables_ns);
}

void samples_forget(void)
{
    atomic_store_explicit(&samples.count, 0, memory_order_relaxed);
    atomic_store_explicit(&samples.took_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&samples.start_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&samples.marked_ns, 0, memory_order_relaxed);
    samples.system_ns = 0;
    samples.is_group_sought = false;
    atomic_store_explicit(&samples.taken, false, memory_order_release);
    areas_forget();
}
