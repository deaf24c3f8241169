/* journal.c - see journal.h. */
#include "preload/journal.h"

#include <stdatomic.h>
#include <string.h>

#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "allocators/heap.h"
#include "tracer/tracer.h"

static struct {
    bool is_verbose;
    bool is_warned;
    struct bounds_reading nearest; /* as told last */
    _Atomic uint32_t refused;      /* since the last record */
    _Atomic uint64_t refused_bytes;
} journal;

void journal_set_verbose(void)
{
    journal.is_verbose = true;
}

static uint64_t percent_of(uint64_t used, uint64_t limit)
{
    return limit == 0 ? 0 : (uint64_t)(100 * (double)used / (double)limit);
}

static void write(struct trace_pressure *pressure, const struct bounds_reading *nearest)
{
    if (!tracer_is_on())
        return;
    pressure->time_ns = os_time_ns();
    pressure->used = nearest->used;
    pressure->limit = nearest->limit;
    tracer_pressure(pressure);
}

void journal_level(enum pressure_level level, const struct pressure_sample *sample)
{
    struct trace_pressure pressure = {.what = TRACE_PRESSURE_LEVEL, .level = (uint8_t)level};
    journal.nearest = (struct bounds_reading){sample->used, sample->limit};
    write(&pressure, &journal.nearest);
    if (journal.is_verbose)
        say("pressure: %s at %lu %% of %lu KiB", pressure_name(level),
            percent_of(sample->used, sample->limit), sample->limit / 1024);
}

void journal_action(enum action action, const struct respond_reason *reason, uint64_t gained,
                    uint64_t ns)
{
    struct trace_pressure pressure = {.what = TRACE_PRESSURE_ACTION,
                                      .level = (uint8_t)reason->step,
                                      .bytes = gained,
                                      .ns = ns,
                                      .is_foreseen = reason->by_forecast};
    const char *word = actions_word(action);
    memcpy(pressure.action, word, strlen(word) + 1);
    journal.nearest = (struct bounds_reading){reason->used, reason->limit};
    write(&pressure, &journal.nearest);
    if (journal.is_verbose)
        say("pressure: %s%s at %lu %% of %lu KiB: %s gave back %lu KiB in %lu us",
            pressure_name(reason->step), reason->by_forecast ? " (foreseen)" : "",
            percent_of(reason->used, reason->limit), reason->limit / 1024, word, gained / 1024,
            ns / 1000);
}

void journal_squeezed(const struct heap_squeezed *squeezed)
{
    if (journal.is_verbose)
        say("pressure: %lu KiB of free spans and pages, %lu KiB of ends of huge pages; %lu KiB of "
            "holes opened to all sizes",
            squeezed->purged_bytes / 1024, squeezed->slack_bytes / 1024,
            squeezed->melted_bytes / 1024);
}

void journal_note_refused(size_t bytes)
{
    atomic_fetch_add_explicit(&journal.refused_bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&journal.refused, 1, memory_order_relaxed);
}

/* A request that is noted between the two reads is of the next record, or its bytes are of this
 * one. */
void journal_write_refused(void)
{
    uint32_t count = atomic_exchange_explicit(&journal.refused, 0, memory_order_relaxed);
    if (count == 0)
        return;
    struct trace_pressure pressure = {
        .what = TRACE_PRESSURE_REFUSED,
        .level = PRESSURE_EMERGENCY,
        .count = count,
        .bytes = atomic_exchange_explicit(&journal.refused_bytes, 0, memory_order_relaxed)};
    write(&pressure, &journal.nearest);
    if (journal.is_verbose)
        say("pressure: %lu requests refused, %lu KiB together", (unsigned long)count,
            (unsigned long)(pressure.bytes / 1024));
}

void journal_warning(const struct foresee *foreseen, const struct bounds_reading *nearest)
{
    if (foreseen->is_warned == journal.is_warned)
        return;
    journal.is_warned = foreseen->is_warned;
    struct trace_pressure pressure = {.what = foreseen->is_warned ? TRACE_PRESSURE_WARNING
                                                                  : TRACE_PRESSURE_CALMED,
                                      .ns = foreseen->soonest_ns,
                                      .percent = (uint8_t)foreseen->percent};
    write(&pressure, nearest);
    if (!journal.is_verbose)
        return;
    if (foreseen->is_warned)
        say("pressure: warning at %lu %% of %lu KiB: 90 %% within a minute, chance %lu %%",
            percent_of(nearest->used, nearest->limit), nearest->limit / 1024,
            (unsigned long)foreseen->percent);
    else
        say("pressure: no warning any more at %lu %% of %lu KiB",
            percent_of(nearest->used, nearest->limit), nearest->limit / 1024);
}
