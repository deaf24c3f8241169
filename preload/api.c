/* api.c - the functions of mpress.h. */
#include "preload/api.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "preload/actions.h"
#include "preload/door.h"
#include "preload/foresee.h"
#include "preload/init.h"
#include "preload/leaks.h"
#include "preload/mpress_pressure.h"
#include "preload/respond.h"
#include "preload/summary.h"
#include "preload/watch.h"
#include "tracer/tracer.h"

void mpress_stats_read(struct mpress_stats *stats)
{
    summary_read(stats);
}

void mpress_spans_read(struct mpress_spans *spans)
{
    summary_read_spans(spans);
}

uint64_t mpress_compact(void)
{
    return door_compact();
}

/* By size, which the numbers of exact classes do not follow. 0: there is none. */
static unsigned nth_class(size_t index)
{
    unsigned class = size_class_of(1);
    for (; index > 0; index--) {
        if (size_tables.classes[class].bytes >= SIZE_SLAB_MAX)
            return 0;
        class = size_class_of(size_tables.classes[class].bytes + 1);
    }
    return class;
}

bool api_read_class(size_t index, struct mpress_class *size_class)
{
    struct heap_class_stats stats;
    unsigned class = nth_class(index);
    if (class == 0)
        return false;
    const struct size_class *of = &size_tables.classes[class];
    summary_read_class(class, &stats);
    size_class->bytes = of->bytes;
    size_class->live_objects = stats.live_objects;
    size_class->cached_objects = stats.cached_objects;
    size_class->external = stats.external_bytes;
    size_class->most_rounds = of->rounds_max;
    size_class->first_rounds = (uint32_t)MAGAZINE_FIRST_ROUNDS << of->step;
    if (size_class->first_rounds > of->rounds_max)
        size_class->first_rounds = of->rounds_max;
    size_class->is_exact = class >= SIZE_CLASS_EXACT;
    struct cache_counts counts;
    summary_read_counts(class, &counts);
    size_class->taken = counts.taken;
    size_class->given = counts.given;
    size_class->refills = counts.refills;
    size_class->flushes = counts.flushes;
    return true;
}

int mpress_class_read(size_t index, struct mpress_class *size_class)
{
    return api_read_class(index, size_class) ? 0 : ENOENT;
}

int mpress_thread_read(size_t index, struct mpress_thread *thread)
{
    return summary_read_thread(index, thread) ? 0 : ENOENT;
}

const char *mpress_version(void)
{
    return MPRESS_VERSION;
}

int mpress_trace_start(const char *file, const char *mode)
{
    static const char *const words[] = {"sample", "events", "full", "flight"};
    static const enum conf_trace modes[] = {CONF_TRACE_SAMPLE, CONF_TRACE_EVENTS, CONF_TRACE_FULL,
                                            CONF_TRACE_FLIGHT};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(mode, words[i]) == 0)
            return init_start_trace(file, modes[i]);
    }
    return EINVAL;
}

int mpress_trace_stop(void)
{
    return init_stop_trace();
}

int mpress_trace_dump(const char *file)
{
    return tracer_dump(file);
}

void mpress_mark(const char *label)
{
    if (tracer_is_on())
        tracer_mark(label);
}

int mpress_leaks_read(const char *label, struct mpress_leaks *leaks)
{
    int error = leaks_look(leaks, NULL);
    if (label != NULL)
        mpress_mark(label);
    return error;
}

int mpress_forecast_read(struct mpress_forecast *forecast)
{
    struct bounds_reading nearest;
    if (!init_conf()->forecast)
        return ENOTSUP;
    int error = watch_read_nearest(&nearest);
    if (error != 0)
        return error;
    return foresee_read(&nearest, forecast) ? 0 : EAGAIN;
}

int mpress_option_read(size_t index, struct mpress_option *option)
{
    struct conf_row row;
    if (!conf_read_row(init_conf(), index, &row))
        return ENOENT;
    option->variable = row.variable;
    option->values = row.values;
    option->help = row.help;
    memcpy(option->value, row.value, sizeof(option->value));
    option->is_default = row.is_default;
    return 0;
}

static_assert(MPRESS_CALM == (int)PRESSURE_CALM && MPRESS_EMERGENCY == (int)PRESSURE_EMERGENCY,
              "the levels have the same numbers");

int mpress_limit_set(uint64_t soft, uint64_t hard)
{
    return watch_set_limit(soft, hard);
}

int mpress_pressure_level(void)
{
    return watch_look_if_stale();
}

int mpress_pressure_subscribe(void (*function)(int level, void *context), void *context)
{
    int error = respond_subscribe(function, context);
    if (error == 0)
        watch_follow_bounds();
    return error;
}

int mpress_pressure_unsubscribe(void (*function)(int level, void *context), void *context)
{
    return respond_unsubscribe(function, context);
}

int mpress_signals_read(struct mpress_signals *signals)
{
    return watch_read_signals(signals);
}

bool api_read_action(size_t index, struct mpress_action *action)
{
    struct action_counts counts;
    if (index >= ACTIONS)
        return false;
    actions_read((enum action)index, &counts);
    *action = (struct mpress_action){.from_level = (int)actions_from((enum action)index),
                                     .is_allowed = actions_may((enum action)index),
                                     .runs = counts.runs,
                                     .bytes = counts.bytes,
                                     .ns = counts.ns};
    const char *word = actions_word((enum action)index);
    memcpy(action->name, word, strlen(word) + 1);
    return true;
}

int mpress_action_read(size_t index, struct mpress_action *action)
{
    return api_read_action(index, action) ? 0 : ENOENT;
}
